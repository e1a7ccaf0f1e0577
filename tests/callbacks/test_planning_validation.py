import lightning as L
import pytest
import tiny_world  # noqa: F401, registers the environment
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gbplan.callbacks import PlanningValidation
from gbplan.data import VALIDATION_SEEDS, TrajectoryDataModule, collect
from gbplan.evaluation import TaskSet
from gbplan.modules import WorldModelModule
from gbplan.networks import ConvEncoder, Decoder, MLPPredictor, WorldModel
from gbplan.objectives import GoalMSE
from gbplan.planners import GradientPlanner
from gbplan.policies import Agent, RandomPolicy


@pytest.fixture
def validation(two_states_callback):
    def make(tasks=None, **changes):
        agent = two_states_callback().agent
        given = {"env_id": "TwoStates-v0", "count": 4, "split": "validation"} | (tasks or {})
        return PlanningValidation(**({"agent": agent, "tasks": TaskSet(**given), "every_n_epochs": 1} | changes))

    return make


class BrokenAfter(L.Callback):
    """Makes the model believe that actions do the opposite, from some epoch on."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.epoch:
            with torch.no_grad():
                pl_module.world_model.predictor.net[0].weight.copy_(torch.tensor([[0.0, -1.0]]))


def logged(loop):
    return {name: float(value) for name, value in loop.callback_metrics.items() if name.startswith("val/")}


def test_success_is_the_worlds_and_belief_the_models(validation, two_states_fit):
    # The world jumps to the side the action points at. The model believes x' = x + a, so it points at the goal,
    # believes to come half way, and arrives; then it believes x' = x - a, points away, and believes just the same.
    loop, _, _ = two_states_fit(validation(), epochs=1)
    right = logged(loop)
    assert (right["val/success"], right["val/believed_success"], right["val/final_distance"]) == (1, 0, 0)
    loop, _, _ = two_states_fit(None, epochs=2, callbacks=[validation(), BrokenAfter(1)])
    wrong = logged(loop)
    assert (wrong["val/success"], wrong["val/believed_success"], wrong["val/final_distance"]) == (0, 0, 2)


def test_checkpoint_is_chosen_by_the_success_of_its_own_epoch(validation, two_states_fit, tmp_path):
    keep = ModelCheckpoint(tmp_path, "best", monitor="val/success", mode="max", save_on_train_epoch_end=True)
    settings = {"callbacks": [validation(), BrokenAfter(2), keep], "enable_checkpointing": True}
    two_states_fit(None, epochs=4, **settings)
    assert torch.load(tmp_path / "best.ckpt", weights_only=True)["epoch"] < 2
    assert float(keep.best_model_score) == 1


def test_training_is_the_same_without_it(door_wall_fit, tmp_path):
    agent = Agent(GradientPlanner(horizon=8, iterations=2, num_samples=4, restarts=1))
    validation = PlanningValidation(agent, TaskSet(count=3, split="validation", kind="detour"), every_n_epochs=1)
    weights = []
    for index, callbacks in enumerate([[], [validation]]):
        _, module, _ = door_wall_fit(tmp_path / str(index), 2, more=callbacks)
        weights.append(module.world_model.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_resuming_with_other_tasks_is_refused(validation, door_wall_fit, tmp_path):
    def fit(count, epochs, **more):
        world = {"env_id": "DoorWall-v0", "env_kwargs": {"max_episode_steps": 5}, "count": count}
        agent = Agent(GradientPlanner(horizon=4, iterations=1, num_samples=2, restarts=1))
        return door_wall_fit(tmp_path, epochs, more=[validation(tasks=world, agent=agent)], **more)

    fit(4, 1)
    with pytest.raises(ValueError, match=r"another PlanningValidation \(tasks.count: 4, now 5\)"):
        fit(5, 2, ckpt_path=tmp_path / "last.ckpt")


def test_tasks_are_of_the_validation_seeds(validation, two_states_fit):
    callback = validation()
    two_states_fit(callback, epochs=1)
    assert all(int(seed) in VALIDATION_SEEDS for seed in callback._tasks.seeds)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"every_n_epochs": 0}, "every_n_epochs must be at least 1, got 0"),
        ({"tasks": {"split": "held_out"}}, "must have tasks of the validation split, got held_out; set tasks.split"),
    ],
)
def test_numbers_out_of_range_are_refused(validation, changes, message):
    with pytest.raises(ValueError, match=message):
        validation(**changes)


def test_horizon_beyond_the_time_limit_is_refused_before_training(validation, two_states_fit):
    with pytest.raises(ValueError, match="horizon of 4 model steps exceeds the time limit of 3 steps"):
        two_states_fit(validation(agent=Agent(GradientPlanner(horizon=4))), epochs=1)


def test_tensorboard_shows_what_is_imagined_beside_what_was_executed(tmp_path):
    collect("TinyPixels-v0", "tiny/random-v0", RandomPolicy(), 12, num_envs=12, root=str(tmp_path), progress=False)
    model = WorldModel(ConvEncoder(3, 16, width=2), MLPPredictor(3, 6, (8,)), 2, decoder=Decoder(3, 16, width=2))
    agent = Agent(GradientPlanner(2, 1, num_samples=2, restarts=1), GoalMSE())
    callback = PlanningValidation(agent, TaskSet(count=1, split="validation"), every_n_epochs=2, error_horizon=4)
    logger = TensorBoardLogger(tmp_path, name="", version="")
    trainer = L.Trainer(
        max_epochs=4,
        callbacks=[callback],
        logger=logger,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        log_every_n_steps=1,
    )
    data = TrajectoryDataModule(["tiny/random-v0"], str(tmp_path), batch_size=16, steps=2, validation_steps=2)
    trainer.fit(WorldModelModule(model, validation_horizons=[1]), datamodule=data)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert len(events.Images("val/filmstrip")) == 2
    assert len(events.Scalars("val/decoder_loss")) == 4
