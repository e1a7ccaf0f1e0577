import numpy as np
import pytest
import tiny_world

from gbplan.data import make_vector_env
from gbplan.evaluation import TaskSet, evaluate
from gbplan.evaluation.imagination import imagined_frames
from gbplan.networks import ConvEncoder, Decoder, Encoder, MLPPredictor, ViTPredictor, WorldModel
from gbplan.networks.predictor import Predictor
from gbplan.policies import ConstantPolicy

TASKS = TaskSet("TinyPixels-v0", count=2, split="validation").draw()


class Seen(Encoder):
    """Pictures are their own latents."""

    latent_shape = (tiny_world.EDGE, tiny_world.EDGE, 3)
    observation_keys = ("pixels",)
    goal_keys = ("desired_pixels",)

    def encode(self, observations):
        return observations["pixels"].float() / 255

    def encode_goal(self, observations):
        return observations["desired_pixels"].float() / 255

    def goal_features(self, latent):
        return latent


class Shown(Decoder):
    """The inverse of ``Seen``."""

    def forward(self, latents):
        return latents


class Still(Predictor):
    """Predicts that nothing changes."""

    latent_shape, action_dim, history, activation_size = Seen.latent_shape, 6, 2, 1

    def forward(self, latents, actions):
        return latents[:, -1]


def episodes():
    envs = make_vector_env("TinyPixels-v0", 2)
    return evaluate(ConstantPolicy([1.0, 0.0, 0.5]), envs, TASKS, keys=["pixels"]).trajectories


def test_the_frames_are_those_of_the_first_episode_and_the_imagination_begins_with_its_first():
    model, played = WorldModel(Seen(), Still(), action_block=2, decoder=Shown(Seen.latent_shape, 16)), episodes()
    frames = imagined_frames(model, TASKS, played.only(["observation", "achieved_goal", "desired_goal"]), horizon=5)
    there = played.observations["pixels"][next(played.episodes())]
    assert frames.steps.tolist() == [0, 2, 4, 6, 8, 10]
    assert np.array_equal(frames.executed, there[frames.steps])
    assert np.array_equal(frames.imagined, np.repeat(there[:1], 6, axis=0))
    assert not np.array_equal(frames.executed[0], frames.executed[-1])


@pytest.mark.parametrize("tokens", [False, True])
def test_every_latent_can_be_shown(tokens):
    encoder = ConvEncoder(3, 16, width=2, tokens=tokens)
    shape = encoder.latent_shape
    predictor = ViTPredictor(shape, 3, 2, width=8, depth=1, heads=2) if tokens else MLPPredictor(shape, 3, (8,))
    frames = imagined_frames(WorldModel(encoder, predictor, decoder=Decoder(shape, 16, width=2)), TASKS, episodes())
    assert frames.imagined.shape == frames.executed.shape == (24, 16, 16, 3)
    assert frames.imagined.dtype == np.uint8


def test_without_a_decoder_there_is_nothing_to_show():
    assert imagined_frames(WorldModel(ConvEncoder(3, 16), MLPPredictor(3, 3)), TASKS, episodes()) is None
