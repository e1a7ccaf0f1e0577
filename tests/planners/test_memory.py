"""Chunks are counted in bytes. Nothing here is timed, and nothing as large as what is spoken of is made."""

from dataclasses import replace

import pytest
import torch
from planning_problems import make_problem, random_mlp
from torch.autograd.graph import saved_tensors_hooks

from gbplan.networks import Encoder, MLPPredictor, Predictor, WorldModel
from gbplan.networks.vit import ViTPredictor
from gbplan.objectives import GoalMSE, ReachGoal
from gbplan.planners import PlanningProblem, memory

PATCHES = (196, 384)  # those of a small vision transformer, from a picture of 224 x 224


class Patches(Encoder):
    def __init__(self, latent_shape=PATCHES):
        super().__init__()
        self.latent_shape = latent_shape

    def encode(self, observations):
        raise NotImplementedError

    def encode_goal(self, observations):
        raise NotImplementedError

    def goal_features(self, latent):
        return latent


class Nudge(Predictor):
    """Keeps its input and what comes out of a tanh; remembers how many rows it was given at once."""

    latent_shape = PATCHES
    action_dim = 2

    def __init__(self):
        super().__init__()
        self.rows = []

    @property
    def activation_size(self):
        return 2 * 196 * 384

    def forward(self, latents, actions):
        self.rows.append(len(latents))
        return (latents[:, -1] + actions[:, -1, :1, None]).tanh() * latents[:, -1]


def patches_problem(batch, **changes):
    one = torch.ones(2)
    context, goal = torch.zeros(batch, 1, *PATCHES), torch.zeros(batch, *PATCHES)
    model = WorldModel(Patches(), Nudge(), normalize="channel")
    return PlanningProblem(model, GoalMSE(), context, torch.zeros(batch, 0, 2), goal, -one, one, **changes)


def bytes_saved(problem, actions):
    """Memory that autograd keeps for the backward pass, without the model's own parameters."""
    own = {tensor.untyped_storage().data_ptr() for tensor in problem.model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = tensor  # alive, or its memory would be counted again, as another's
        return tensor

    with torch.no_grad(), saved_tensors_hooks(keep, lambda tensor: tensor):
        problem.cost_and_gradient(actions)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("mib", [4, 20])
def test_gradients_of_64_candidates_of_patch_latents_stay_within_the_budget(mib):
    horizon, problem = 2, patches_problem(2, memory_mib=mib)
    saved = bytes_saved(problem, torch.zeros(2, 32, horizon, 2))
    rows = problem.model.predictor.rows
    assert sum(rows) == 64 * horizon
    chunks = len(rows) // horizon
    assert max(rows) == memory.rows_at_once(problem, horizon, with_gradient=True)
    assert max(rows) * memory.bytes_per_row(problem, horizon, with_gradient=True) <= mib * 2**20
    # What autograd keeps for the way back is most of it, and lies within it.
    assert saved / chunks <= mib * 2**20


@pytest.mark.parametrize("objective", [GoalMSE(), ReachGoal()], ids=["last", "all"])
@pytest.mark.parametrize(
    "predictor",
    [
        MLPPredictor((49, 16), 2, (2048, 2048), "silu", history=2),
        ViTPredictor((49, 16), 2, history=1, width=32, depth=3, conditioning="token"),
        ViTPredictor((49, 16), 2, history=3, width=32, depth=3, conditioning="adaln"),
        ViTPredictor((49, 16), 2, history=3, width=64, depth=1, mlp_size=256, conditioning="adaln"),
        ViTPredictor((49, 16), 2, history=3, width=32, depth=3, conditioning="token", attention="sliding"),
        ViTPredictor((49, 16), 2, history=3, width=64, mlp_size=256, head_dim=32, attention="sliding"),
    ],
    ids=["MLP", "tokens", "AdaLN", "AdaLN, wide", "tokens, sliding", "AdaLN, sliding"],
)
def test_estimates_are_upper_bounds_of_what_autograd_keeps(predictor, objective):
    one, frames = torch.ones(2), predictor.history
    model = WorldModel(Patches((49, 16)), predictor, normalize="channel")
    context, past = torch.randn(3, frames, 49, 16), torch.zeros(3, frames - 1, 2)
    problem = PlanningProblem(model, objective, context, past, torch.randn(3, 49, 16), -one, one)
    estimate = memory.bytes_per_row(problem, 4, with_gradient=True)
    assert 0.2 * estimate < bytes_saved(problem, torch.zeros(3, 1, 4, 2)) / 3 <= estimate


def test_less_memory_makes_smaller_chunks_and_the_same_costs():
    actions = torch.randn(3, 20, 6, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    problem = make_problem(model=random_mlp(history=2))
    expected = problem.cost_and_gradient(actions)
    for mib in (1e-9, 0.02):
        little = replace(problem, memory_mib=mib)
        assert memory.rows_at_once(little, 6, with_gradient=True) < 20
        for found, wanted in zip(little.cost_and_gradient(actions), expected, strict=True):
            torch.testing.assert_close(found, wanted)
        torch.testing.assert_close(little.rollout(actions), problem.rollout(actions))
    assert memory.rows_at_once(replace(problem, memory_mib=1e-9), 6) == 1


def test_small_rows_come_in_chunks_that_stay_in_the_cache():
    problem = make_problem()
    assert memory.rows_at_once(problem, 50) == 2048
    assert memory.rows_at_once(problem, 50, with_gradient=True) == 512
    assert memory.rows_at_once(replace(problem, memory_mib=1e9), 50) == 2048


def test_default_is_512_mib_on_a_cpu_and_half_of_what_is_free_on_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (6 * 2**30, 80 * 2**30))
    assert memory.default_memory_mib(torch.device("cpu")) == 512
    assert memory.default_memory_mib(torch.device("cuda")) == 3 * 1024
    assert make_problem().owned().memory_mib == 512  # decided once a plan


@pytest.mark.parametrize("mib", [0.0, -1.0, float("nan")])
def test_memory_must_be_positive(mib):
    with pytest.raises(ValueError, match="memory_mib must be positive, got"):
        make_problem(memory_mib=mib).owned()
