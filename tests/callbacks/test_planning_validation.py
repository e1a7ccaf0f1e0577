import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from gbplan.callbacks import PlanningValidation
from gbplan.data import VALIDATION_SEEDS
from gbplan.planners import GradientPlanner


@pytest.fixture
def validation(two_states_callback):
    def make(**changes):
        # What the callback of rounds is given, but for what only rounds have.
        rounds = two_states_callback()
        arguments = {"planner": rounds.planner, "objective": rounds.objective, "env_id": "TwoStates-v0", "kind": None}
        return PlanningValidation(**(arguments | {"count": 4, "every_n_epochs": 1} | changes))

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
    # Standing still after that is an action of 0, which in this world leads to -1.
    loop, _, _ = two_states_fit(validation(), epochs=1)
    right = logged(loop)
    assert (right["val/success"], right["val/believed_success"], right["val/final_distance"]) == (1, 0, 0)
    callback = validation()
    loop, _, _ = two_states_fit(None, epochs=2, callbacks=[callback, BrokenAfter(1)])
    wrong, lucky = logged(loop), float((callback._tasks.goals == -1).mean())
    assert 0 < lucky < 1
    assert (wrong["val/success"], wrong["val/believed_success"]) == (lucky, 0)
    assert wrong["val/final_distance"] == pytest.approx(2 * (1 - lucky))


def test_checkpoint_is_chosen_by_the_success_of_its_own_epoch(validation, two_states_fit, tmp_path):
    keep = ModelCheckpoint(tmp_path, "best", monitor="val/success", mode="max", save_on_train_epoch_end=True)
    settings = {"callbacks": [validation(), BrokenAfter(2), keep], "enable_checkpointing": True}
    two_states_fit(None, epochs=4, **settings)
    assert torch.load(tmp_path / "best.ckpt", weights_only=True)["epoch"] < 2
    assert float(keep.best_model_score) == 1


def test_training_is_the_same_without_it(validation, door_wall_fit, tmp_path):
    planner = GradientPlanner(horizon=8, iterations=2, num_samples=4, restarts=1)
    weights = []
    for index, callbacks in enumerate([[], [PlanningValidation(planner, count=3, every_n_epochs=1)]]):
        _, module, _ = door_wall_fit(tmp_path / str(index), 2, more=callbacks)
        weights.append(module.world_model.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_resuming_with_other_tasks_is_refused(validation, two_states_fit):
    callback = validation(count=5)
    callback.load_state_dict(validation().state_dict())
    with pytest.raises(ValueError, match=r"another PlanningValidation \(count: 4, now 5\)"):
        two_states_fit(callback, epochs=1)


def test_tasks_are_of_the_validation_seeds(validation, two_states_fit):
    callback = validation()
    two_states_fit(callback, epochs=1)
    assert all(int(seed) in VALIDATION_SEEDS for seed in callback._tasks.seeds)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 0}, "count must be at least 1, got 0"),
        ({"replan_every": -1}, "replan_every must be at least 1, got -1"),
        ({"threshold": 0.0}, "threshold must be positive, got 0.0"),
        ({"seed": -1}, "seed must not be negative, got -1"),
    ],
)
def test_numbers_out_of_range_are_refused(validation, changes, message):
    with pytest.raises(ValueError, match=message):
        validation(**changes)


def test_horizon_beyond_the_time_limit_is_refused_before_training(validation, two_states_fit):
    with pytest.raises(ValueError, match="horizon of 4 steps exceeds the time limit of TwoStates-v0, 3 steps"):
        two_states_fit(validation(planner=GradientPlanner(horizon=4)), epochs=1)
