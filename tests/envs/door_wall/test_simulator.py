import numpy as np
import pytest
import torch

from gbplan.envs.door_wall.contact import slide_rows
from gbplan.envs.door_wall.simulator import DoorWallDynamics, PerfectDoorWallModel
from gbplan.envs.door_wall.world import World


def random_states(rng, count):
    """Valid positions, many of them close to the wall and the door's edges."""
    side = rng.choice([-1.0, 1.0], count)
    x = side * np.where(rng.random(count) < 0.5, rng.uniform(0.0011, 0.2, count), rng.uniform(0.0011, 1.99, count))
    y = np.where(
        rng.random(count) < 0.3,
        rng.choice([-0.5, 0.5], count) + rng.normal(0, 0.05, count),
        rng.uniform(-1.99, 1.99, count),
    )
    return x, y


def test_position_dynamics_equal_the_environments_contact():
    rng = np.random.default_rng(0)
    x, y = random_states(rng, 200_000)
    action = rng.uniform(-1, 1, (200_000, 2))
    position = np.stack([x, y], 1)
    moved, _ = slide_rows(position, 0.1 * action, -0.5, 0.5)
    model = PerfectDoorWallModel().double()
    predicted = model.step(torch.from_numpy(position)[:, None], torch.from_numpy(action)[:, None])
    np.testing.assert_allclose(predicted.numpy(), moved, atol=1e-12)


@pytest.mark.parametrize("dynamics", ["position", "velocity"])
def test_rollout_follows_the_environment_through_contacts(dynamics):
    from gbplan.data import make_vector_env

    rng = np.random.default_rng(1)
    envs = make_vector_env("DoorWall-v0", 64, {"dynamics": dynamics, "continuing_task": True})
    observation, _ = envs.reset(seed=3)
    start = torch.from_numpy(observation["observation"]).double()
    actions = np.clip(rng.normal(0, 0.3, (64, 40, 2)) + rng.normal(0, 1, (64, 1, 2)), -1, 1).astype(np.float32)
    states, contacts = [], 0
    for t in range(40):
        observation, _, _, _, info = envs.step(actions[:, t])
        states.append(observation["observation"])
        contacts += info["contact"].sum()
    assert contacts > 100
    model = PerfectDoorWallModel(DoorWallDynamics(dynamics)).double()
    predicted = model.rollout(start[:, None], torch.zeros(64, 0, 2).double(), torch.from_numpy(actions).double())
    np.testing.assert_allclose(predicted.numpy(), np.stack(states, 1), atol=2e-5)


def test_model_of_a_world_is_that_worlds():
    world = World(dynamics="velocity", door_center=0.4, door_half_width=0.3, damping=0.2, max_speed=0.1)
    model = PerfectDoorWallModel.of_world(world)
    assert model.latent_shape == (4,)
    assert (model.predictor.low, model.predictor.high) == (world.door_low, world.door_high)
    assert (model.predictor.damping, model.predictor.max_speed) == (0.2, 0.1)
    with pytest.raises(ValueError, match=r"only sliding contact can be simulated in torch, .* 'stop'"):
        PerfectDoorWallModel.of_world(World(contact="stop"))


def test_gradient_is_the_step_size_in_the_open_and_zero_into_the_wall():
    model = PerfectDoorWallModel().double()
    state = torch.tensor([[1.0, 1.0], [-0.05, 1.0]]).double()  # in the open; in front of the wall
    action = torch.tensor([[0.5, 0.5], [0.9, 0.5]]).double().requires_grad_()
    (gradient,) = torch.autograd.grad(model.step(state[:, None], action[:, None]).sum(), action)
    torch.testing.assert_close(gradient, torch.tensor([[0.1, 0.1], [0.0, 0.1]]).double())
