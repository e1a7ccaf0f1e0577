import numpy as np
import pytest
import torch

from gbplan.data import Trajectories, make_vector_env, run_episodes
from gbplan.envs.door_wall.simulator import PerfectDoorWallModel
from gbplan.evaluation import TaskSet, model_error
from gbplan.evaluation.diagnostics.model_error import require_within_episodes
from gbplan.networks import IdentityEncoder, MLPPredictor, Predictor, WorldModel
from gbplan.policies import ExpertPolicy


def episode(states):
    states = np.asarray(states, np.float32).reshape(-1, 1)
    steps = len(states) - 1
    return Trajectories(
        {"observation": states, "achieved_goal": states}, np.zeros((steps + 1, 1), np.float32), np.zeros(steps + 1),
        np.array([steps]), np.array([True]), {},
    )  # fmt: skip


class Falling(Predictor):
    """Adds up the last two frames' difference and the actions of a block of two."""

    latent_shape, action_dim, history = (1,), 2, 2

    def __init__(self, past=False):
        super().__init__()
        self.taken = 0 if past else 1  # which frame's actions count

    def forward(self, latents, actions):
        return 2 * latents[:, -1] - latents[:, -2] + actions[:, self.taken].sum(1, keepdim=True)


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
    runs = run_episodes(envs, ExpertPolicy(), seeds=tasks.seeds.tolist(), states=tasks.states, goals=tasks.goals)
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


def test_history_and_blocks_are_those_of_planning():
    """Seven steps are three blocks of two; before the start the first frame stands, and nobody acts."""
    run = episode([0.0, 9.0, 1.0, 9.0, 3.0, 9.0, 4.0, 9.0])
    run.actions[:7, 0] = [1, 0, 0, 1, 0, 0, 5]
    error = model_error(WorldModel(IdentityEncoder(1, [0]), Falling(), action_block=2), run, horizon=3)
    # Ends of blocks: 0, 1, 3, 4. From true frames: 0 - 0 + 1, 2 * 1 - 0 + 1, 2 * 3 - 1 + 0.
    np.testing.assert_allclose(error.one_step, [(0 + 0 + 1) / 3])
    # In a rollout, which is right for two steps, too.
    np.testing.assert_allclose(error.by_step, [[0, 0, 1]])


def test_latent_error_is_in_standardised_units_and_needs_no_probe():
    model = standing_still()
    model.encoder.exact_goals = False
    model.normalizer.set(torch.zeros(1), torch.full((1,), 2.0), torch.zeros(1), torch.ones(1))
    error = model_error(model, episode([0.0, 1.0, 3.0]), horizon=2)
    assert error.one_step is error.open_loop is error.by_step is None
    np.testing.assert_allclose(error.latent_one_step, [(0.5 + 1) / 2])
    np.testing.assert_allclose(error.latent_open_loop, [(0.5 + 1.5) / 2])


def test_an_episode_shorter_than_a_block_has_no_error():
    runs = Trajectories.concatenate([episode([0.0, 9.0, 1.0]), episode([0.0, 2.0])])
    error = model_error(WorldModel(IdentityEncoder(1, [0]), Falling(), action_block=2), runs)
    np.testing.assert_array_equal(np.isnan(error.open_loop), [False, True])


def test_episodes_in_parts_have_the_same_errors(monkeypatch):
    runs = Trajectories.concatenate([episode(np.random.default_rng(i).normal(size=4 + i)) for i in range(5)])
    model = WorldModel(IdentityEncoder(1, [0]), Falling(), action_block=2)
    whole = model_error(model, runs)
    monkeypatch.setattr("gbplan.evaluation.diagnostics.model_error.MEMORY", 200)
    parts = model_error(model, runs)
    np.testing.assert_allclose(parts.by_step, whole.by_step, rtol=1e-6)
    np.testing.assert_allclose(parts.latent_one_step, whole.latent_one_step, rtol=1e-6)


def test_before_the_start_nobody_acts_as_the_bounds_allow():
    model = WorldModel(IdentityEncoder(1, [0]), Falling(past=True), action_block=2)
    bounds = np.float32([0.5]), np.float32([np.inf])
    error = model_error(model, episode([0.0, 9.0, 1.0]), bounds=bounds)
    np.testing.assert_allclose(error.one_step, [0.0])  # two environment steps of 0.5 lead from 0 to 1
    np.testing.assert_allclose(error.open_loop, [0.0])
    np.testing.assert_allclose(model_error(model, episode([0.0, 9.0, 1.0])).one_step, [1.0])


def test_neither_encoder_nor_predictor_sees_more_than_fits_memory(monkeypatch):
    runs = Trajectories.concatenate([episode(np.random.default_rng(i).normal(size=40)) for i in range(5)])
    model = WorldModel(IdentityEncoder(1, [0]), Falling(), action_block=2)
    whole = model_error(model, runs)
    seen = {"encoder": [], "predictor": []}
    encode, forward = model.encoder.encode, model.predictor.forward
    monkeypatch.setattr(
        model.encoder,
        "encode",
        lambda observed: seen["encoder"].append(observed["observation"].numel()) or encode(observed),
    )
    monkeypatch.setattr(
        model.predictor, "forward", lambda *inputs: seen["predictor"].append(len(inputs[0])) or forward(*inputs)
    )
    monkeypatch.setattr("gbplan.evaluation.diagnostics.model_error.ENCODED", 16)
    monkeypatch.setattr("gbplan.evaluation.diagnostics.model_error.MEMORY", 4 * 10 * model.predictor.activation_size)
    parts = model_error(model, runs)
    assert max(seen["encoder"]) <= 16
    assert max(seen["predictor"]) <= 10
    np.testing.assert_allclose(parts.one_step, whole.one_step, rtol=1e-6)
    np.testing.assert_allclose(parts.by_step, whole.by_step, rtol=1e-6)
    np.testing.assert_allclose(parts.latent_one_step, whole.latent_one_step, rtol=1e-6)


@pytest.mark.parametrize(
    ("error_horizon", "time_limit", "action_block", "longest"),
    [(100, 100, 1, None), (101, 100, 1, 100), (50, 100, 2, None), (51, 100, 2, 50), (25, 3, 1, None), (26, 3, 1, 3)],
)
def test_a_rollout_longer_than_an_episode_is_refused_unless_it_is_the_default(
    error_horizon, time_limit, action_block, longest
):
    if longest is None:
        require_within_episodes(error_horizon, time_limit, action_block)
        return
    with pytest.raises(
        ValueError, match=f"exceed the {longest} model steps of an episode, got {error_horizon}; lower it"
    ):
        require_within_episodes(error_horizon, time_limit, action_block)
