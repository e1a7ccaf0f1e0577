"""Worker processes change nothing about the rows that they share."""

import os
import signal
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence

from gbplan.data import make_vector_env, run_episodes
from gbplan.envs import optional_method
from gbplan.envs.parallel import ParallelVectorEnv
from gbplan.policies import ExpertPolicy, RandomPolicy

WORLDS = {
    "DoorWall-v0": {"process_noise": 0.02},
    "gbplan/DoorLayouts-v0": {},
    "gbplan/PushT-v0": {"task": "pose"},
    "gbplan/PointMaze-v0": {},
    "gbplan/FetchPush-v0": {},
    "gbplan/Rope-v0": {},
    "gbplan/Granular-v0": {},
    "TinyPixels-v0": {},  # has no vector form of its own
}


@pytest.fixture(autouse=True)
def _registered():
    import tiny_world  # noqa: F401


def require_available(env_id):
    if env_id in ("gbplan/PointMaze-v0", "gbplan/FetchPush-v0", "gbplan/Rope-v0"):
        pytest.importorskip("mujoco")


LONG = ("gbplan/Rope-v0", "gbplan/Granular-v0")  # episodes of pushes take seconds


@pytest.fixture(params=[pytest.param(w, marks=pytest.mark.end_to_end) if w in LONG else w for w in WORLDS])
def world(request):
    require_available(request.param)
    return request.param, WORLDS[request.param]


def same(one, other):
    assert np.array_equal(one.lengths, other.lengths)
    assert np.array_equal(one.terminated, other.terminated)
    assert np.array_equal(one.actions, other.actions)
    assert np.array_equal(one.rewards, other.rewards, equal_nan=True)
    assert one.infos.keys() == other.infos.keys()
    for columns in ("observations", "infos"):
        for name, values in getattr(one, columns).items():
            assert values.dtype == getattr(other, columns)[name].dtype
            assert np.array_equal(values, getattr(other, columns)[name]), name


@pytest.mark.parametrize("rows", [5])  # which two processes cannot share evenly
def test_episodes_of_two_processes_equal_those_of_one_bit_for_bit(world, rows):
    env_id, kwargs = world
    seeds = list(range(7, 7 + rows))
    episodes = []
    for processes in (1, 2):
        envs = make_vector_env(env_id, rows, kwargs, processes)
        drawn = run_episodes(envs, RandomPolicy(), seeds=seeds, max_steps=6)
        tasks = {
            "states": drawn.observations["observation"][drawn.starts],
            "goals": drawn.observations["desired_goal"][drawn.starts],
        }
        # Set tasks, with other seeds: states and goals must come from the options.
        again = run_episodes(envs, RandomPolicy(), seeds=seeds[::-1], **tasks, max_steps=6)
        envs.close()
        episodes.append((drawn, again))
    same(episodes[0][0], episodes[1][0])
    same(episodes[0][1], episodes[1][1])


@pytest.mark.parametrize("processes", [2, 3, 9])
def test_experts_find_their_world_and_rows_that_arrive_early_are_reset_alone(processes):
    runs = []
    for number in (1, processes):
        envs = make_vector_env("DoorWall-v0", 5, {"task": "uniform"}, number)
        runs.append(run_episodes(envs, ExpertPolicy(), seeds=[1, 2, 3, 4, 5]))
        envs.close()
    assert len(set(runs[0].lengths)) > 1
    assert runs[0].terminated.all()
    same(*runs)


def test_reset_mask_leaves_other_rows_and_workers_alone_and_masks_say_whom_infos_are_about():
    both = [make_vector_env("DoorWall-v0", 5, {}, processes) for processes in (1, 3)]
    mask = np.array([False, False, True, False, False])
    actions = np.ones((5, 2), np.float32)
    steps = []
    for envs in both:
        envs.reset(seed=3)
        envs.step(actions)
        steps.append((envs.reset(options={"reset_mask": mask, "goal": [1.0, 1.5]}), envs.step(actions)))
        assert steps[-1][0][1]["_is_success"].tolist() == mask.tolist()
        assert steps[-1][0][0]["desired_goal"][2].tolist() == [1.0, 1.5]
        assert steps[-1][1][4]["_is_success"].all()
        envs.close()
    assert data_equivalence(steps[0], steps[1])


def test_the_repeated_row_of_an_unseeded_reset_is_the_row_itself():
    # Otherwise it could end before the row does, and would refuse the next step.
    envs = make_vector_env("DoorWall-v0", 3, {}, 2)
    try:
        for options in (None, {"reset_mask": np.array([False, False, True])}):
            envs.reset(options=options)
            last, repeated = envs._workers.observations["observation"][1]
            assert last.tolist() == repeated.tolist()
    finally:
        envs.close()


def test_calls_and_optional_methods_are_those_of_the_rows():
    envs = make_vector_env("DoorWall-v0", 3, {"door_center": 0.25}, 2)
    assert isinstance(envs, ParallelVectorEnv)
    assert envs.spec.id == "DoorWall-v0"
    assert optional_method(envs, "background")()[0].tolist() == [[0, -2], [0, -0.25]]
    distances = envs.call("goal_distance", np.zeros(2), np.array([3.0, 4.0]))
    assert [float(each) for each in distances] == [5.0] * 3
    envs.close()


def test_an_error_of_a_row_reaches_the_caller():
    envs = make_vector_env("DoorWall-v0", 2, {}, 2)
    try:
        with pytest.raises(ValueError, match="state"):
            envs.reset(options={"state": np.full((2, 2), np.nan)})
    finally:
        envs.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"goals": [0, 0]}, r"options must be state, goal and reset_mask, got \['goals'\]"),
        ({"state": np.zeros((3, 2))}, r"one entry for each of 2 rows, or be one for all, got shape \(3, 2\)"),
        ({"reset_mask": [True, False]}, r"must be a bool array of shape \(2,\)"),
        ({"reset_mask": np.array([1, 0])}, r"must be a bool array of shape \(2,\)"),
        ({"reset_mask": np.zeros(2, np.bool_)}, "with at least one True"),
    ],
)
def test_bad_options_are_named_before_a_worker_sees_them(options, message):
    envs = make_vector_env("DoorWall-v0", 2, {}, 2)
    try:
        with pytest.raises(ValueError, match=message):
            envs.reset(options=options)
        envs.reset(seed=0)  # the workers still work
        with pytest.raises(gym.error.InvalidAction, match=r"shape \(2, 2\), got \(3, 2\)"):
            envs.step(np.zeros((3, 2)))
        with pytest.raises(ValueError, match="each of 2 rows, got 3"):
            envs.reset(seed=[1, 2, 3])
    finally:
        envs.close()


@pytest.mark.end_to_end
@pytest.mark.parametrize("from_a_file", [True, False], ids=["without a guard", "read from a pipe"])
def test_a_script_that_workers_cannot_import_is_told_so(tmp_path, from_a_file):
    script = "from gbplan.data import make_vector_env\nmake_vector_env('DoorWall-v0', 2, {}, 2)\n"
    (tmp_path / "script.py").write_text(script)
    command = [sys.executable, str(tmp_path / "script.py")] if from_a_file else [sys.executable]
    ended = subprocess.run(command, input=script, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 1
    assert "what it does below `if __name__" in ended.stderr


@pytest.mark.end_to_end
def test_modules_that_a_user_preloads_stay_preloaded(tmp_path):
    (tmp_path / "mine.py").write_text("import os\nprint('imported by', os.getppid(), flush=True)\n")
    (tmp_path / "script.py").write_text(
        "import multiprocessing, os\n"
        "from gbplan.data import make_vector_env\n"
        "if __name__ == '__main__':\n"
        "    multiprocessing.set_forkserver_preload(['mine'])\n"
        "    print('script', os.getpid(), flush=True)\n"
        "    make_vector_env('DoorWall-v0', 2, {}, 2).close()\n"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    command = [sys.executable, str(tmp_path / "script.py")]
    ended = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True, timeout=120
    )
    script, *imports = ended.stdout.splitlines()
    assert imports == [script.replace("script", "imported by")]  # once, by the server that forks the workers


@pytest.mark.parametrize(
    ("at_work", "how", "exitcode"),
    [
        (False, {}, 0),
        (False, {"terminate": True}, -signal.SIGTERM),
        (True, {}, -signal.SIGTERM),
        (True, {"timeout": 60}, 0),
        (True, {"timeout": 60, "terminate": True}, -signal.SIGTERM),
    ],
)
@pytest.mark.filterwarnings("ignore:.*while waiting for a pending call")
def test_workers_are_waited_for_or_stopped_as_close_is_told(at_work, how, exitcode):
    envs = make_vector_env("DoorWall-v0", 2, {}, 2)
    envs.reset(seed=0)
    if at_work:
        envs._workers.step_async(np.zeros((2, 1, 2), np.float32))
    envs.close(**how)
    assert [process.exitcode for process in envs._workers.processes] == [exitcode, exitcode]


@pytest.mark.parametrize("arguments", [{"num_envs": 0}, {"num_envs": 2, "num_processes": 0}])
def test_numbers_below_one_are_refused(arguments):
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        ParallelVectorEnv("DoorWall-v0", **arguments)
