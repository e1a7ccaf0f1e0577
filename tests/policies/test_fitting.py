import pytest
import tiny_world
import torch
from point_world import PointWorld, point_model

from gbplan.data import make_vector_env
from gbplan.networks import ConvEncoder, IdentityEncoder, MLPPredictor, Probe, WorldModel
from gbplan.planners import GradientPlanner
from gbplan.policies import Agent
from gbplan.policies.fitting import require_fitting


@pytest.fixture(scope="module")
def envs():
    envs = make_vector_env("TinyPixels-v0", 1)
    yield envs
    envs.close()


def model(encoder=None, action_dim=3, history=1, block=1, probe=None):
    encoder = encoder or IdentityEncoder(4, range(4))
    predictor = MLPPredictor(encoder.latent_shape, action_dim * block, (4,), history=history)
    return WorldModel(encoder, predictor, action_block=block, probe=probe)


class Narrow(IdentityEncoder):
    """Reads three numbers, and does not look how many there are."""

    def __init__(self):
        super().__init__(3, [0, 1])
        self.layer = torch.nn.Linear(3, 3)

    def encode(self, observations):
        return self.layer(observations["observation"])


ROWS = {
    "keys": (
        lambda: model(ConvEncoder(4, 16, width=2, pixels_key="camera")),
        "reads 'camera' and 'desired_pixels', the environment's observations are .*achieved_goal.*pixels; use",
    ),
    "picture size": (lambda: model(ConvEncoder(4, 32, width=2)), r"'pixels' must be uint8 pictures .*32.*16"),
    "picture type": (
        lambda: model(ConvEncoder(4, 16, width=2, pixels_key="observation")),
        "'observation' must be uint8 pictures .*float32",
    ),
    "what torch says": (lambda: model(Narrow()), r"Narrow cannot encode the .*'observation' has shape \(4,\); use a"),
    "state indices": (
        lambda: model(IdentityEncoder(2, state_indices=[0, 4])),
        r"state_indices must be below 4, how many numbers 'observation' has, got 4 in \[0, 4\]; correct them, or use",
    ),
    "actions": (lambda: model(action_dim=2), r"actions have shape \(3,\), the world model's \(2,\)"),
    "probe": (lambda: model(probe=Probe(4, 3)), r"probe predicts goals of shape \(3,\), .*achieved_goal has \(4,\)"),
    "history": (
        lambda: model(history=6, block=5),
        "looks at 6 frames, 5 model steps of 5 environment steps each apart, but an episode ends after 23 steps",
    ),
    "horizon": (
        lambda: model(block=8),
        "horizon of 3 model steps of 8 environment steps each exceeds the time limit of 23 steps; lower the horizon",
    ),
}


@pytest.mark.parametrize(("make", "message"), ROWS.values(), ids=ROWS)
def test_model_that_does_not_fit_is_reported_in_one_line(envs, make, message):
    with pytest.raises((ValueError, TypeError), match=message) as info:
        require_fitting(make(), Agent(GradientPlanner(horizon=3)), envs, tiny_world.TIME_LIMIT)
    assert "\n" not in str(info.value)


def test_blocks_that_do_not_divide_the_time_limit_fit_and_no_limit_is_none(envs):
    agent = Agent(GradientPlanner(horizon=4))
    require_fitting(model(history=4, block=5), agent, envs, tiny_world.TIME_LIMIT)
    require_fitting(model(history=40), Agent(GradientPlanner(horizon=400)), envs)


def test_environment_without_an_achieved_goal_can_be_planned_in():
    points = PointWorld(1)
    del points.single_observation_space.spaces["achieved_goal"]
    require_fitting(point_model(), Agent(GradientPlanner(horizon=4)), points)
