"""Bad input on the command line: exit code 2, one line that names the value and the remedy, nothing lost.

Input that the command line cannot have is tested elsewhere: start states and goals in
``envs/test_task_drawing.py``, wrong shapes in ``planners/test_planner.py`` and ``policies/test_planner_policy.py``.
Every damage of a file has its row in ``data/test_dataset_files.py`` and ``modules/test_checkpoints.py``, and what may
go wrong within one command is with that command, in ``test_cli.py``, ``data/test_collect.py`` and
``evaluation/test_run.py``.
"""

import errno
import re
import shutil
import signal
import sys
from unittest.mock import Mock

import gymnasium as gym
import h5py
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete

from gbplan.cli import main
from gbplan.data import Trajectories, write_dataset
from gbplan.evaluation import TaskSet, run_evaluation
from gbplan.modules import WorldModelModule
from gbplan.policies import ExpertPolicy, RandomPolicy

TINY = "door-wall/tiny-v0"


class Room(gym.Env):
    """Goal-conditioned, of any dimension, with continuous actions or four of them."""

    def __init__(self, size=3, discrete=False, judges=True, render_mode=None):
        box = Box(-1, 1, (size,), np.float32)
        self.observation_space = Dict(observation=box, achieved_goal=box, desired_goal=box)
        self.action_space = Discrete(4) if discrete else box
        self.info = {"is_success": False} if judges else {}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        told = {"observation": "state", "desired_goal": "goal"}
        drawn = {key: self.np_random.uniform(-1, 1, 3).astype(np.float32) for key in self.observation_space}
        self.seen = {key: (options or {}).get(told.get(key), value) for key, value in drawn.items()}
        return self.seen, {**self.info}

    def step(self, action):
        return dict(self.seen), 0.0, False, False, {**self.info}


for name, arguments in {"Room3-v0": {}, "Discrete-v0": {"discrete": True}, "Silent-v0": {"judges": False}}.items():
    gym.register(name, entry_point="test_bad_input:Room", kwargs=arguments, max_episode_steps=5)


@pytest.fixture(scope="module")
def shelf(dataset_root, base_run, tmp_path_factory):
    """A folder with good and bad files: datasets, checkpoints, a file where a folder should be."""
    folder = tmp_path_factory.mktemp("shelf")
    shutil.copytree(dataset_root, folder / "datasets")
    for bad in ("cut", "empty", "nan"):
        shutil.copytree(folder / "datasets" / TINY, folder / "datasets" / f"{bad}-v0")
    data = {bad: folder / "datasets" / f"{bad}-v0" / "data" / "main_data.hdf5" for bad in ("cut", "empty", "nan")}
    data["cut"].write_bytes(data["cut"].read_bytes()[:-5000])
    data["empty"].write_bytes(b"")
    with h5py.File(data["nan"], "a") as file:
        file["episode_7/observations/achieved_goal"][2, 1] = np.nan
    frames = np.zeros((310, 3), np.float32)
    room = Trajectories(
        dict.fromkeys(("observation", "achieved_goal", "desired_goal"), frames),
        actions=frames,
        rewards=np.zeros(310),
        lengths=np.full(10, 30),
        terminated=np.zeros(10, np.bool_),
        infos={},
    )
    write_dataset(room, "room-v0", gym.make("Room3-v0").spec, root=folder / "datasets")

    shutil.copy(base_run / "last.ckpt", folder / "good.ckpt")
    (folder / "cut.ckpt").write_bytes((folder / "good.ckpt").read_bytes()[:5000])
    checkpoint = torch.load(folder / "good.ckpt", weights_only=True)
    torch.save(checkpoint | {"state_dict": {"layer.weight": torch.zeros(1)}}, folder / "other.ckpt")
    checkpoint["state_dict"]["world_model.predictor.net.2.weight"][3, 4] = torch.nan
    torch.save(checkpoint, folder / "nan.ckpt")
    (folder / "file").write_text("in the way")
    run_evaluation(str(folder / "results" / "walk"), policy=RandomPolicy(), tasks=TaskSet("DoorWall-v0", count=1))
    return folder


FIT = "fit --config=configs/door_wall/base.yaml --data.root={shelf}/datasets --trainer.default_root_dir={out}"
COLLECT = "collect --config=configs/door_wall/collect.yaml --episodes=2 --root={shelf}/datasets"
TASKS = "--tasks.env_id=DoorWall-v0 --tasks.count=2"
PLAN = f"evaluate --output={{out}} {TASKS} --agent.planner=GradientPlanner"
WALK = f"evaluate --output={{out}} {TASKS} --policy=RandomPolicy"
PERFECT = "--simulator=true"

ROWS = {
    "unknown dataset": (
        f"{FIT} --data.datasets=[no-v0]",
        "there is no dataset no-v0 in .*, which has .*tiny-v0.*; make it with `gbplan collect`",
    ),
    "dataset of another dimension": (
        f"{FIT} --data.datasets=[room-v0]",
        r"IdentityEncoder has latent_shape \(2,\), but encodes frames .* into \(1, 2, 3\); set its size to the data's",
    ),
    "dataset of another environment": (
        f"{FIT} --data.datasets=[{TINY},room-v0]",
        f"{TINY} and room-v0 cannot be mixed: environment DoorWall-v0 against Room3-v0; name datasets of one",
    ),
    "empty dataset file": (f"{FIT} --data.datasets=[empty-v0]", "empty-v0 .* cannot be read: .*; .* collect it again"),
    "corrupted dataset file": (f"{FIT} --data.datasets=[cut-v0]", "cut-v0 .* cannot be read: .*; .* collect it again"),
    "NaN in data": (
        f"{FIT} --data.datasets=[nan-v0]",
        "nan-v0 has a NaN .* 'achieved_goal', first in episode 7 .*; remove such episodes",
    ),
    "NaN in the weights to plan with": (
        f"{PLAN} --ckpt_path={{shelf}}/nan.ckpt",
        r"nan.ckpt has weights that are NaN or infinite \(predictor.net.2.weight\); .* take an earlier checkpoint",
    ),
    "NaN in the weights to begin with": (
        f"{FIT} --model.init_from={{shelf}}/nan.ckpt",
        "nan.ckpt has weights that are NaN .*; .* take an earlier checkpoint",
    ),
    "NaN in the weights to resume from": (
        f"{FIT} --ckpt_path={{shelf}}/nan.ckpt",
        "nan.ckpt has weights that are NaN .*; .* take an earlier checkpoint",
    ),
    "horizon": (f"{PLAN} {PERFECT} --agent.planner.horizon=0", "horizon must be at least 1, got 0"),
    "topk": (
        f"{PLAN} {PERFECT} --agent.planner=CEMPlanner --agent.planner.num_elites=400",
        "num_elites must not exceed num_samples, got 400 > 300",
    ),
    "error of a longer rollout than an episode": (
        f"{PLAN} {PERFECT} --error_horizon=101",
        "error_horizon must not exceed the 100 model steps of an episode, got 101; lower it",
    ),
    "discrete actions to collect": (
        f"{COLLECT} --env_id=Discrete-v0 --dataset_id=x-v0",
        r"Discrete-v0 has the action space Discrete\(4\), .* a Box of shape \(A,\) is required",
    ),
    "discrete actions to evaluate in": (
        f"{WALK} --tasks.env_id=Discrete-v0",
        r"Discrete-v0 has the action space Discrete\(4\), .* a Box of shape \(A,\) is required",
    ),
    "environment without goals": (
        f"{WALK} --tasks.env_id=CartPole-v1",
        "CartPole-v1 is not goal-conditioned: .* must be a Dict",
    ),
    "environment that does not judge": (
        f"{WALK} --tasks.env_id=Silent-v0",
        "Silent-v0 does not say whether the goal is reached: its info must hold is_success .*; add it",
    ),
    "environment without time limit": (
        f"{WALK} --tasks.env_kwargs.max_episode_steps=-1",
        r"DoorWall-v0 has no time limit, .*, or set one with env_kwargs=",
    ),
    "environment without kinds of tasks": (
        f"{WALK} --tasks.env_id=Room3-v0 --kinds=[uniform]",
        r"Room3-v0 takes no argument 'task', .* 'uniform'; .* leave the kind out",
    ),
    "environment with other arguments": (
        f"{WALK} --tasks.env_kwargs.door_centre=1",
        r"DoorWall-v0 has no argument 'door_centre' \(it has .*, door_center, ",
    ),
    "environment with other choices": (
        f"{WALK} --tasks.env_kwargs.contact=bounce",
        "contact must be one of 'slide', 'stop', got 'bounce'",
    ),
    "environment of another dimension than the model": (
        f"{PLAN} --ckpt_path={{shelf}}/good.ckpt --tasks.env_id=Room3-v0",
        r"the environment's actions have shape \(3,\), the world model's \(2,\); use a model trained on this",
    ),
    "environment of other dynamics than the model": (
        f"{PLAN} --ckpt_path={{shelf}}/good.ckpt --tasks.env_kwargs.dynamics=velocity",
        r"the environment's 'observation' has shape \(4,\), .* latents have \(2,\); use a model trained on this",
    ),
    "truncated checkpoint": (
        f"{PLAN} --ckpt_path={{shelf}}/cut.ckpt",
        "cut.ckpt is not a complete checkpoint .*: use another",
    ),
    "checkpoint of another class": (
        f"{PLAN} --ckpt_path={{shelf}}/other.ckpt",
        "other.ckpt holds no world model .*; it was trained by another class, pass a checkpoint of a WorldModelModule",
    ),
    "unknown checkpoint": (
        f"{PLAN} --ckpt_path={{shelf}}/no.ckpt",
        "there is no checkpoint at .*no.ckpt; train one with",
    ),
    "folder of fit": (
        f"{FIT} --data.datasets=[{TINY}] --trainer.default_root_dir={{shelf}}/file/run",
        "cannot write to .*/file/run .*; choose another folder",
    ),
    "folder of evaluate": (
        f"{WALK} --output={{shelf}}/file/run",
        "cannot write to .*/file/run .*; choose another folder",
    ),
    "folder of collect": (f"{COLLECT} --root={{shelf}}/file", "cannot write to .*/file/.*; choose another folder"),
    "folder of report": (
        "report {shelf}/results --output={shelf}/file/table.md",
        "cannot write to .*/file .*; choose another folder",
    ),
    "existing dataset": (
        f"{COLLECT} --dataset_id={TINY}",
        f"{TINY} is already there .*; choose another id, or replace",
    ),
    "existing result": (
        f"{WALK} --output={{shelf}}/results/walk",
        "results/walk already holds a result; choose another",
    ),
}


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.end_to_end
@pytest.mark.parametrize(("command", "message"), ROWS.values(), ids=ROWS)
def test_bad_input_is_one_line_and_changes_nothing(command, message, shelf, tmp_path, capsys):
    before = contents(shelf)
    with pytest.raises(SystemExit) as exit_info:
        main([part.format(shelf=shelf, out=tmp_path / "out") for part in command.split()])
    assert exit_info.value.code == 2
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    (line,) = [line for line in shown.splitlines() if line.startswith("gbplan: error: ")]
    assert re.search(message, line), line
    assert line == shown.splitlines()[-1]
    assert contents(shelf) == before
    assert not {path.suffix for path in contents(tmp_path)} & {".ckpt", ".json", ".csv", ".yaml", ".md"}


def test_interrupted_collection_leaves_the_old_dataset(shelf, monkeypatch, capsys):
    def interrupt(*args):
        raise KeyboardInterrupt

    before = contents(shelf)
    monkeypatch.setattr(ExpertPolicy, "act", interrupt)
    with pytest.raises(SystemExit) as exit_info:
        main([*COLLECT.format(shelf=shelf).split(), f"--dataset_id={TINY}", "--overwrite"])
    assert exit_info.value.code == 130
    assert capsys.readouterr().err.splitlines()[-1] == "gbplan: interrupted"
    assert contents(shelf) == before


@pytest.mark.filterwarnings("ignore:The dirpath has changed", "ignore:Be aware that when using `ckpt_path`")
def test_interrupted_command_says_so_and_exits_with_130(shelf, tmp_path, monkeypatch, capsys):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(RandomPolicy, "act", interrupt)
    monkeypatch.setattr(sys.modules["gbplan.report.table"], "results_table", interrupt)
    monkeypatch.setattr(WorldModelModule, "validation_step", interrupt)
    before = signal.getsignal(signal.SIGINT)
    good = f"--data.datasets=[{TINY}] --data.validation_steps=10 --ckpt_path={{shelf}}/good.ckpt"
    validate = f"{FIT.replace('fit', 'validate', 1)} {good}"
    try:
        for command in (WALK, "report {shelf}/results", validate):
            with pytest.raises(SystemExit) as exit_info:
                main([part.format(shelf=shelf, out=tmp_path / "out") for part in command.split()])
            assert exit_info.value.code == 130, command
            assert capsys.readouterr().err.splitlines()[-1] == "gbplan: interrupted"
    finally:
        signal.signal(signal.SIGINT, before)  # Lightning ignores it from then on


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_full_machine_is_one_line_and_no_bad_input(error, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(RandomPolicy, "act", Mock(side_effect=error))
    with pytest.raises(SystemExit) as exit_info:
        main(WALK.format(out=tmp_path).split())
    assert exit_info.value.code == 1
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    assert re.fullmatch(r"gbplan: error: .*(space|[Mm]emory).*", shown.splitlines()[-1])


def test_bug_keeps_its_traceback(tmp_path, monkeypatch):
    monkeypatch.setattr(RandomPolicy, "act", Mock(side_effect=KeyError("a bug")))
    with pytest.raises(KeyError, match="a bug"):
        main(WALK.format(out=tmp_path).split())


class Broken(Room):
    """Fails within its own arithmetic."""

    def step(self, action):
        return super().step(action + np.zeros(7))


gym.register("Broken-v0", entry_point="test_bad_input:Broken", max_episode_steps=5)
gym.register("Endless-v0", entry_point="test_bad_input:Room")


def test_error_of_a_users_environment_keeps_its_traceback(tmp_path):
    collect = "collect --dataset_id=x-v0 --episodes=1 --policy=RandomPolicy --env_id=Broken-v0"
    with pytest.raises(ValueError, match="broadcast"):
        main([*collect.split(), f"--root={tmp_path}"])


def test_collecting_in_an_environment_without_time_limit_is_refused_at_once(tmp_path, capsys):
    collect = "collect --dataset_id=x-v0 --episodes=1 --policy=RandomPolicy --env_id=Endless-v0"
    with pytest.raises(SystemExit, match="2"):
        main([*collect.split(), f"--root={tmp_path}"])
    assert "Endless-v0 has no time limit" in capsys.readouterr().err


@pytest.mark.end_to_end
@pytest.mark.parametrize("group", ["online", "validation"])
def test_environment_of_a_callback_is_named_by_its_key(group, shelf, tmp_path, capsys):
    command = f"{FIT} --data.datasets=[{TINY}] --data.validation_steps=10 --model.validation_horizons=[5]"
    command += " --trainer.reload_dataloaders_every_n_epochs=1"
    command += f" --{group}.agent=configs/agents/gradient_mpc.yaml --{group}.tasks.env_id="
    for name, message in {  # two for either callback, because a command takes a while to come to them
        "online": {
            "No-v0": "tasks.env_id names no registered environment: Environment `No` doesn't exist",
            "Silent-v0": "Silent-v0 does not say whether the goal is reached",
        },
        "validation": {
            "no_module:X-v0": "tasks.env_id names the module no_module, which cannot be imported: No module named",
            "Endless-v0": "Endless-v0 has no time limit",
        },
    }[group].items():
        with pytest.raises(SystemExit, match="2"):
            main([word.format(shelf=shelf, out=tmp_path / "out") for word in (command + name).split()])
        assert message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.end_to_end
def test_short_episodes_are_reported_with_both_keys_and_values_that_work(tmp_path, capsys):
    collect = "collect --dataset_id=x-v0 --episodes=9 --policy=RandomPolicy --env_id=DoorWall-v0 --progress=false"
    main([*collect.split(), "--env_kwargs={max_episode_steps: 4}", f"--root={tmp_path}"])
    fit = f"fit --config=configs/door_wall/base.yaml --data.root={tmp_path} --data.datasets=[x-v0]"
    fit += f" --trainer.default_root_dir={tmp_path}/run --trainer.max_epochs=1"
    with pytest.raises(SystemExit, match="2"):
        main(fit.split())
    line = capsys.readouterr().err.splitlines()[-1]
    assert (
        "set data.validation_steps to 4 and model.validation_horizons to steps within it, for example [1, 2, 4]" in line
    )
    main([*fit.split(), "--data.validation_steps=4", "--model.validation_horizons=[1,2,4]"])
