"""Bad values, generated: every field of every command and file, by every kind of wrongness that its type can have.

Each must end in one line, with 2 (bad input) or 1 (a full machine), and with nothing written. A share of the cases runs
by default, all of them with ``-m ""``. Values are hand-picked in ``test_bad_input.py``; these look for what nobody
thought of.
"""

import json
import shutil
from itertools import count

import h5py
import numpy as np
import pytest
import torch

from gbplan.cli import main
from gbplan.evaluation import TaskSet, run_evaluation
from gbplan.policies import RandomPolicy

TINY = "door-wall/tiny-v0"

HUGE = ("99999999999999999999999", str(2**70))
COUNT = ("0", "-1", "2.5", "many", "[1]", "{a: 1}", ".nan", ".inf", "''", *HUGE[:0])
INDEX = ("-1", "2.5", "many", "[1]", ".nan", str(-(2**70)))
SEED = (*INDEX, str(2**70))
POSITIVE = ("0", "-1", "many", "[1]", ".nan", ".inf", "''")
SIZE = ("-1", "many", "[1]", ".nan", ".inf", "''")
SHARE = ("-0.1", "1.5", "many", "[1]", ".nan", "''")
FLAG = ("maybe", "2", "[true]", "''")
NAME = ("nonsense", "[a]", "''")
FILE = ("{shelf}/no", "{shelf}", "{shelf}/text", "{shelf}/empty", "''", "{shelf}/cut.ckpt", "{shelf}/list.yaml")

COLLECT = (
    "collect --env_id=DoorWall-v0 --dataset_id=x-v0 --policy=RandomPolicy --episodes=1 --root={out} --progress=false"
)
EVALUATE = "evaluate --output={out}/result --tasks.env_id=DoorWall-v0 --tasks.count=1 --diagnostic_tasks=0"
WALK = f"{EVALUATE} --policy=RandomPolicy"
PLAN = f"{EVALUATE} --simulator=true --agent.planner=GradientPlanner"
REPORT = "report {shelf}/results"
FIT = (
    f"fit --config=configs/door_wall/base.yaml --data.root={{shelf}}/datasets --data.datasets=[{TINY}] "
    "--trainer.default_root_dir={out}/run --trainer.max_epochs=1 --trainer.limit_train_batches=1 "
    "--trainer.limit_val_batches=1 --trainer.reload_dataloaders_every_n_epochs=1 "
    "--trainer.enable_progress_bar=false --trainer.enable_model_summary=false "
    "--data.validation_steps=10 --model.validation_horizons=[1,5]"
)
ONLINE = f"{FIT} --online.agent=configs/agents/gradient_mpc.yaml --online.tasks.count=1"
VALIDATION = f"{FIT} --validation.agent=configs/agents/gradient_mpc.yaml --validation.tasks.count=1"
PLANNERS = {
    "GradientPlanner": {"horizon": COUNT, "iterations": COUNT, "lr": POSITIVE},
    "CEMPlanner": {"num_samples": COUNT, "num_elites": COUNT, "iterations": COUNT},
    "MPPIPlanner": {"num_samples": COUNT, "temperature": POSITIVE},
}
TASKS = {
    "env_id": ("nonsense", "No-v0", "''", "[a]", "no_module:X-v0"),
    "env_kwargs": ("3", "[1]", "{nonsense: 1}", "{goal_threshold: .nan}", "{goal_threshold: -1}", "{contact: 3}"),
    "kind": ("nonsense", "''"),
    "count": COUNT,
    "split": NAME,
    "seed": SEED,
    "min_distance": SIZE,
}

# Command, then its fields with the values to refuse.
FIELDS = {
    COLLECT: {
        "env_id": TASKS["env_id"],
        "dataset_id": ("''", "x", "../x-v0", "/x-v0", "x-v0/", "a b-v0", "[x]"),
        "policy": ("nonsense", "''", "[RandomPolicy]", "RandomShooting", "os.system"),
        "episodes": COUNT,
        "seed": (*SEED, "1073"),
        "num_envs": COUNT,
        "env_kwargs": TASKS["env_kwargs"],
        "root": ("{shelf}/text",),
        "progress": FLAG,
        "overwrite": FLAG,
        "config": (*FILE[:4], "'[1]'", "{shelf}/list.yaml", "{shelf}/twice.yaml", "{shelf}/unknown.yaml"),
    },
    WALK: {
        "output": ("''", "{shelf}/text", "{shelf}/text/x"),
        "policy": ("nonsense", "''", "[RandomPolicy]", "RandomShooting"),
        "kinds": ("nonsense", "[nonsense]", "[uniform, uniform]", "[3]"),
        "thresholds": ("0.3", "[.nan]", "[-1]", "[a]", "[.inf]", "[0.5, 0.3]", "[0.01]", "[0.3, 0.3]", "[0]"),
        "error_horizon": COUNT,
        "diagnostic_tasks": INDEX,
        "device": ("nonsense", "cuda:99", "''"),
        "num_threads": (*COUNT, "1000000"),
        "modules": ("nonsense", "[no_such_module]"),
        "simulator": (*FLAG, "true"),
        "ckpt_path": FILE[:1],
        **{f"tasks.{name}": values for name, values in TASKS.items()},
    },
    f"{EVALUATE} --agent.planner=GradientPlanner --agent.planner.horizon=5": {
        "ckpt_path": (*FILE[:6], "{shelf}/strings.ckpt")
    },
    PLAN: {
        "agent": (
            "nonsense",
            "3",
            "[1]",
            *FILE[1:4],
            "{shelf}/list.yaml",
            "{shelf}/twice.yaml",
            "{shelf}/unknown.yaml",
        ),
        "agent.planner": ("nonsense", "3", "ReachGoal", "{shelf}/no.yaml", "{shelf}/list.yaml", "{shelf}/twice.yaml"),
        "agent.objective": ("nonsense", "3", "CEMPlanner"),
        "agent.replan_every": COUNT,
        "agent.shrink_horizon": FLAG,
        "agent.warm_start": FLAG,
        "agent.seed": SEED,
    },
    REPORT: {
        "output": ("{shelf}", "{shelf}/text/x"),
        "html": ("{shelf}", "{shelf}/text/x"),
        "figures": ("{shelf}/text",),
        "columns": ("nonsense", "[nonsense]"),
        "names": ("nonsense", "[nonsense]"),
        "kinds": ("nonsense", "[nonsense]"),
        "trainings": ("nonsense", "[nonsense]", "[{shelf}/text]"),
    },
    FIT: {
        "seed_everything": ("-1", "many", "[1]", str(2**70)),
        "num_threads": (*COUNT, "1000000"),
        "ckpt_path": (*FILE[:6], "{shelf}/strings.ckpt"),
        "overwrite": FLAG,
        "config": (*FILE[:4], "{shelf}/list.yaml", "{shelf}/twice.yaml", "{shelf}/unknown.yaml"),
        "data.datasets": ("[]", f"[{TINY},{TINY}]", "[no-v0]", "3", f"{{{TINY}: 0}}", f"{{{TINY}: .nan}}", "[../x-v0]"),
        "data.root": ("{shelf}/no", "{shelf}/text"),
        "data.batch_size": COUNT,
        "data.steps": (*COUNT, "1000"),
        "data.validation_steps": (*COUNT, "1000"),
        "data.validation_fraction": (*SHARE, "0", "1"),
        "data.seed": SEED,
        "data.samples_per_epoch": COUNT,
        "data.buffer_capacity": COUNT,
        "data.online_fraction": SHARE,
        "data.num_workers": INDEX,
        "data.hold_steps": INDEX,
        "data.history": COUNT,
        "data.action_block": COUNT,
        "data.keys": ("[nonsense]", "[]", "3"),
        "model": ("nonsense", "3", "CEMPlanner"),
        "model.init_args.bogus": ("3",),
        "model.init_args.validation_horizons": ("[0]", "[-1]", "[]", "[1000]", "3", "[many]"),
        "model.init_args.init_from": FILE[:6],
        "model.init_args.optimizer": ("nonsense", "3"),
        "model.init_args.optimizer.init_args.lr": ("-1", "many", ".nan"),
        "trainer.max_epochs": ("-5", "2.5", "many", "[1]"),
        "trainer.devices": ("nonsense", "-2", "0", "[a]"),
        "trainer.accelerator": ("nonsense", "3"),
        "trainer.precision": ("nonsense", "3"),
        "trainer.logger": ("nonsense",),
        "trainer.callbacks": ("nonsense", "[nonsense]", "3"),
        "trainer.default_root_dir": ("{shelf}/text", "{shelf}/text/x"),
        "trainer.limit_train_batches": ("-1", "many", "1.5"),
        "trainer.gradient_clip_val": ("many", "[1]"),
        "trainer.accumulate_grad_batches": ("0", "-1", "many"),
        "trainer.check_val_every_n_epoch": ("0", "-1", "many"),
        "trainer.log_every_n_steps": ("-1", "many"),
        "trainer.bogus": ("3",),
        "checkpoint.mode": ("nonsense", "''"),
        "checkpoint.save_top_k": ("-2", "many"),
        "checkpoint.every_n_epochs": ("-1", "many"),
        "checkpoint.bogus": ("3",),
    },
    f"{FIT} --model=AdversarialWorldModelModule --model.attack=FGSM": {
        "model.init_args.attack": ("nonsense", "3", "CEMPlanner"),
        "model.init_args.latent_factor": POSITIVE[1:],
        "model.init_args.action_factor": POSITIVE[1:],
        "model.init_args.radii": ("nonsense", "3"),
    },
    ONLINE: {
        "online.every_n_epochs": COUNT,
        "online.first_round_after": COUNT,
        "online.max_transitions": COUNT,
        "online.open_loop_fraction": SHARE,
        "online.error_horizon": COUNT,
        "online.figure_tasks": INDEX,
        "online.kinds": ("[nonsense]", "[uniform,uniform]", "3"),
        "online.write_to": ("x", "../x-v0"),
        "online.agent.replan_every": COUNT,
        **{f"online.tasks.{name}": values for name, values in TASKS.items() if name != "seed"},
        "online.tasks.seed": (*SEED, "1073"),
    },
    VALIDATION: {
        "validation.every_n_epochs": COUNT,
        "validation.error_horizon": COUNT,
        **{f"validation.tasks.{name}": values for name, values in TASKS.items()},
    },
} | {
    f"{EVALUATE} --simulator=true --agent.planner={planner}": {f"agent.planner.{name}": fields[name] for name in fields}
    for planner, fields in PLANNERS.items()
}
COMMANDS = [
    (command, f"--{field}={value}")
    for command, fields in FIELDS.items()
    for field, values in fields.items()
    for value in dict.fromkeys(values)
]

WRONG_NUMBERS = {"NaN": np.nan, "infinity": np.inf, "out of its space": 1e30}
COLUMNS = ("observations/observation", "observations/achieved_goal", "observations/desired_goal", "actions")
METADATA = ("total_episodes", "total_steps", "observation_space", "action_space", "data_format", "env_spec")
WRONG_JSON = {"missing": None, "a number": -1, "a text": "x", "a list": [1]}


def damaged_datasets():
    for column in COLUMNS:
        for what, number in WRONG_NUMBERS.items():
            yield (
                f"{column}: {what}",
                lambda file, column=column, number=number: file[f"episode_3/{column}"].__setitem__((1, 0), number),
            )
        for what, change in {
            "too short": lambda array: array[:-1],
            "too narrow": lambda array: array[:, :1],
            "of texts": lambda array: np.full(len(array), b"x"),
            "missing": lambda array: None,
        }.items():

            def damage(file, column=column, change=change):
                name = f"episode_3/{column}"
                array = change(file[name][:])
                del file[name]
                if array is not None:
                    file[name] = array

            yield f"{column}: {what}", damage


DATASETS = dict(damaged_datasets())
CHECKPOINTS = {
    f"{key}: {what}": (key, value)
    for key in ("state_dict", "hyper_parameters", "datamodule_hyper_parameters")
    for what, value in {"missing": None, "a number": 3, "a text": "x", "a list": [1]}.items()
}


@pytest.fixture(scope="module")
def shelf(dataset_root, base_run, tmp_path_factory):
    """A folder with a dataset, a checkpoint, a result, and files that are none of these."""
    folder = tmp_path_factory.mktemp("shelf")
    shutil.copytree(dataset_root, folder / "datasets")
    shutil.copy(base_run / "last.ckpt", folder / "good.ckpt")
    (folder / "cut.ckpt").write_bytes((folder / "good.ckpt").read_bytes()[:5000])
    checkpoint = torch.load(folder / "good.ckpt", weights_only=True)
    torch.save(checkpoint | {"state_dict": dict.fromkeys(checkpoint["state_dict"], "x")}, folder / "strings.ckpt")
    (folder / "text").write_text("in the way")
    (folder / "empty").write_bytes(b"")
    (folder / "list.yaml").write_text("[1, 2]\n")
    (folder / "twice.yaml").write_text("seed: 1\nseed: 2\n")
    (folder / "unknown.yaml").write_text("bogus: 1\n")
    run_evaluation(str(folder / "results" / "walk"), policy=RandomPolicy(), tasks=TaskSet("DoorWall-v0", count=1))
    return folder


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def require_refused(words, shelf, out, capsys):
    """Run a command, which must end in one line and write nothing."""
    before = contents(shelf)
    with pytest.raises(SystemExit) as stop:
        main([word.format(shelf=shelf, out=out) for word in words])
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("gbplan: ")]
    assert stop.value.code in (1, 2)
    assert len(lines) == 1, lines
    assert lines[0].startswith("gbplan: error: ")
    assert len(lines[0]) < 1200
    assert contents(shelf) == before
    assert not contents(out) if out.exists() else True


_number = count()


def some(cases, ids):
    """All cases; those but a few are slow."""
    few = [pytest.mark.slow] if len(cases) > 1 else []
    return [
        pytest.param(case, id=name, marks=[] if next(_number) % 32 == 0 else few)
        for case, name in zip(cases, ids, strict=True)
    ]


def words_of(case):
    command, argument = case
    name, _, value = argument.partition("=")
    field = name.removeprefix("--")
    words = [word for word in command.split() if word.partition("=")[0] != name or field == "config"]
    return [*words, f"{name}={value.strip(chr(39))}"]


def shown(case):
    return f"{case[0].split()[0]} {case[1]}"


@pytest.mark.end_to_end
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", some(COMMANDS, map(shown, COMMANDS)))
def test_bad_argument_is_one_line(case, shelf, tmp_path, capsys):
    words = [
        word if "{shelf}" in word or "{out}" in word else word.replace("{", "{{").replace("}", "}}")
        for word in words_of(case)
    ]
    require_refused(words, shelf, tmp_path / "out", capsys)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("command", FIELDS)
def test_the_same_commands_without_the_bad_value_work(command, shelf, tmp_path):
    if command.startswith(EVALUATE) and "--policy" not in command and "--simulator" not in command:
        command += " --ckpt_path={shelf}/good.ckpt"
    main([word.format(shelf=shelf, out=tmp_path / "out") for word in command.split()])


@pytest.mark.end_to_end
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", some([*DATASETS], DATASETS))
def test_bad_dataset_is_one_line(case, shelf, tmp_path, capsys):
    shutil.copytree(shelf / "datasets", tmp_path / "datasets")
    with h5py.File(tmp_path / "datasets" / TINY / "data" / "main_data.hdf5", "a") as file:
        DATASETS[case](file)
    words = [word.replace("{shelf}/datasets", str(tmp_path / "datasets")) for word in FIT.split()]
    require_refused(words, shelf, tmp_path / "out", capsys)


METADATA_CASES = [f"{key}: {what}" for key in METADATA for what in WRONG_JSON]


@pytest.mark.end_to_end
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", some(METADATA_CASES, METADATA_CASES))
def test_bad_metadata_is_one_line(case, shelf, tmp_path, capsys):
    key, what = case.split(": ")
    shutil.copytree(shelf / "datasets", tmp_path / "datasets")
    path = tmp_path / "datasets" / TINY / "data" / "metadata.json"
    metadata = json.loads(path.read_text())
    if WRONG_JSON[what] is None:
        if key == "env_spec":
            pytest.skip("a dataset may be of no environment")
        del metadata[key]
    else:
        metadata[key] = WRONG_JSON[what]
    path.write_text(json.dumps(metadata))
    words = [word.replace("{shelf}/datasets", str(tmp_path / "datasets")) for word in FIT.split()]
    require_refused(words, shelf, tmp_path / "out", capsys)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", ["evaluate", "init_from", "resume"])
@pytest.mark.parametrize("case", some([*CHECKPOINTS], CHECKPOINTS))
def test_bad_checkpoint_is_one_line(case, how, shelf, tmp_path, capsys):
    checkpoint = torch.load(shelf / "good.ckpt", weights_only=True)
    key, value = CHECKPOINTS[case]
    checkpoint[key] = value
    if value is None:
        del checkpoint[key]
    torch.save(checkpoint, tmp_path / "bad.ckpt")
    words = {
        "evaluate": f"{EVALUATE} --agent.planner=GradientPlanner --ckpt_path",
        "init_from": f"{FIT} --model.init_from",
        "resume": f"{FIT} --ckpt_path",
    }[how].split()
    if key == "datamodule_hyper_parameters" and value is None:
        pytest.skip("of a training with a data module of one's own")
    if key == "hyper_parameters" and (how == "init_from" or (how == "resume" and value is None)):
        pytest.skip("of a training in Python, whose weights are taken")
    require_refused([*words, str(tmp_path / "bad.ckpt")], shelf, tmp_path / "out", capsys)
