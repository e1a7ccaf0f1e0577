import importlib.util
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "sb3_sac_her.py"


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("env_id", "at_first"), [("DoorWall-v0", 0.1), ("gbplan/PointMaze-v0", 0.4)])
def test_sac_with_hindsight_replay_learns_the_task(env_id, at_first):
    if env_id != "DoorWall-v0":
        pytest.importorskip("mujoco")
    pytest.importorskip("stable_baselines3")
    spec = importlib.util.spec_from_file_location("sb3_sac_her", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    curve = example.learning_curve(total_steps=8_000, evaluate_every=8_000, env_id=env_id)
    assert curve[0]["uniform"] < at_first
    assert curve[-1]["uniform"] > curve[0]["uniform"] + 0.3
