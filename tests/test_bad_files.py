"""Damaged files, generated: every entry and every branch of what commands read, by every kind of wrongness.

Files may come from anybody, or a disk may have lost a part of them. Each damage must end in an error of one line that
names the file and says what to do, and must leave all files as they are. Some damages give a value that could have been
written, and cannot be detected; these cases are listed with a reason, and must be read without an internal error.
Arguments, datasets and checkpoints are in ``test_bad_values.py``.

By default a sample of the damages is tried, always the same; the slow tests try all of them.
"""

import json
import math
import pickle
import random
import re
from collections import Counter
from contextlib import suppress
from copy import deepcopy
from dataclasses import fields
from functools import partial

import numpy as np
import pytest
import torch
import yaml
from jsonargparse import ArgumentParser

from gbplan.cli import main
from gbplan.cli.command import ERRORS
from gbplan.cli.errors import one_line
from gbplan.cli.keeping import AlreadyDoneError, Recipe
from gbplan.cli.yaml_guard import load_yaml
from gbplan.data import Trajectories
from gbplan.data.frames import Frames
from gbplan.data.processes import alone
from gbplan.data.replay_buffer import ReplayBuffer
from gbplan.data.segment import file_digest
from gbplan.networks import IdentityEncoder, MLPPredictor, WorldModel
from gbplan.planners import Planner, PlanningProblem
from gbplan.policies import Agent
from gbplan.report import report
from gbplan.report.result_files import read_result, read_tasks

TINY = "door-wall/tiny-v0"
REMOVED = object()
WRONG = {
    "removed": REMOVED,
    "null": None,
    "text": "x",
    "two lines": "a\nb",
    "true": True,
    "negative": -1,
    "huge": 2**62,
    "beyond any machine": 2**70,
    "fraction": 0.5,
    "NaN": math.nan,
    "infinity": math.inf,
    "empty list": [],
    "list": [1],
    "empty dict": {},
    "dict": {"x": 1},
}


def places(value, where=()):
    """Where all entries and branches of plain data are: keys and indices."""
    yield where
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*where, key))


def damaged(good, where, value):
    """A copy of plain data with another value at a place."""
    if not where:
        return value
    made = deepcopy(good)
    within = made
    for key in where[:-1]:
        within = within[key]
    if value is REMOVED:
        del within[where[-1]]
    else:
        within[where[-1]] = value
    return made


def at(good, where):
    for key in where:
        good = good[key]
    return good


def same(one, other):
    return type(one) is type(other) and (one == other or one != one)


def damages(good, wrong=WRONG):
    """Yield each place, each kind of wrongness, and the damaged data."""
    for where in places(good):
        for what, value in wrong.items():
            if not same(at(good, where), value) and not (where == () and value is REMOVED):
                yield where, what, damaged(good, where, value)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def outcome(function, folder, names, refusals=(ValueError, FileNotFoundError, FileExistsError)):
    """The outcome of reading a damaged file: ``read``, ``refused``, or the fault of the refusal."""
    before = contents(folder)
    try:
        function()
        found = "read"
    except Exception as error:
        message = one_line(str(error))
        missing = [name for name in names if name not in message]
        if not isinstance(error, refusals):
            found = f"{type(error).__name__}: {message:.100}"
        elif missing:
            found = f"refused without {missing}: {message:.100}"
        else:
            found = "refused"
    return found if contents(folder) == before else f"{found}, but files have changed"


@pytest.fixture(params=[16, pytest.param(1, marks=pytest.mark.slow)], ids=["sample", "all"])
def one_in(request):
    """How many damages there are for one that is tried."""
    return request.param


class Tally:
    """The expected and the actual outcomes of damages."""

    def __init__(self, one_in, may_be_read=()):
        self.one_in = one_in
        self.may_be_read = [(re.compile(pattern), kinds) for pattern, kinds, _ in may_be_read]
        self.refused = self.read = 0
        self.failed = []

    def sample(self, cases):
        """Those of the cases that are tried."""
        cases = [*cases]
        return random.Random(0).sample(cases, math.ceil(len(cases) / self.one_in))

    def add(self, where, what, found):
        place = ".".join(map(str, where))
        may = any(pattern.fullmatch(place) and what in kinds for pattern, kinds in self.may_be_read)
        self.refused += not may
        self.read += may
        if found != ("read" if may else "refused"):
            self.failed.append((place, what, found))

    def check(self, at_least):
        of = Counter(found.partition(":")[0].partition("[")[0] for _, _, found in self.failed)
        told = "\n".join(map(str, self.failed[:: max(1, len(self.failed) // 60)]))
        tried = f"{self.refused} to refuse and {self.read} to read"
        print(f"{len(self.failed)} failed of {tried}: {dict(of)}")
        assert not self.failed, f"{len(self.failed)} failed of {tried}: {dict(of)}\n{told}"
        assert self.refused >= (at_least if self.one_in == 1 else 1)


ALL = frozenset(WRONG)
ABSENT = {"removed", "null"}
NUMBERS = {"fraction", "huge", "beyond any machine"}

# ------------------------------------------------------------------------------------------------------- result.json

DETOUR = r"tasks\.detour\."
RESULTS = [
    (r"name|provenance\.(commit|machine|processor)", {"text"}, "one text is as good as another"),
    (r"provenance\.commit", {"null"}, "not known"),
    (r"provenance\.processor", {"removed"}, "of an older version"),
    (r"provenance\.gbplan", ALL - {"two lines"}, "the page shows it as it is"),
    (r"method\.model_sha256", ABSENT | {"text", "two lines"}, "another model"),
    (r"method\.planner\.horizon", ALL, "a setting, compared and shown as it is"),
    (r"method\.(model|mode|planner\.class)", {"text"}, "one text is as good as another"),
    (r"method\.action_block", {"removed"}, "of an older version"),
    (r"environment", {"empty dict", "dict"}, "settings, compared and shown as they are"),
    (r"environment\..*", ALL, "settings, compared and shown as they are"),
    (r"training", ABSENT, "of a policy"),
    (r"training\.(attack|init_from|latent_factor)", ABSENT, "defaults of a module"),
    (r"training\.(class|attack\..*|data\..*)", {"removed"}, "settings of another module or data module"),
    (r"training\.(class|init_from|attack\.class_path)", {"text"}, "one text is as good as another"),
    (
        r"training\.attack\.init_args|training\.attack",
        {"empty dict", "dict"},
        "settings of an attack, shown as they are",
    ),
    (r"training\.attack\.init_args\..*", ALL, "settings of an attack, shown as they are"),
    (r"training\.latent_factor", NUMBERS | {"negative"}, "another number"),
    (r"training\.data", {"empty dict", "dict"}, "settings of another data module"),
    (r"training\.data\.datasets", {"empty list", "empty dict", "dict"}, "other data sets, or with weights"),
    (r"training\.data\.datasets\.0", {"removed", "text", "two lines"}, "other data sets"),
    (r"training\.init_from|training\.class|training\.attack\.class_path", {"two lines"}, "a name in a figure"),
    (r"method\.(model|mode|planner\.class)", {"two lines"}, "a name in a figure"),
    (r"training\.data\.seed", {"negative", "huge", "beyond any machine"}, "another seed"),
    (DETOUR + r"(within|believed_success|final_distance|model_error|planning)", {"null"}, "not measured"),
    (DETOUR + r"(steps_to_success|spl|contacts)", {"null"}, "not measured"),
    (DETOUR + r"(gradient_alignment|input_smoothness|landscape)", ABSENT, "not measured, or by an older version"),
    (DETOUR + r"(within|input_smoothness|missing)", {"empty dict"}, "none of what there may be any number"),
    (DETOUR + r"(within\..*\d|gradient_alignment\.\d+|input_smoothness\.\w+)", {"removed"}, "there may be any number"),
    (DETOUR + r"(model_error\.expert|planning\.first_cost)", {"removed"}, "without an expert, or by an older version"),
    (DETOUR + r"model_error\.\w+\.by_step", ABSENT | {"empty list", "list"}, "there may be any number of steps"),
    (DETOUR + r"model_error\.\w+\.by_step\.\d", NUMBERS | ABSENT, "another number, null where it diverged"),
    (
        DETOUR + r".*\.(successes|median|plans|tasks_at_once|horizon_environment_steps|latent_one_step)",
        ALL - {"two lines"},
        "not read",
    ),
    (DETOUR + r".*\.standardised(\..*)?", ALL - {"two lines"}, "not read"),
    (DETOUR + r"missing\..*", {"removed", "text"}, "another reason"),
    (DETOUR + r"(.*\.(rate|low|high|excluded)|spl)", {"fraction"}, "another share"),
    (
        DETOUR + r"(final_distance\.mean|model_error\.\w+\.(latent_)?(one_step|open_loop)|.*environment\.\w+)",
        NUMBERS | {"null"},
        "number",
    ),
    (DETOUR + r"(contacts|steps_to_success|planning\.\w+_per_plan)", NUMBERS, "another number"),
    (DETOUR + r"(.*\.cosine|.*\.rank_correlation|.*\.first_cost)", NUMBERS | {"null", "negative"}, "another number"),
]


@pytest.fixture(scope="module")
def result(evaluated, tmp_path_factory):
    """A folder with the result of a model: its settings and curves cut short, and those of an attack added."""
    folder = tmp_path_factory.mktemp("result")
    good = json.loads((evaluated / "base" / "result.json").read_text())
    method, metrics = good["method"], good["tasks"]["detour"]
    good["method"] = {key: method[key] for key in ("model", "model_sha256", "action_block", "mode")}
    good["method"]["planner"] = {key: method["planner"][key] for key in ("class", "horizon")}
    good["training"] = {
        "class": "AdversarialWorldModelModule",
        "attack": {"class_path": "gbplan.attacks.PGD", "init_args": {"steps": 2}},
        "latent_factor": 0.1,
        "init_from": "runs/base/best.ckpt",
        "data": {"datasets": [TINY], "seed": 0},
    }
    good["provenance"] = {key: good["provenance"][key] for key in ("gbplan", "commit", "machine", "processor")}
    metrics["within"].pop("0.25")
    for key in ("5", "10"):
        metrics["gradient_alignment"].pop(key)
    for along in ("planned", "expert"):
        metrics["model_error"][along]["by_step"] = metrics["model_error"][along]["by_step"][:1]
    metrics["steps_to_success"] = 40.0
    metrics["missing"]["landscape"] = "no reason"
    (folder / "result.json").write_text(json.dumps(good))
    (folder / "detour.csv").write_bytes((evaluated / "base" / "detour.csv").read_bytes())
    return folder


def test_damaged_result_is_named(result, one_in, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("gbplan.report.table.write_figures", lambda *given: None)  # what is drawn, not how
    good = json.loads((result / "result.json").read_text())
    path, tally = tmp_path / "result.json", Tally(one_in, RESULTS)
    figures = tmp_path / "figures"
    figures.mkdir()
    for where, what, bad in tally.sample(damages(good)):
        path.write_text(json.dumps(bad))
        tally.add(
            where, what, outcome(partial(report, str(tmp_path), figures=str(figures)), tmp_path, [str(path), "again"])
        )
        capsys.readouterr()
    tally.check(at_least=800)


# --------------------------------------------------------------------------------------------------------------- csv

CELLS = {
    "removed": REMOVED,
    "empty": "",
    "text": "x",
    "NaN": "nan",
    "infinity": "inf",
    "beyond floats": "1" + "0" * 400,
    "two cells": "1,1",
    "two lines": '"1\n1"',
    "half a quote": '"1',
    "nothing": "\0",
}


def test_damaged_tasks_are_named(result, one_in, tmp_path):
    """Of the header and of two rows every cell that is read is damaged, and whole rows go and come twice."""
    path, tally = tmp_path / "detour.csv", Tally(one_in)
    read = {**read_result(result / "result.json"), "folder": str(tmp_path)}
    table = [line.split(",") for line in (result / "detour.csv").read_text().splitlines()]
    header = table[0]
    columns = [at for at, name in enumerate(header) if name.startswith(("task", "first_hit", "start_distance"))]
    cases = [("all", "empty", []), ("all", "no rows", table[:1]), ("header", "removed", table[1:])]
    for row in range(len(table)):
        cases += [(f"row {row}", "removed", table[:row] + table[row + 1 :])]
        cases += [(f"row {row}", "twice", table[:row] + table[row:][:1] + table[row:])]
    for row in (0, 1, 3):
        for at in columns:
            for what, cell in CELLS.items():
                line = table[row][:at] + ([] if cell is REMOVED else [cell]) + table[row][at + 1 :]
                cases.append((f"row {row}: {header[at]}", what, [*table[:row], line, *table[row + 1 :]]))
    for where, what, bad in tally.sample(cases):
        if where in [f"row 0: {name}" for name in ("task", "start_distance", "first_hit@0.25")]:
            continue  # tasks can do without these columns
        path.write_text("\n".join(",".join(line) for line in bad) + "\n")
        found = outcome(partial(read_tasks, read, "detour"), tmp_path, [str(path), "evaluate again"])
        tally.add((where,), what, found)
    tally.check(at_least=80)


# ------------------------------------------------------------------------------------------------------- recipe.json

RECIPES = [
    (r"products", {"empty list", "within"}, "files are gone, so all is made again"),
    (r"products\.0", {"removed"}, "a folder may hold fewer files beside the first product"),
    (r"products\.1", {"removed"}, "the first product is gone, so all is made again"),
    (r"products\.\d", {"text", "two lines"}, "a file is gone, so all is made again"),
    (r"complete", {"true"}, "complete, but its files are gone, so all is made again"),
    (r"inputs\..*\.(size|modified_ns)", {"huge"}, "another file, so it is read, and is the same"),
    (r"inputs\..*\.modified_ns", {"negative"}, "another time, so the file is read, and is the same"),
]


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """Return a function that makes the recipe of an evaluation with an input."""
    monkeypatch.setattr("gbplan.cli.keeping.code_version", lambda texts: {"gbplan": "0123", "torch": "2"})  # slow
    made, given = tmp_path / "result", tmp_path / "model.ckpt"
    made.mkdir()
    given.write_text("weights")
    for name in ("result.json", "detour.csv"):
        (made / name).write_text("{}")
    configuration = {"ckpt_path": str(given), "tasks": {"count": 4, "kind": None, "min_distance": 0.5}, "names": ["a"]}

    def recipe():
        return Recipe.of(made / "recipe.json", [made / "result.json", made], "evaluate", configuration)

    return recipe


def other_products(good):
    """Recipes with other products: in the folder, and outside."""
    inside, outside = ("no.csv", ".", "x/y", "../result/x"), ("../model.ckpt", "/etc/hostname", "..", "x/../../x", "/")
    for what, names in {"within": inside, "outside": outside}.items():
        for name in names:
            for products in ([name], [*good["products"], name], [name] * 1000):
                yield ("products",), what, {**good, "products": products}


@pytest.mark.parametrize("complete", [True, False])
def test_damaged_recipe_is_refused(recipe, complete, one_in):
    recipe().write(complete)
    path, tally = recipe().path, Tally(one_in, RECIPES)
    good = json.loads(path.read_text())

    def state():
        with suppress(AlreadyDoneError):
            recipe().state()

    for where, what, bad in tally.sample([*damages(good), *other_products(good)]):
        path.write_text(json.dumps(bad))
        tally.add(where, what, outcome(state, path.parent, [str(path.parent), "recipe.json", "--overwrite"]))
    tally.check(at_least=300)


# ------------------------------------------------------------------------------------------------------- agents' yaml

SMALL = {"horizon": 2, "iterations": 2, "num_samples": 4, "num_elites": 2, "keep_elites": 1, "restarts": 2}
SMALL |= {"sync_every": 1, "patience": 1, "ckpt_path": "no.ckpt"}
MORE = {"zero": 0, "minus infinity": -math.inf, "least": -(2**70), "beyond single precision": 1e300}
SETTINGS = {what: WRONG[what] for what in WRONG if what != "empty list"} | MORE
AGENTS = [
    (r"objective(\.init_args.*)?|replan_every|seed|shrink_horizon|warm_start", {"removed"}, "it has a default"),
    (r"planner\.init_args(\.(?!num_elites|keep_elites).*)?", {"removed"}, "it has a default, which is not too large"),
    (r".*init_args|.*\.noise", {"empty dict"}, "all of it has defaults"),
    (r"objective|replan_every|.*patience", {"null"}, "it may be left out"),
    (r"shrink_horizon", {"true"}, "the other of two"),
    (r"seed", {"zero"}, "another seed"),
    (r".*(sync_steps|keep_elites)", {"zero"}, "another number"),
]

INITIALIZED = [
    (r"planner\.init_args\.planner\.init_args", {"empty dict"}, "it has a default"),
    (r"planner\.init_args\.planner\.init_args(\..*)?", {"removed"}, "it has a default"),
    (r"planner\.init_args\.ckpt_path", {"text", "two lines"}, "another file, looked for when it is needed"),
]


def agent_of(planner):
    """An agent's file with all fields of a planner, its noise and its objective, and whether each is a float."""
    given = {each.name: SMALL.get(each.name, each.default) for each in fields(planner) if each.init}
    if "noise" in given:
        noise = given["noise"]
        settings = {each.name: getattr(noise, each.name) for each in fields(noise)}
        given["noise"] = {"class_path": type(noise).__name__, "init_args": settings}
    if "planner" in given:
        given["planner"] = {"class_path": "RandomShooting", "init_args": {"horizon": 2, "num_samples": 4}}
    return {
        "planner": {"class_path": planner.__name__, "init_args": given},
        "objective": {"class_path": "ReachGoal", "init_args": {"tau": 0.05}},
        "replan_every": 2,
        "shrink_horizon": False,
        "warm_start": True,
        "seed": 0,
    }


PLANNERS = {each.__name__: each for each in Planner.__subclasses__() if each.__module__.startswith("gbplan.")}


@pytest.fixture(scope="module")
def read_agent():
    """Return a function that makes an agent as commands do, and lets it plan."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Agent, "agent", sub_configs=True)
    world_model = WorldModel(IdentityEncoder(2), MLPPredictor(2, 2, (4,)))
    low, high = torch.tensor([-1.0, -1.0]), torch.tensor([1.0, 1.0])

    def read(settings):
        settings = load_yaml(yaml.safe_dump(settings))
        agent = parser.instantiate(parser.parse_object({"agent": settings})).agent
        context, goal = torch.zeros(1, 1, 2), torch.ones(1, 2)
        problem = PlanningProblem(world_model, agent.objective, context, torch.zeros(1, 0, 2), goal, low, high)
        with suppress(FileNotFoundError):  # an init network
            plan = agent.planner.plan(problem, horizon=2, generator=torch.Generator().manual_seed(agent.seed))
            assert plan.actions.isfinite().all()

    return read


@pytest.mark.parametrize("planner", PLANNERS)
def test_damaged_agent_is_refused(planner, read_agent, one_in, tmp_path):
    good = agent_of(PLANNERS[planner])
    read_agent(good)
    tally = Tally(one_in, INITIALIZED if planner == "InitializedPlanner" else AGENTS)
    for where, what, bad in tally.sample(damages(good, SETTINGS)):
        if planner != "GradientPlanner" and where[:1] != ("planner",):
            continue  # the same for all
        number = isinstance(at(good, where), float) and what in (*NUMBERS, "zero")
        if number or (where == ("seed",) and what == "huge"):
            found = outcome(partial(read_agent, bad), tmp_path, [str(where[-1])], ERRORS)
            assert found in ("read", "refused"), (where, what, found)  # larger than others, say
            continue
        name = next((key for key in reversed(where) if key not in ("init_args", "class_path")), "")
        found = outcome(partial(read_agent, bad), tmp_path, [name], ERRORS)
        tally.add(where, what, found)
    tally.check(at_least=50)


AT_THE_COMMAND = {
    "planner": {"class_path": "GRASPPlanner", "init_args": {"horizon": 2, "sync_steps": 2**70}},
    "objective": {"class_path": "ReachGoal", "init_args": {"tau": math.nan}},
    "replan_every": -1,
    "warm_start": None,
    "seed": 2**70,
    "shrink_horizon": "a\nb",
}


@pytest.mark.end_to_end
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("field", AT_THE_COMMAND)
@pytest.mark.parametrize("command", ["evaluate", "fit"])
def test_command_names_the_file_of_a_damaged_agent(command, field, dataset_root, tmp_path, capsys):
    file = tmp_path / "agent.yaml"
    file.write_text(yaml.safe_dump({**agent_of(PLANNERS["GradientPlanner"]), field: AT_THE_COMMAND[field]}))
    words = {
        "evaluate": ["--simulator=true", f"--agent={file}", f"--output={tmp_path}/out", "--tasks.env_id=DoorWall-v0"],
        "fit": [
            *("--config=configs/door_wall/base.yaml", f"--online.agent={file}", f"--data.datasets=[{TINY}]"),
            *(f"--data.root={dataset_root}", f"--trainer.default_root_dir={tmp_path}/out"),
        ],
    }
    require_one_line(
        [command, *words[command]],
        [str(file), {"planner": "sync_steps", "objective": "tau"}.get(field, field)],
        tmp_path,
        capsys,
    )


def require_one_line(words, names, folder, capsys):
    """Run a command, which must end in one line with these names, and leave all files as they are."""
    before = contents(folder)
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(words)
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("gbplan: error: "))
    assert stop.value.code in (1, 2)
    assert all(name in line for name in names), line
    after = {path: content for path, content in contents(folder).items() if path.suffix != ".lock"}
    assert after == before


# ------------------------------------------------------------------------------------------------- the replay buffer

MANIFESTS = [(r"segments\.0", {"removed"}, "a buffer that its episodes have left")]
TENSORS = {
    "removed": REMOVED,
    "null": None,
    "text": "x",
    "number": 3,
    "list": [1],
    "of numbers": [1.0, 2.0],
}
CHANGES = {
    "no row": lambda x: x[:0],
    "a row less": lambda x: x[:-1].clone(),
    "a row more": lambda x: torch.cat([x, x[-1:]]),
    "another dimension": lambda x: x[..., None],
    "no dimension": lambda x: x.flatten()[0].clone(),
    "complex": lambda x: x.to(torch.complex64),
    "sparse": lambda x: x.to_sparse(),
    "one number everywhere": lambda x: x.flatten()[:1].clone().expand(x.shape),
    "strided": lambda x: torch.stack([x, x], dim=-1)[..., 0],
}
NUMBERS_WITHIN = {"negative": -1, "huge": 2**62, "least": -(2**63), "NaN": math.nan, "infinity": math.inf}


def episodes(*lengths):
    count = sum(lengths) + len(lengths)
    return Trajectories(
        observations={
            "observation": np.arange(2.0 * count).reshape(count, 2),
            "desired_goal": np.ones((count, 2)),
        },
        actions=np.zeros((count, 2), np.float32),
        rewards=np.zeros(count),
        lengths=np.array(lengths, np.int64),
        terminated=np.ones(len(lengths), bool),
        infos={"distance": np.zeros(count)},
    )


@pytest.fixture
def buffer(tmp_path):
    """A buffer with two files in a folder, the first episode gone, and its manifest."""
    made = ReplayBuffer(capacity=10)
    made.place(tmp_path / "saved", alone)
    made.extend(episodes(2, 3))
    made.extend(episodes(3, 4))
    return made, made.state_dict()


def load(manifest, folder):
    """Load a manifest into a new buffer, in a training on such episodes, and use all of it."""
    buffer = ReplayBuffer(capacity=10)
    (folder / "run").mkdir(exist_ok=True)
    buffer.place(folder / "run", alone)
    try:
        buffer.load_state_dict(manifest, [folder / "saved"], Frames.of(episodes(2)))
    except Exception:
        assert len(buffer) == buffer.written == buffer.added == 0
        raise
    assert sum(len(frames) for frames in buffer.frames()) == len(buffer) + len(buffer.lengths)
    for each in buffer.episodes(everything=True):
        each.require_finite("all")
    for path in (folder / "run").iterdir():
        path.unlink()


def test_damaged_manifest_is_refused(buffer, one_in, tmp_path):
    _, good = buffer
    load(good, tmp_path)
    tally = Tally(one_in, MANIFESTS)
    numbers = {"one more": 1, "one less": -1}
    cases = [*damages(good)]
    for where in places(good):
        if isinstance(number := at(good, where), int):
            cases += [(where, what, damaged(good, where, number + more)) for what, more in numbers.items()]
    names = ("../x.pt", "/etc/hostname", "*.pt", "000001.pt", good["segments"][1]["file"], "000009-00000000.pt")
    cases += [(("segments", 0, "file"), name, damaged(good, ("segments", 0, "file"), name)) for name in names]
    for where, what, bad in tally.sample(cases):
        if where == ("left",) and what in ("one less", "one more"):
            continue  # an episode more or less of those in the files
        if where == ("added",) and what == "one more":
            continue  # all of them may have been of files that have gone
        tally.add(where, what, outcome(partial(load, bad, tmp_path), tmp_path, ["replay buffer", "model.init_from"]))
    tally.check(at_least=150)


def damaged_contents(good):
    """Wrong contents of a file of the buffer."""
    yield (), "a list", [good]
    yield (), "a tensor", torch.zeros(3)
    yield (), "nothing", {}
    yield ("more",), "added", {**good, "more": torch.zeros(3)}
    for where in [("observations",), ("infos",)]:
        for what, value in {**TENSORS, "tensor": torch.zeros(3)}.items():
            yield where, what, damaged(good, where, value)
    for where in places_of_tensors(good):
        tensor = at(good, where)
        for what, value in TENSORS.items():
            yield where, what, damaged(good, where, value)
        for what, change in CHANGES.items():
            yield where, what, damaged(good, where, change(tensor))
        for dtype in (torch.bool, torch.int32, torch.int64, torch.float32, torch.float64):
            if dtype != tensor.dtype:
                yield where, f"as {dtype}", damaged(good, where, tensor.to(dtype))
        for what, number in NUMBERS_WITHIN.items():
            if tensor.is_floating_point() == math.isnan(number - number) and tensor.dtype != torch.bool:
                other = tensor.clone()
                other.flatten()[-1] = number
                yield where, what, damaged(good, where, other)


def places_of_tensors(value, where=()):
    if isinstance(value, torch.Tensor):
        yield where
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places_of_tensors(value[key], (*where, key))


CONTENTS = [
    (r"(infos\.distance|rewards)", {"as torch.bool", "NaN", "infinity"}, "any number, since it is not trained on"),
    (r"(infos.*|rewards|actions|.*\.0)", {"as torch.int32", "as torch.int64"}, "the same numbers"),
    (r"(infos.*|rewards|actions|.*\.0)", {"as torch.float32", "as torch.float64"}, "the same numbers"),
    (r"infos\.distance", {"removed", "another dimension"}, "there may be any"),
    (r"infos", {"empty dict"}, "there may be any"),
    (r"observations.desired_goal.0", {"a row more"}, "a goal of no frame"),
]


def test_damaged_file_of_the_buffer_is_refused(buffer, one_in, tmp_path):
    """The manifest has the damaged file's hash, as if both were of one hand."""
    _, manifest = buffer
    path = tmp_path / "saved" / manifest["segments"][0]["file"]
    tally = Tally(one_in, CONTENTS)
    whole = path.read_bytes()
    good = torch.load(path, weights_only=True)
    for where, what, bad in tally.sample(damaged_contents(good)):
        torch.save(bad, path)
        state = damaged(manifest, ("segments", 0, "sha256"), file_digest(path))
        tally.add(where, what, outcome(partial(load, state, tmp_path), tmp_path, [str(path), "model.init_from"]))
    others = {"empty": b"", "cut": whole[:-100], "text": b"x\n", "pickle": pickle.dumps(good), "changed": whole + b"x"}
    for what, content in others.items():
        path.write_bytes(content)
        for hashed in (True, False):
            state = damaged(manifest, ("segments", 0, "sha256"), file_digest(path)) if hashed else manifest
            if what != "changed" or not hashed:
                found = outcome(partial(load, state, tmp_path), tmp_path, [str(path), "model.init_from"])
                tally.add(("file", hashed), what, found)
    path.unlink()
    tally.add(("file",), "gone", outcome(partial(load, manifest, tmp_path), tmp_path, [path.name, "model.init_from"]))
    path.mkdir()
    tally.add(("file",), "folder", outcome(partial(load, manifest, tmp_path), tmp_path, [path.name, "model.init_from"]))
    tally.check(at_least=150)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_training_is_not_resumed_with_a_damaged_buffer(fit, tmp_path, capsys):
    agent = agent_of(PLANNERS["GradientPlanner"])
    (tmp_path / "agent.yaml").write_text(yaml.safe_dump(agent))
    given = [f"--online.agent={tmp_path}/agent.yaml", "--online.tasks.count=2", "--online.error_horizon=2"]
    given += ["--trainer.reload_dataloaders_every_n_epochs=1", "--trainer.logger=false"]
    run = fit(tmp_path / "run", *given, epochs=2)
    good = torch.load(run / "last.ckpt", weights_only=True)
    manifest = good["TrajectoryDataModule"]["buffer"]
    path = run / "buffer" / manifest["segments"][0]["file"]
    whole = path.read_bytes()
    stored = torch.load(path, weights_only=True)
    words = [f"--ckpt_path={run}/last.ckpt", *given]

    def refused(state, *names):
        torch.save({**good, "TrajectoryDataModule": state}, run / "last.ckpt")
        before = contents(tmp_path)
        with pytest.raises((ValueError, FileNotFoundError)) as error:
            fit(run, *words, epochs=3)
        assert all(name in str(error.value) for name in (*names, "model.init_from")), error.value
        assert contents(tmp_path) == before

    for state in (
        3,
        {},
        {"buffer": None},
        {"buffer": {**manifest, "left": -1}},
        {"buffer": {**manifest, "added": 2**62}},
    ):
        refused(state, "replay buffer")
    path.write_bytes(whole[:-10])
    refused({"buffer": manifest}, str(path))
    torch.save({**stored, "actions": stored["actions"][:, :1].clone()}, path)
    refused({"buffer": damaged(manifest, ("segments", 0, "sha256"), file_digest(path))}, str(path))
    path.write_bytes(whole)
    state = good["callbacks"]["OnlineWorldModeling"]
    for key, value in {"rounds": -1, "transitions": None, "seeds": "x", "configuration": [1]}.items():
        good["callbacks"]["OnlineWorldModeling"] = {**state, key: value}
        refused({"buffer": manifest}, key)
    good["callbacks"]["OnlineWorldModeling"] = state
    torch.save(good, run / "last.ckpt")
    fit(run, *words, epochs=3)
