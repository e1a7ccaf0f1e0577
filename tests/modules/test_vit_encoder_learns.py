"""A ViTEncoder is trained to see what moves."""

import gymnasium as gym
import numpy as np
import pytest
import torch

from gbplan.envs import optional_method
from gbplan.modules import VICReg
from gbplan.networks import ViTEncoder


@pytest.mark.slow
def test_a_small_thing_before_a_large_background_is_found_within_300_steps():
    render = optional_method(gym.make("DoorWall-v0"), "render_state")
    rng = np.random.default_rng(0)

    def drawn(rows):
        states = rng.uniform(-1.9, 1.9, (rows, 1, 2))
        both = np.concatenate([states, np.clip(states + rng.uniform(-0.5, 0.5, states.shape), -1.9, 1.9)], axis=1)
        pictures = np.stack([render(each.astype(np.float32), 32) for each in both.swapaxes(0, 1)], axis=1)
        return torch.from_numpy(pictures), torch.from_numpy(both).float()

    torch.manual_seed(0)
    encoder = ViTEncoder(8, 32, width=32, depth=2, mlp_size=64, frozen=False)
    regularizer = VICReg(8, 2, inverse_weight=5.0)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *regularizer.parameters()], 1e-3)
    for _ in range(300):
        pictures, states = drawn(128)
        optimizer.zero_grad()
        regularizer(encoder.encode({"pixels": pictures}), 2 * states.diff(dim=1), {}).backward()
        optimizer.step()
    encoder.eval()
    pictures, states = drawn(1500)
    with torch.no_grad():
        latents = encoder.encode({"pixels": pictures[:, 0]})
    inputs, where = torch.cat([latents, torch.ones(1500, 1)], dim=1), states[:, 0]
    probe = torch.linalg.lstsq(inputs[:1000], where[:1000]).solution
    left = (where[1000:] - inputs[1000:] @ probe).var(0) / where[1000:].var(0)
    assert left.max() < 0.5  # of the variance; without batch normalisation nearly all of it
