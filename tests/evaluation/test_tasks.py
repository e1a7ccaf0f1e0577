import numpy as np
import pytest

from gbplan.data import HELD_OUT_SEEDS, TRAINING_SEEDS, VALIDATION_SEEDS
from gbplan.evaluation import sample_tasks


def test_same_arguments_give_the_same_tasks_and_another_seed_gives_others():
    one, two, other = (sample_tasks(count=20, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.states, two.states)
    np.testing.assert_array_equal(one.goals, two.goals)
    assert not np.isin(one.seeds, other.seeds).any()


def test_more_tasks_begin_with_the_same_ones_only_by_count():
    assert len(sample_tasks(count=7)) == 7
    assert sample_tasks(count=7).states.shape == (7, 2)


@pytest.mark.parametrize(
    ("split", "span"), [("held_out", HELD_OUT_SEEDS), ("validation", VALIDATION_SEEDS), ("training", TRAINING_SEEDS)]
)
def test_seeds_lie_in_the_range_of_their_split(split, span):
    seeds = sample_tasks(count=10, split=split).seeds
    assert all(int(seed) in span for seed in seeds)


def test_detour_tasks_are_not_solved_by_a_straight_line_through_the_door():
    tasks = sample_tasks(kind="detour", count=200)
    (x0, y0), (x1, y1) = tasks.states.T.astype(np.float64), tasks.goals.T.astype(np.float64)
    crossing = y0 + (y1 - y0) * x0 / (x0 - x1)
    assert (x0 * x1 < 0).all()
    assert (np.abs(crossing) > 0.6).all()
    assert (np.abs(y1) > 0.7).all()


def test_no_task_starts_within_the_minimum_distance():
    tasks = sample_tasks(count=300, min_distance=1.5)
    assert (np.linalg.norm(tasks.states - tasks.goals, axis=1) > 1.5).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count must be at least 1, got 0"),
        ({"split": "test"}, "split must be one of"),
        ({"count": 2, "min_distance": 6.0}, "lower min_distance"),
        ({"kind": "easy"}, "task must be one of 'uniform', 'detour', got 'easy'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        sample_tasks(**arguments)
