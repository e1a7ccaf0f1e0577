"""Numbers in sentences of README.md and docs/ are those of the tables, which are made from results."""

import re
from functools import cache
from pathlib import Path

import pytest

NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
README, RESULTS, ROBUSTNESS = "README.md", "docs/results.md", "docs/robustness.md"
NEGATIVE, SWEEP = "docs/negative_results.md", "benchmarks/attack_sweep.md"
PLAN_TIME = "benchmarks/plan_time.md"
VECTOR_ENV, THROUGHPUT = "benchmarks/vector_env.md", "benchmarks/training_throughput.md"
SUCCESS, MPC, OPEN = "success %", "-gradient-mpc", "-gradient-open"


@cache
def rows(page):
    """Rows of a page's tables, each a dict by column; columns that are called alike are numbered."""
    found, header = [], None
    for line in Path(page).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.lstrip().startswith("|") else None
        if cells is None:
            header = None
        elif header is None:
            header = [name + " again" * cells[:place].count(name) for place, name in enumerate(cells)]
        else:
            found.append(dict(zip(header, cells, strict=False)))
    return found


def numbers(page, row, column, **others):
    """The numbers of the cell in the row of that name, and of these other cells."""
    cells = {
        cells[column]
        for cells in rows(page)
        if next(iter(cells.values())) == row and column in cells and others.items() <= cells.items()
    }
    (cell,) = cells
    return [float(number.replace(",", "")) for number in re.findall(NUMBER, cell)]


def success(name, page=README):
    """Mean, lowest and highest success of a result on detour tasks."""
    tasks = {"tasks": "detour"} if any("tasks" in cells and cells.get("result") == name for cells in rows(page)) else {}
    return numbers(page, name, SUCCESS, **tasks)[:3]


def believed(name):
    return numbers(README, name, "believed %")[0]


def share_of_base(name, page=README):
    """The gap of a result in percent of the base model's under the same planner."""
    tasks = {"tasks": "detour"} if page == RESULTS else {}
    own, base = (
        numbers(page, result, "gap@25", **tasks)[0] for result in (name, f"base{MPC if MPC in name else OPEN}")
    )
    return 100 * own / base


def swept(attack, radius, dataset):
    return numbers(SWEEP, attack, dataset, radius=radius)[0]


def planned(planner, column):
    return numbers(README, planner, column)[0]


def robust(world, model, table=0):
    """Success in a world with gradient MPC, whose table comes first, or with CEM."""
    return float([cells[model] for cells in rows(ROBUSTNESS) if cells.get("world") == world][table].split()[0])


def lost(world, model, table=0):
    return robust("default", model, table) - robust(world, model, table)


def timed(column, batch="1", beside=""):
    """A number of benchmarks/planners.md at H = 25, of the table that has these columns."""
    (row,) = (
        row
        for row in rows("benchmarks/planners.md")
        if (row.get("B"), row.get("H")) == (batch, "25") and column in row and (not beside or beside in row)
    )
    return float(row[column].replace(",", ""))


def planning_time(planner, batch):
    """Share of CEM's time in percent, and the cost."""
    (cells,) = (row for row in rows(PLAN_TIME) if (row["planner"], row["batch"]) == (planner, batch))
    return [float(cells[column].split()[0]) for column in ("share of CEM's", "mean cost")]


# A page, its sentence with {} for each number, and the numbers.
SENTENCES = [
    (
        README,
        "The base model believes in {} % of its plans and reaches {} % of the goals",
        lambda: [believed("base" + MPC), success("base" + MPC)[0]],
    ),
    (
        README,
        "it reaches {} % ({} to {}), and the gap falls to {} % of the base's",
        lambda: [*success("online" + MPC), share_of_base("online" + MPC)],
    ),
    (
        README,
        "reaches {} % unperturbed (one seed, [ablations](docs/results.md)), "
        "{} % with FGSM and {} % with random corners",
        lambda: [
            success("online_noise-unperturbed" + MPC, RESULTS)[0],
            success("online_adversarial" + MPC)[0],
            success("online_noise" + MPC)[0],
        ],
    ),
    (
        README,
        "{} % unperturbed (one seed), {} % ({} to {}) with FGSM, {} % ({} to {}) with noise; "
        "the rollout loss of `online` does, {} % ({} to {})",
        lambda: [
            success("online_noise-unperturbed" + OPEN, RESULTS)[0],
            *success("online_adversarial" + OPEN, RESULTS),
            *success("online_noise" + OPEN, RESULTS),
            *success("online" + OPEN, RESULTS),
        ],
    ),
    (
        README,
        "noise of the same radius costs {} points",
        lambda: [success("finetune" + MPC)[0] - success("noise" + MPC)[0]],
    ),
    (
        README,
        "random shooting believes in {} % of its plans and reaches {} % of the goals, "
        "gradient descent {} and {}, CEM {} and {}",
        lambda: [
            planned(planner, column)
            for planner in ("random shooting", "gradient", "CEM")
            for column in ("believed, %", "base, %")
        ],
    ),
    (
        README,
        "{} to {} times the steps per second without noise, {} times with process noise",
        lambda: [
            numbers(VECTOR_ENV, world, "ratio")[0]
            for world in ('`dynamics="velocity"`', "default", "`process_noise=0.01`")
        ],
    ),
    (
        README,
        "keeps {} of the speed of a bare PyTorch loop over the same batches "
        "({} with logging, checkpoints and validation), "
        "{} times that of `TensorDataset` with `DataLoader`",
        lambda: [
            numbers(THROUGHPUT, "trainer", "against bare")[0],
            numbers(THROUGHPUT, "trainer_full", "against bare")[0],
            numbers(THROUGHPUT, "trainer", "against TensorDataset")[0],
        ],
    ),
    (
        README,
        "takes {} % of the time of CEM with 300 samples and 30 iterations for 64 tasks together, "
        "at {} times its cost, and {} % for one; of 500 rollouts, at no higher cost than CEM's plan, {} % and {} %",
        lambda: [
            planning_time("gradient", "64")[0],
            planning_time("gradient", "64")[1] / planning_time("cem", "64")[1],
            planning_time("gradient", "1")[0],
            planning_time("gradient_open_loop", "64")[0],
            planning_time("gradient_open_loop", "1")[0],
        ],
    ),
    (
        README,
        "{} plans a second with 78 candidates and 12 steps, {} with 10 steps from the last plan",
        lambda: [
            numbers("benchmarks/planners.md", f"GradientPlanner, {budget}", "Hz")[0]
            for budget in ("78 candidates, 12 steps from the best 2", "10 steps from the last plan")
        ],
    ),
    (
        README,
        "descent is {} times as fast as stable-worldmodel's. Beside CEM",
        lambda: [timed("swm, ms", beside="plain, ms") / timed("plain, ms")],
    ),
    (
        README,
        "beside that it is {}, {} and {} times as fast, at lower cost still",
        lambda: [timed("CEM 100 x 30 / gradient", batch) for batch in ("1", "16", "64")],
    ),
    (
        NEGATIVE,
        "does worse than with 128 on models trained online: {} %",
        lambda: success("online_adversarial-cem-300x30-mpc", RESULTS)[:1],
    ),
    (
        ROBUSTNESS,
        "with CEM the base model gains {} from process noise of 0.05",
        lambda: [-lost("process noise 0.05", "base", table=1)],
    ),
    (
        RESULTS,
        "| {} %; CEM at equal calls {} % |",
        lambda: [success("online_adversarial" + MPC)[0], success("online_adversarial-cem-mpc")[0]],
    ),
    (
        RESULTS,
        "replanning: online {} %, online and adversarial {} %; whole plans: online {} %, online and adversarial {} %",
        lambda: [
            share_of_base(model + planner, RESULTS)
            for planner in (MPC, OPEN)
            for model in ("online", "online_adversarial")
        ],
    ),
    (
        RESULTS,
        "PGD of 0.05, is {} and {} points ahead of none (the latter beyond the range of the seeds), FGSM of 0.05 {} "
        "points behind and level",
        lambda: [
            swept("PGD", "0.05", "expert") - swept("none", "0", "expert"),
            swept("PGD", "0.05", "random-walk") - swept("none", "0", "random-walk"),
            swept("none", "0", "expert") - swept("FGSM", "0.05", "expert"),
        ],
    ),
    (
        RESULTS,
        "Noise of 0.05 costs {} to {} points",
        lambda: sorted(swept("none", "0", data) - swept("noise", "0.05", data) for data in ("expert", "random-walk")),
    ),
    (
        RESULTS,
        "on online data, FGSM and PGD reach {} and {} % and noise {} %",
        lambda: [swept(attack, "0.15", "online") for attack in ("FGSM", "PGD", "noise")],
    ),
    (
        NEGATIVE,
        "{} points at 0.02, {} at 0.15",
        lambda: [swept("FGSM", radius, "online") - swept("noise", radius, "online") for radius in ("0.02", "0.15")],
    ),
    (
        NEGATIVE,
        "the sweep's FGSM reaches {} % of validation tasks, the one inside the loop {} % of held-out ones",
        lambda: [swept("FGSM", "0.05", "online"), success("online_adversarial" + MPC)[0]],
    ),
    (
        NEGATIVE,
        "the cosine of one step is {}, where the same training with noise has {}, `online` {} and the base {}",
        lambda: [
            numbers(RESULTS, model + MPC, "cosine@1")[0]
            for model in ("online_adversarial", "online_noise", "online", "base")
        ],
    ),
    (
        ROBUSTNESS,
        "costs the online model {} points and the online and adversarial one {}. A wider",
        lambda: [lost("door narrow", model) for model in ("online", "online + adversarial")],
    ),
    (
        ROBUSTNESS,
        "costs the online model {} points, the online and adversarial one {} and the base model {} (of {})",
        lambda: [
            *(lost("contact stop", model) for model in ("online", "online + adversarial", "base")),
            robust("default", "base"),
        ],
    ),
    (
        ROBUSTNESS,
        "online models fall to {} and {} %",
        lambda: [robust("door moved", model) for model in ("online", "online + adversarial")],
    ),
    (
        ROBUSTNESS,
        "the online loop is worth as much as in the default world: {} % instead of {}. The attack, whose radius was "
        "chosen for the default world, takes away from that: {} %",
        lambda: [robust("velocity", model) for model in ("online", "base", "online + adversarial")],
    ),
    (
        ROBUSTNESS,
        "walking straight at the goal succeeds in {} of 100 tasks, planning through the base model in {} and "
        "through the adversarial one in {}. Within 0.1 a straight line is ahead of both: {} against {} and {}",
        lambda: [
            numbers(ROBUSTNESS, f"small_steps-{way}", column)[0]
            for column in ("within 1 %", SUCCESS)
            for way in ("straight-line", "base-gradient-open", "adversarial-gradient-open")
        ],
    ),
]


@pytest.mark.parametrize(("page", "sentence", "expected"), SENTENCES, ids=lambda part: str(part)[:40])
def test_numbers_of_a_sentence_are_those_of_the_tables(page, sentence, expected):
    pattern = re.escape(" ".join(sentence.split())).replace(r"\{\}", f"({NUMBER})").replace(r"\ ", r"\s+")
    found = re.findall(pattern, Path(page).read_text().replace("**", ""))
    assert len(found) == 1, f"{page} should say once: {sentence}"
    said = [found[0]] if isinstance(found[0], str) else list(found[0])
    for text, value in zip(said, expected(), strict=True):
        decimals = len(text.partition(".")[2])
        # Cells are rounded already: a whole number, rounded once more or calculated, may lie just beyond the half.
        slack = 1e-9 if decimals else 0.051
        assert abs(float(text.replace(",", "")) - value) <= 0.5 * 10**-decimals + slack, f"{text} is {value:.3f}"
