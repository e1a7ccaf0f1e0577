"""The weights that a training averages are those it plans with."""

import pytest
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, StochasticWeightAveraging, WeightAveraging
from test_resume_mid_epoch import assert_same, train

from gbplan.callbacks import PlanningValidation, online_world_modeling, planning_validation
from gbplan.evaluation import TaskSet
from gbplan.planners import GradientPlanner
from gbplan.policies import Agent

AVERAGES = [
    pytest.param(lambda: EMAWeightAveraging(decay=0.5), [0, 1, 2], id="EMA"),
    pytest.param(lambda: EMAWeightAveraging(decay=0.5, update_starting_at_step=7), [1, 2], id="EMA from step 7"),
    pytest.param(WeightAveraging, [0, 1, 2], id="mean"),
    pytest.param(lambda: StochasticWeightAveraging(1e-3, swa_epoch_start=2), [1, 2], id="SWA"),
]


def validation():
    world = {"max_episode_steps": 4}
    planner = GradientPlanner(horizon=4, iterations=1, num_samples=2, restarts=1)
    return PlanningValidation(Agent(planner), TaskSet("DoorWall-v0", world, count=2, split="validation"), 1)


class Weights(Callback):
    """Weights of the world model, and their average, at the end of every epoch."""

    def __init__(self, averaging):
        self.averaging, self.own, self.average = averaging, [], []

    def on_train_epoch_end(self, trainer, pl_module):
        average = self.averaging._average_model
        average = average.module if isinstance(self.averaging, WeightAveraging) else average
        self.own.append(parameters(pl_module.world_model))
        self.average.append(parameters(average.world_model))


def parameters(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.end_to_end
@pytest.mark.parametrize(("make", "epochs"), AVERAGES)
def test_rounds_and_validations_plan_with_the_average(dataset_root, tmp_path, monkeypatch, make, epochs):
    averaging, planned = make(), []
    weights = Weights(averaging)

    def watching(execute):
        def watch(policy, *args, **how):
            assert policy.world_model.normalizer.fitted
            planned.append((len(weights.own) - 1, parameters(policy.world_model)))
            return execute(policy, *args, **how)

        return watch

    for module in (online_world_modeling, planning_validation):
        monkeypatch.setattr(module, "execute", watching(module.execute))
    train(tmp_path, dataset_root, 3, "online", more=[averaging, weights, validation()])
    assert [epoch for epoch, _ in planned] == [0, 0, 0, 1, 1, 1, 2, 2, 2]  # a validation, and two groups of a round
    for epoch, used in planned:
        assert torch.equal(used, (weights.average if epoch in epochs else weights.own)[epoch])
        assert not torch.equal(weights.own[epoch], weights.average[epoch])


@pytest.mark.end_to_end
@pytest.mark.parametrize(("make", "epochs"), AVERAGES)
def test_training_goes_on_as_if_nothing_had_been_planned(dataset_root, tmp_path, make, epochs):
    without = train(tmp_path / "without", dataset_root, 3, more=[make()])
    planning = train(tmp_path / "planning", dataset_root, 3, more=[make(), validation()])
    planning[1].epochs = without[1].epochs
    assert_same(without, planning)


def test_a_checkpoint_of_before_the_average_has_the_normalizer(dataset_root, tmp_path):
    late = EMAWeightAveraging(update_starting_at_step=100)
    train(tmp_path, dataset_root, 1, more=[late])
    for path in tmp_path.glob("*.ckpt"):
        assert torch.load(path, weights_only=True)["state_dict"]["world_model.normalizer.latent_std"].ne(1).all()


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("make", "epochs"),
    [AVERAGES[0], *(pytest.param(*each.values, id=each.id, marks=pytest.mark.slow) for each in AVERAGES[1:3])],
)
def test_training_that_averages_resumes_bit_for_bit(dataset_root, tmp_path, make, epochs):
    how = {"kind": "online", "checkpoint": "validation", "val_check_interval": 2}
    whole = train(tmp_path / "whole", dataset_root, more=[make()], **how)
    for path in (tmp_path / "whole").glob("*.ckpt"):
        assert_same(whole, train(tmp_path / path.stem, dataset_root, resume=path, more=[make()], seed=7, **how))
