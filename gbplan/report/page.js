"use strict";
const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

// ---------------------------------------------------------------------------------------------- where numbers come from

function label(cell) {
  const table = cell.closest("table"), row = cell.closest("tr");
  const column = table && $$("thead th", table)[cell.cellIndex];
  return [row && $("th", row).firstChild.textContent.trim(), column && column.textContent].filter(Boolean).join(", ");
}

function showSource(marked, cell) {
  const results = marked.dataset.results.trim().split(" ").map(place => document.getElementById(`result-${place}`));
  const files = results.flatMap(result => $$(".files li", result).map(file => file.textContent));
  const number = (cell || marked).textContent.trim().replace(/\s+/g, " ");
  const of = cell && cell.tagName === "TD" ? ` (${label(cell)})` : "";
  $("#source span").textContent = `${number}${of} is from ${[...new Set(files)].join(", ")}`;
  $("#source a").href = `#${results[0].id}`;
  $("#source").hidden = false;
}

function open(element) {
  for (let each = element; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
  element.scrollIntoView();
}

document.addEventListener("click", event => {
  const marked = event.target.closest("[data-results]");
  if (!marked) return;
  event.preventDefault();
  showSource(marked, event.target.closest("td, tbody th"));
});
$("#source a").addEventListener("click", event => {
  event.preventDefault();
  open($(event.target.getAttribute("href")));
});
$("#source button").addEventListener("click", () => { $("#source").hidden = true; });
addEventListener("keydown", event => { if (event.key === "Escape") $("#source").hidden = true; });
function follow() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target) open(target);
}
addEventListener("hashchange", follow);
addEventListener("load", follow);

// ------------------------------------------------------------------------------------------------------ sort and filter

function value(row, column) {
  const cell = row.cells[Math.min(column, row.cells.length - 1)]; // a policy's one cell is that of every planner
  const text = cell.dataset.value ?? cell.textContent.trim();
  const number = parseFloat(text.replaceAll(",", ""));
  return Number.isNaN(number) ? text : number;
}

function compare(one, other, sign) {
  if (one === "" || other === "") return (one === "") - (other === ""); // what is not there comes last
  if (typeof one === typeof other) return sign * (typeof one === "number" ? one - other : one.localeCompare(other));
  return sign * (typeof one === "number" ? -1 : 1);
}

function sort(table, column) {
  const heads = $$("thead th", table), head = heads[column];
  const order = head.getAttribute("aria-sort");
  const descending = order ? order === "ascending" : column > 0; // of numbers the highest first
  for (const each of heads) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  for (const body of table.tBodies) {
    const rows = [...body.rows].map(row => [value(row, column), row]);
    rows.sort(([one], [other]) => compare(one, other, descending ? -1 : 1));
    body.append(...rows.map(([, row]) => row));
  }
}

for (const table of $$("[data-sorts]")) {
  $$("thead th", table).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, column));
    head.append(button);
  });
}

for (const input of $$("input[type=search]")) {
  const tools = input.closest(".tools");
  tools.hidden = false;
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const row of $$("tbody tr", tools.parentElement)) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every(word => text.includes(word));
    }
  });
}

// --------------------------------------------------------------------------------------------------------- enlarge figures

for (const button of $$(".zooms")) {
  button.addEventListener("click", () => {
    const place = $("#zoom div");
    place.className = "";
    place.replaceChildren($("picture", button).cloneNode(true));
    $("#zoom").showModal();
  });
}
$("#zoom div").addEventListener("click", event => event.currentTarget.classList.toggle("actual"));

// ---------------------------------------------------------------------------------------------------------- watch episodes

function player(watched) {
  const kind = $("#kind"), task = $("#task"), time = $("#time"), play = $("#play");
  const sides = ["left", "right"].map(side => document.getElementById(side));
  const option = (text, place) => new Option(text, place);
  const runs = () => watched[kind.value].runs;
  const last = (run, path) => (run[path] ? run[path][task.value].last : 0);

  // Points up to a step, the last one between two of those that are kept.
  function until(path, step) {
    const { points, every, last } = path, found = [];
    for (let i = 0; i < points.length / 2; i++) {
      const at = Math.min(i * every, last);
      if (at <= step) found.push([points[2 * i], points[2 * i + 1]]);
      else {
        const before = (i - 1) * every, share = (step - before) / (at - before);
        const [x, y] = found.at(-1);
        if (share > 0) found.push([x + share * (points[2 * i] - x), y + share * (points[2 * i + 1] - y)]);
        break;
      }
    }
    return found;
  }

  const line = points => (points.length ? `M${points.map(point => point.join(" ")).join("L")}` : "");

  function place(circle, [x, y]) {
    circle.setAttribute("cx", x);
    circle.setAttribute("cy", y);
  }

  function draw() {
    const step = Number(time.value), { goals, radius, walls } = watched[kind.value];
    $("#step").textContent = `step ${step}`;
    for (const side of sides) {
      const run = runs()[$("select", side).value], number = Number(task.value);
      $(".walls", side).setAttribute("d", walls.map(([a, b, c, d]) => `M${a} ${b}L${c} ${d}`).join(""));
      place($(".goal", side), goals[number]);
      $(".goal", side).setAttribute("r", radius || 12);
      for (const path of ["imagined", "executed"]) {
        const known = run[path] && run[path][number];
        const walked = known ? until(known, step) : [];
        $(`path.${path}.whole`, side).setAttribute("d", known ? line(until(known, known.last)) : "");
        $(`path.${path}:not(.whole)`, side).setAttribute("d", line(walked));
        $(`circle.${path}`, side).style.display = known ? "" : "none";
        if (known) place($(`circle.${path}`, side), walked.at(-1));
      }
      const came = run.solved[number] ? `reached the goal at step ${run.steps[number]}` : `did not reach the goal in ${run.steps[number]} steps`;
      const caption = run.imagined ? came : `${came}; nothing was imagined`;
      if ($("figcaption", side).textContent !== caption) $("figcaption", side).textContent = caption;
      $("svg", side).setAttribute("aria-label", `${$("select", side).selectedOptions[0].text}, task ${number}: ${caption}`);
    }
  }

  function restart() {
    const shown = sides.map(side => runs()[$("select", side).value]);
    time.max = Math.max(...shown.flatMap(run => [last(run, "executed"), last(run, "imagined")]));
    time.value = time.max;
    draw();
  }

  function choose() {
    const { goals } = watched[kind.value];
    task.replaceChildren(...goals.map((_, number) => option(number, number)));
    const names = runs().map(run => $("summary", document.getElementById(`result-${run.result}`)).textContent);
    const { first = [] } = watched[kind.value];
    sides.forEach((side, index) => {
      const select = $("select", side);
      select.replaceChildren(...names.map(option));
      select.value = Math.max(Math.min(index, names.length - 1), runs().findIndex(run => run.result === first[index]));
    });
    sides[1].hidden = runs().length < 2;
    restart();
  }

  let playing = 0;
  function tick(now, before) {
    if (!playing) return;
    const step = playing + (now - before) / 60; // milliseconds a step
    playing = step > Number(time.max) ? 0 : step;
    time.value = playing || time.max;
    play.textContent = playing ? "Pause" : "Play";
    play.setAttribute("aria-pressed", Boolean(playing));
    draw();
    if (playing) requestAnimationFrame(next => tick(next, now));
  }

  kind.replaceChildren(...Object.keys(watched).map(each => option(each, each)));
  kind.closest("label").hidden = Object.keys(watched).length < 2;
  kind.addEventListener("change", choose);
  task.addEventListener("change", restart);
  for (const side of sides) $("select", side).addEventListener("change", restart);
  time.addEventListener("input", () => { playing = 0; play.textContent = "Play"; draw(); });
  play.addEventListener("click", () => {
    playing = playing ? 0 : Number(time.value) >= Number(time.max) ? 1e-9 : Number(time.value) || 1e-9;
    play.textContent = playing ? "Pause" : "Play";
    play.setAttribute("aria-pressed", Boolean(playing));
    requestAnimationFrame(now => tick(now, now));
  });
  $(".player").hidden = false;
  choose();
}

if ($("#watched")) player(JSON.parse($("#watched").textContent));
