"""The models that experiments/latents compares can be built and measured."""

import runpy

import numpy as np
import pytest
import torch
import yaml
from jsonargparse import ArgumentParser

from gbplan.modules import Regularizer
from gbplan.networks import ConvEncoder, MLPPredictor, WorldModel

SCRIPT = runpy.run_path("experiments/latents/latents.py")
with open("experiments/latents/latents.yaml") as file:
    ROWS = SCRIPT["rows_of"](yaml.safe_load(file))


@pytest.mark.parametrize("row", ROWS)
def test_every_row_is_a_regularizer_that_keeps_latents_apart(row):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Regularizer, "regularizer")
    made = parser.instantiate(parser.parse_object({"regularizer": ROWS[row]})).regularizer
    assert made.keeps_apart
    pictures = {"pixels": torch.zeros(4, 3, 64, 64, 3, dtype=torch.uint8)}
    assert torch.isfinite(made(torch.randn(4, 3, 8), torch.zeros(4, 2, 10), pictures))


def test_latents_that_are_positions_are_linear_and_as_far_apart(monkeypatch):
    class Position(ConvEncoder):
        def encode(self, observations):
            return 3 * observations["pixels"].float() - 1

    rng = np.random.default_rng(0)
    where = torch.as_tensor(rng.integers(0, 200, (300, 2)), dtype=torch.uint8)
    seen = {"pixels": where, "achieved_goal": where.float() / 50}
    monkeypatch.setitem(SCRIPT["measured"].__globals__, "frames", lambda data: (seen, seen))
    found = SCRIPT["measured"](WorldModel(Position(2, 16), MLPPredictor(2, 2)), None)
    np.testing.assert_allclose([*found["r2"], found["near"], found["far"]], 1, atol=1e-4)
