"""The page of a report, as a parser sees it; test_page_in_browser.py opens it."""

import base64
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from gbplan.report import report
from gbplan.report.episodes import LARGEST, POINTS, SIDE, TASKS, episodes
from gbplan.report.result_files import RESULT_FILE, read_result

NAMES = {"success-detour", "paths-detour", "landscape-detour", "error-detour", "alignment-detour"}
VOID = {"meta", "input", "img", "source", "br"}


class Page(HTMLParser):
    """Elements with their attributes, and the texts of cells; every element that is opened must be closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.cells = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data

    def values(self, attribute):
        return [attributes[attribute] for _, attributes in self.elements if attributes.get(attribute)]


@pytest.fixture(scope="module")
def text(evaluated, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(evaluated, folder / "results")
    content = read_result(folder / "results" / "base" / RESULT_FILE) | {"name": "<b>base</b>"}
    (folder / "results" / "base" / RESULT_FILE).write_text(json.dumps(content))
    report(str(folder / "results"), html=str(folder / "page.html"))
    return (folder / "page.html").read_text()


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_page_needs_nothing_but_itself(text, page):
    images = page.values("src") + page.values("srcset")
    assert len(images) == 2 * len(NAMES)
    for image in images:
        head, data = image.split(",")
        assert head == "data:image/png;base64"
        assert base64.b64decode(data).startswith(b"\x89PNG")
    assert "http" not in text
    assert not re.search(r"url\(|@import|<link", text)


def test_names_are_text_whatever_they_contain(text):
    assert "&lt;b&gt;base" in text
    assert "<b>base" not in text


def test_every_link_leads_to_a_result_and_its_file(text, page, evaluated):
    links = page.values("href")
    assert len(links) > 4
    assert {link.removeprefix("#") for link in links} <= set(page.values("id"))
    for name in ("base", "straight"):
        assert f"results/{name}/result.json</code>" in text
    assert torch.__version__ in text  # among the settings
    assert set(page.values("id")) >= NAMES


def test_numbers_of_the_matrix_are_those_of_the_results(text, page, evaluated):
    for name in ("base", "straight"):
        success = read_result(evaluated / name / RESULT_FILE)["tasks"]["detour"]["success"]
        cell = f"{100 * success['rate']:.1f} [{100 * success['low']:.1f}, {100 * success['high']:.1f}]"
        assert cell in map(str.strip, page.cells)
    assert {"method", "Gradient, MPC"} <= set(page.cells)


def test_episodes_are_where_they_were_played(text, evaluated):
    watched = json.loads(re.search(r'id="watched">(.*?)</script>', text)[1])["detour"]
    assert [run["result"] for run in watched["runs"]] == [0, 1]
    assert watched["first"] == [0, 0]
    with np.load(evaluated / "base" / "detour.npz") as arrays:
        executed, goals, walls = arrays["executed"], arrays["goals"], arrays["background"]
    run = watched["runs"][0]
    # Of x and y alike: a position is a number of the square's units from its corner, y turned round.
    unit = np.ptp(np.array(watched["walls"])[:, 0::2]) / np.ptp(walls[..., 0])
    for task, (path, goal) in enumerate(zip(executed, goals, strict=True)):
        path = path[~np.isnan(path).any(1)]
        assert run["steps"][task] == run["executed"][task]["last"] == len(path) - 1
        away = np.reshape(run["executed"][task]["points"], (-1, 2))[-1] - watched["goals"][task]
        np.testing.assert_allclose(away, unit * (path[-1] - goal) * [1, -1], atol=1.5)


def test_long_paths_are_thinned_out_and_keep_their_ends(tmp_path):
    steps, results = 950, []
    for name in range(200):
        folder = tmp_path / str(name)
        folder.mkdir()
        path = np.linspace((0, 0), (1, 2), steps + 1)[None].repeat(16, 0)
        imagined = path[:, 1:50].copy()
        imagined[0, 10:] = np.inf  # diverges
        arrays = {"goals": np.ones((16, 2)), "success": np.ones(16, bool), "background": np.zeros((0, 2, 2))}
        np.savez(folder / "detour.npz", executed=path, imagined=imagined, radius=np.nan, **arrays)
        results.append({"folder": str(folder), "method": {"action_block": 5}, "tasks": {"detour": {}}})
    found = episodes(results, "detour")
    assert len(found["goals"]) < TASKS
    assert found["radius"] is None
    run = found["runs"][0]
    paths = [path for each in found["runs"] for path in (*each["executed"], *each["imagined"])]
    points = [len(path["points"]) // 2 for path in paths]
    assert max(points) <= POINTS + 1
    assert sum(points) <= 1.1 * LARGEST
    assert run["executed"][0]["every"] == 10
    assert (run["imagined"][0]["every"], run["imagined"][0]["last"]) == (5, 50)  # from the start on, where it is finite
    (x, y), (last_x, last_y) = run["executed"][0]["points"][:2], run["executed"][0]["points"][-2:]
    assert y > last_y  # on a screen
    assert x < last_x
    assert max(run["executed"][0]["points"]) <= SIDE


def test_episodes_are_left_out_where_goals_are_not_points_of_a_plane(evaluated, tmp_path):
    folder = shutil.copytree(evaluated, tmp_path / "results")
    for path in folder.rglob("*.npz"):
        np.savez(path, success=np.ones(4, bool), goals=np.ones((4, 3)))
    report(str(folder), html=str(tmp_path / "page.html"))
    assert "Episodes" not in (tmp_path / "page.html").read_text()


@pytest.mark.slow
def test_page_of_a_whole_matrix_is_below_three_megabytes(evaluated, tmp_path):
    for number in range(36):
        folder = shutil.copytree(evaluated / "base", tmp_path / "results" / f"{number:02}")
        content = json.loads((folder / RESULT_FILE).read_text())
        content["name"] = f"model{number // 4}-gradient{number % 4}"
        content["tasks"]["uniform"] = content["tasks"]["detour"]
        (folder / RESULT_FILE).write_text(json.dumps(content))
        with np.load(folder / "detour.npz") as file:
            arrays = {key: value.repeat(4, 0) if key in ("goals", "success") else value for key, value in file.items()}
        walk = np.random.default_rng(number).normal(0, 0.02, (2, 16, 200, 2)).cumsum(2)
        arrays |= {"executed": walk[0], "imagined": walk[1, :, :50]}
        for kind in ("detour", "uniform"):
            np.savez(folder / f"{kind}.npz", **arrays)
        shutil.copy(folder / "detour.csv", folder / "uniform.csv")
    report(str(tmp_path / "results"), html=str(tmp_path / "page.html"))
    assert (tmp_path / "page.html").stat().st_size < 3e6
