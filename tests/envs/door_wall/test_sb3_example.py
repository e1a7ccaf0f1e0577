import importlib.util
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "sb3_sac_her.py"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_sac_with_hindsight_replay_learns_the_task():
    pytest.importorskip("stable_baselines3")
    spec = importlib.util.spec_from_file_location("sb3_sac_her", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    curve = example.learning_curve(total_steps=8_000, evaluate_every=8_000)
    assert curve[0]["uniform"] < 0.1
    assert curve[-1]["uniform"] > curve[0]["uniform"] + 0.3
