"""The whole method in a world unlike DoorWall: every encoder, predictor, history and block is trained, planned with,
judged, and resumed.

``TinyPixels-v0`` has pictures, actions of three dimensions, and a success that is not a distance.
"""

import functools
import itertools
import tempfile
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import tiny_world
import torch
from dino_folders import write_dino
from lightning.pytorch.callbacks import ModelCheckpoint

from gbplan.attacks import FGSM
from gbplan.callbacks import OnlineWorldModeling, PlanningValidation
from gbplan.data import TrajectoryDataModule, collect, make_vector_env
from gbplan.evaluation import TaskSet, evaluate
from gbplan.modules import AdversarialWorldModelModule, InitNetworkModule, VICReg, WorldModelModule
from gbplan.networks import (
    ConvEncoder,
    Decoder,
    DinoEncoder,
    IdentityEncoder,
    InitNetwork,
    MLPPredictor,
    Probe,
    ProprioceptiveEncoder,
    ViTEncoder,
    ViTPredictor,
    WorldModel,
)
from gbplan.objectives import GoalMSE
from gbplan.planners import (
    CEMPlanner,
    GradCEMPlanner,
    GradientPlanner,
    GRASPPlanner,
    ICEMPlanner,
    InitializedPlanner,
    MPPIPlanner,
    PlanningProblem,
    RandomShooting,
)
from gbplan.policies import Agent, RandomPolicy

pytestmark = pytest.mark.end_to_end  # each combination is trained

ACTIONS = 3


@functools.cache
def dino():
    """A folder that lasts as long as the process."""
    folder = tempfile.TemporaryDirectory()
    write_dino(Path(folder.name))
    return folder


ENCODERS = {
    "state": lambda: IdentityEncoder(4, [0, 1, 2, 3]),
    "pixels": lambda: ConvEncoder(6, 16, width=4),
    "pixels in training": lambda: ConvEncoder(6, 16, width=4, frozen=False),
    "tokens": lambda: ConvEncoder(3, 16, width=4, tokens=True),
    "patches": lambda: ViTEncoder(3, 16, patch_size=8, width=8, depth=1, heads=2, mlp_size=16, tokens=True),
    "dino": lambda: DinoEncoder(dino().name, grid=2, project_to=8),
    "pixels and state": lambda: ProprioceptiveEncoder(ConvEncoder(6, 16, width=4), 4),
}
PREDICTORS = {
    "MLP": lambda shape, actions, history: MLPPredictor(shape, actions, (16,), history=history),
    "ViT token": lambda shape, actions, history: ViTPredictor(
        shape, actions, history, width=8, depth=1, heads=2, mlp_size=16, conditioning="token"
    ),
    "ViT adaln": lambda shape, actions, history: ViTPredictor(
        shape, actions, history, width=8, depth=1, heads=2, mlp_size=16, conditioning="adaln"
    ),
}
PLANNERS = [
    CEMPlanner(2, 2, 6, 2),
    GradCEMPlanner(2, 2, 4, 2),
    GradientPlanner(2, 2, num_samples=4, restarts=2),
    GRASPPlanner(2, 4, sync_every=2, num_samples=4, restarts=2),
    ICEMPlanner(2, 2, 6, 2, 1),
    MPPIPlanner(2, 2, 6),
    RandomShooting(2, 6),
]
ALL = list(itertools.product(ENCODERS, PREDICTORS, (1, 2, 3), (1, 5)))
# In the quick tests every encoder, predictor, history and block comes at least once; all together take minutes.
FEW = {
    ("state", "MLP", 1, 5),
    ("pixels", "ViT adaln", 2, 1),
    ("pixels in training", "MLP", 3, 5),
    ("tokens", "ViT token", 1, 1),
    ("patches", "MLP", 1, 5),
    ("dino", "ViT adaln", 1, 5),
    ("pixels and state", "ViT adaln", 3, 5),
}
QUIET = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
AGENT = Agent(GradientPlanner(2, 2, num_samples=4, restarts=1), GoalMSE(), replan_every=1)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Folder of a dataset of random episodes."""
    root = tmp_path_factory.mktemp("tiny")
    collect("TinyPixels-v0", "tiny/random-v0", RandomPolicy(), 12, num_envs=12, root=str(root), progress=False)
    return root


@pytest.fixture(
    scope="module",
    params=[pytest.param(each, marks=[] if each in FEW else pytest.mark.slow) for each in ALL],
    ids=lambda each: "-".join(map(str, each)),
)
def world(request, root, tmp_path_factory):
    """A combination's model, trained online for two epochs, and how to train it again."""
    encoder, predictor, history, block = request.param
    folder = tmp_path_factory.mktemp("world")

    def model():
        torch.manual_seed(0)
        made = ENCODERS[encoder]()
        shape = made.latent_shape
        probe = Probe(shape, 4, (8,)) if encoder != "state" and history < 3 else None
        decoder = Decoder(shape, 16, width=2) if "pixels" in made.observation_keys and block > 1 else None
        return WorldModel(
            made, PREDICTORS[predictor](shape, block * ACTIONS, history), block, probe=probe, decoder=decoder
        )

    def fit(epochs, folder, ckpt_path=None):
        data = TrajectoryDataModule(
            ["tiny/random-v0"], str(root), batch_size=32, validation_steps=1, samples_per_epoch=64
        )
        adam = {"optimizer": lambda parameters: torch.optim.Adam(parameters, 1e-3), "validation_horizons": [1]}
        if encoder == "pixels in training":
            module = WorldModelModule(model(), regularizer=VICReg(6, block * ACTIONS), **adam)
        else:
            module = AdversarialWorldModelModule(model(), FGSM(), **adam)
        online = OnlineWorldModeling(AGENT, TaskSet(count=3, split="training", seed=1), open_loop_fraction=0.4)
        validation = PlanningValidation(AGENT, TaskSet(count=2, split="validation"), every_n_epochs=1)
        keep = ModelCheckpoint(folder, filename="{epoch}", save_top_k=-1)
        trainer = L.Trainer(
            max_epochs=epochs,
            callbacks=[validation, online, keep],
            reload_dataloaders_every_n_epochs=1,
            default_root_dir=folder,
            **QUIET,
        )
        trainer.fit(module, datamodule=data, ckpt_path=ckpt_path)
        return trainer, module, data

    return fit, folder, *fit(2, folder)


def test_an_online_round_is_trained_on_and_validated(world):
    _, _, trainer, module, data = world
    assert len(data.buffer) > 0
    logged = trainer.callback_metrics
    assert torch.isfinite(logged["train/loss"])
    assert 0 <= logged["val/success"] <= 1
    assert logged["online/round"] == 2
    assert ("val/believed_success" in logged) == module.world_model.has_probe


def test_a_resumed_training_equals_the_uninterrupted_one_bit_for_bit(world):
    fit, folder, _, module, data = world
    _, resumed, again = fit(2, folder, ckpt_path=folder / "epoch=0.ckpt")
    for name, weight in module.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name
    assert data.buffer.state_dict() == again.buffer.state_dict()


def test_the_environment_alone_decides_success_and_belief_needs_a_probe(world):
    _, _, _, module, _ = world
    model = module.world_model.eval()
    tasks = TaskSet("TinyPixels-v0", count=3, split="validation").draw()
    envs = make_vector_env("TinyPixels-v0", 3)
    result = evaluate(AGENT.policy(model), envs, tasks, error_horizon=2)
    truth = tiny_world.TinyPixelsEnv().compute_success
    seen = result.trajectories.observations
    reached = truth(seen["achieved_goal"], seen["desired_goal"])
    for episode, first in zip(result.trajectories.episodes(), result.records["first_hit"], strict=True):
        hits = np.flatnonzero(reached[episode])
        assert first == (hits[0] if len(hits) else -1)
    assert (result.metrics["believed_success"] is not None) == model.has_probe
    assert result.metrics["final_distance"] is None  # its goals are no metric
    assert not result.metrics["within"]


@pytest.mark.parametrize("planner", PLANNERS, ids=lambda planner: type(planner).__name__)
def test_every_planner_plans_within_the_bounds_of_each_environment_action(world, planner):
    _, _, _, module, _ = world
    model = module.world_model.eval()
    envs = make_vector_env("TinyPixels-v0", 2)
    observation, _ = envs.reset(seed=0)
    low, high = np.float32([-1, -0.5, 0]), np.float32([1, 0.5, 0.25])
    problem = PlanningProblem.from_observations(
        model, GoalMSE(), {key: value[:, None] for key, value in observation.items()}, bounds=(low, high)
    )
    plan = planner.plan(problem, generator=torch.Generator().manual_seed(0))
    assert plan.actions.shape == (2, 2, model.action_dim)
    actions = plan.actions.reshape(2, -1, ACTIONS)
    assert (actions >= torch.from_numpy(low)).all()
    assert (actions <= torch.from_numpy(high)).all()
    assert torch.isfinite(plan.cost).all()


def test_an_init_network_is_trained_from_pictures_with_history_and_blocks_and_starts_a_plan(root, tmp_path):
    torch.manual_seed(0)
    model = WorldModel(ConvEncoder(6, 16, width=4), MLPPredictor(6, 5 * ACTIONS, (16,), history=2), action_block=5)
    network = InitNetwork(6, 6, 5 * ACTIONS, horizon=2, hidden_sizes=(16,))
    data = TrajectoryDataModule(["tiny/random-v0"], str(root), batch_size=32, steps=2, validation_steps=2)
    keep = ModelCheckpoint(tmp_path, filename="init")
    L.Trainer(max_epochs=1, callbacks=[keep], **QUIET).fit(InitNetworkModule(network, model), datamodule=data)
    planner = InitializedPlanner(GradientPlanner(3, 2, num_samples=2, restarts=1), str(tmp_path / "init.ckpt"))
    observation, _ = make_vector_env("TinyPixels-v0", 2).reset(seed=0)
    problem = PlanningProblem.from_observations(
        model.eval(), GoalMSE(), {key: value[:, None] for key, value in observation.items()}, bounds=([-1] * 3, [1] * 3)
    )
    assert planner.plan(problem).actions.shape == (2, 3, 5 * ACTIONS)
