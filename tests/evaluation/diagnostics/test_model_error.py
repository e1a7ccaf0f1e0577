import numpy as np
import torch

from gbplan.data import Trajectories, make_vector_env, rollout
from gbplan.envs.door_wall.simulator import PerfectDoorWallModel
from gbplan.evaluation import TaskSet, model_error
from gbplan.networks import IdentityEncoder, MLPPredictor, WorldModel
from gbplan.policies import ExpertPolicy


def episode(states):
    states = np.asarray(states, np.float32).reshape(-1, 1)
    steps = len(states) - 1
    return Trajectories(
        {"observation": states}, np.zeros((steps + 1, 1), np.float32), np.zeros(steps + 1), np.array([steps]),
        np.array([True]), {},
    )  # fmt: skip


def standing_still():
    model = WorldModel(IdentityEncoder(1, [0]), MLPPredictor(1, 1, hidden_sizes=()))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    return model


def test_errors_of_a_model_that_predicts_no_motion_are_the_motions():
    runs = Trajectories.concatenate([episode([0.0, 1.0, 3.0, 6.0]), episode([0.0, 2.0])])
    error = model_error(standing_still(), runs, horizon=2)
    np.testing.assert_allclose(error.one_step, [(1 + 2 + 3) / 3, 2])
    np.testing.assert_allclose(error.open_loop, [(1 + 3) / 2, 2])  # first 2 steps, or all there are
    np.testing.assert_allclose(error.by_step, [[1, 3], [2, np.nan]])  # the second has one


def test_perfect_model_makes_no_error_on_the_environments_episodes():
    tasks = TaskSet("DoorWall-v0", kind="detour", count=16, split="training", min_distance=1.0).draw()
    envs = make_vector_env("DoorWall-v0", 16)
    runs = rollout(envs, ExpertPolicy(), seeds=tasks.seeds.tolist(), states=tasks.states, goals=tasks.goals)
    error = model_error(PerfectDoorWallModel(), runs)
    assert error.one_step.max() < 1e-6
    assert error.open_loop.max() < 1e-5


def test_the_models_mode_is_left_as_it_was():
    model = standing_still().train()
    model.encoder.eval()  # a frozen part
    model_error(model, episode([0.0, 1.0]))
    assert model.training
    assert model.predictor.training
    assert not model.encoder.training
