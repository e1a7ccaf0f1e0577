"""A round's numbers, whoever has planned which of its tasks."""

import numpy as np
import pytest
import torch
import two_states  # noqa: F401, registers the environments

from gbplan.callbacks.online_round import execute, summarise
from gbplan.callbacks.round_tasks import Group
from gbplan.evaluation import Tasks, TaskSet
from gbplan.networks import IdentityEncoder, MLPPredictor, WorldModel
from gbplan.objectives import GoalMSE
from gbplan.planners import GradientPlanner
from gbplan.policies import Agent


@pytest.fixture
def policy():
    """Stands still, which leads to -1, and believes in blocks of two steps: episodes of one step have no error."""
    model = WorldModel(IdentityEncoder(1, [0]), MLPPredictor(1, 2, hidden_sizes=()), action_block=2).eval()
    with torch.no_grad():
        model.predictor.net[0].weight.copy_(torch.tensor([[0.5, 0.0, 0.0]]))
        model.predictor.net[0].bias.zero_()
    model.normalizer.set(torch.zeros(1), torch.ones(1), torch.zeros(1), torch.ones(1))
    planner = GradientPlanner(horizon=1, iterations=1, num_samples=1, restarts=1, init_std=0.0)
    return Agent(planner, GoalMSE()).policy(model)


def executed_by(processes, policy, states):
    """Run tasks from these states to their opposites in several processes; return each one's outcomes."""
    starts = np.float32(states)[:, None]
    tasks = Tasks("TwoStates-v0", "default", starts, -starts, np.arange(len(states)))
    group = Group(TaskSet("TwoStates-v0", count=len(states), split="training"), open_loop=False)
    parts = [None] * processes

    def run(rank, gather):
        return execute(policy, group, tasks, error_horizon=2, gather=gather, rank=rank, world_size=processes)

    class Gathered(Exception):
        pass

    for rank in range(processes):

        def hand_over(part, rank=rank):
            parts[rank] = part
            raise Gathered

        with pytest.raises(Gathered):
            run(rank, hand_over)
    return [run(rank, lambda _: list(parts)) for rank in range(processes)]


@pytest.mark.end_to_end
@pytest.mark.parametrize("processes", [2, 3, 6])
@pytest.mark.parametrize("states", [[-1, -1, 1, -1, -1], [-1, 1, -1, 1, -1, 1], [1, 1, 1], [-1, 1]])
def test_several_processes_report_what_one_does(policy, states, processes):
    (one,) = executed_by(1, policy, states)
    several = executed_by(processes, policy, states)
    for each in several:
        expected, found = summarise([one]), summarise([each])
        expected.pop("seconds_planning"), found.pop("seconds_planning")
        assert found == expected
        np.testing.assert_array_equal(each.trajectories.actions, one.trajectories.actions)
        for name, errors in one.errors.items():
            np.testing.assert_array_equal(each.errors[name], errors)
    # From -1 it never comes to 1, and its episode is long enough for a block. From 1 it is there after one step.
    np.testing.assert_array_equal(np.isnan(one.errors["model_error_planned"]), np.array(states) == 1)
    assert ("model_error_planned" in summarise([one])) == (-1 in states)


def test_groups_without_an_error_do_not_count_in_the_mean(policy):
    (unsolved,), (solved,) = executed_by(1, policy, [-1, -1]), executed_by(1, policy, [1])
    mean = summarise([unsolved])["model_error_planned"]
    assert mean > 0
    assert summarise([unsolved, solved])["model_error_planned"] == pytest.approx(mean)
    assert "model_error_planned" not in summarise([solved])
