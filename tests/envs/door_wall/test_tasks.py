"""Tasks drawn at random, and what is wrong with given ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gbplan.envs.door_wall.contact import LIMIT, SKIN
from gbplan.envs.door_wall.tasks import check_goals, check_states, draw_task
from gbplan.envs.door_wall.world import World


def draw(count: int, seed: int = 0, **world) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    tasks = [draw_task(World(**world), rng, None, None) for _ in range(count)]
    return np.array([state for state, _ in tasks]), np.array([goal for _, goal in tasks])


def crossing(start: np.ndarray, goal: np.ndarray) -> np.ndarray:
    return start[:, 1] + (goal[:, 1] - start[:, 1]) * start[:, 0] / (start[:, 0] - goal[:, 0])


@st.composite
def doors_with_detours(draw):
    half_width = draw(st.floats(0.05, 1.7))
    center = draw(st.floats(-2.0 + half_width, 2.0 - half_width))
    if max(center - half_width + LIMIT, LIMIT - center - half_width) < 0.22:
        center = 2.0 - half_width
    return {"door_center": center, "door_half_width": half_width}


def test_uniform_tasks_lie_on_opposite_sides_away_from_the_wall():
    start, goal = draw(5000)
    assert (start[:, 0] * goal[:, 0] < 0.0).all()
    both = np.concatenate([start, goal])
    assert (np.abs(both[:, 0]) >= 0.3).all()
    assert (np.abs(both) <= LIMIT).all()
    # Uniform: known means and variances, to five standard errors.
    assert np.abs(both.mean(axis=0)).max() < 5 * 1.4 / 100
    assert np.abs(both[:, 0]).mean() == pytest.approx((0.3 + LIMIT) / 2, abs=5 * 0.5 / 100)
    assert both[:, 1].var() == pytest.approx(LIMIT**2 / 3, rel=0.05)


@given(door=doors_with_detours(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_detour_tasks_hold_their_definition_for_any_door(door, seed):
    start, goal = draw(100, seed, task="detour", **door)
    center, half_width = door["door_center"], door["door_half_width"]
    assert (start[:, 0] * goal[:, 0] < 0.0).all()
    assert (np.abs(np.concatenate([start, goal])[:, 0]) >= 0.3).all()
    assert (np.abs(crossing(start, goal) - center) > half_width + 0.1 - 1e-9).all()
    assert (np.abs(goal[:, 1] - center) > half_width + 0.2 - 1e-9).all()


def test_detour_tasks_are_distributed_as_the_uniform_ones_that_qualify():
    door = {"door_center": 0.4, "door_half_width": 0.3}
    start, goal = draw(12_000, 0, **door)
    qualify = (np.abs(crossing(start, goal) - 0.4) > 0.4) & (np.abs(goal[:, 1] - 0.4) > 0.5)
    detour_start, detour_goal = draw(5000, 1, task="detour", **door)
    for chosen, drawn in ((start[qualify], detour_start), (goal[qualify], detour_goal)):
        for moment in (1, 2):
            spread = 5 * np.sqrt((chosen**moment).var(axis=0) / len(chosen) + (drawn**moment).var(axis=0) / len(drawn))
            assert (np.abs((chosen**moment).mean(axis=0) - (drawn**moment).mean(axis=0)) < spread).all()


def test_drawn_tasks_are_exact_in_float32():
    for values in draw(100, task="detour"):
        np.testing.assert_array_equal(values, values.astype(np.float32))


def test_given_part_is_kept_and_the_task_never_begins_solved():
    world, rng = World(goal_threshold=0.5), np.random.default_rng(0)
    for _ in range(200):
        state, goal = draw_task(world, rng, [-1.0, 0.0], None)
        assert state == [-1.0, 0.0]
        assert np.hypot(goal[0] + 1.0, goal[1]) >= 0.5


def test_whole_given_task_draws_nothing():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    assert draw_task(World(), rng, [-1.0, 0.0], [1.0, 0.0]) == ([-1.0, 0.0], [1.0, 0.0])
    assert rng.bit_generator.state == before


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([-1.0], r"shape \(2,\), got shape \(1,\)"),
        ([[-1.0, 0.0]], r"shape \(2,\), got shape \(1, 2\)"),
        ([-1.0, 0.0, 0.0, 0.0], r"got shape \(4,\)"),
        (["a", "b"], r"must be finite numbers of shape \(2,\), got \['a', 'b'\]"),
        ([np.nan, 0.0], r"options\['state'\] is \[nan, 0.0\]; give finite numbers"),
        ([-np.inf, 0.0], r"give finite numbers"),
        ([-2.5, 0.0], r"is \[-2.5, 0.0\]; keep 0.001 away from the borders"),
        ([-1.0, 1.9995], r"keep 0.001 away from the borders"),
        ([0.0005, 0.6], r"keep \|x\| >= 0.001, away from the wall"),
        ([0.0, 0.0], r"any x but 0 will do"),
    ],
)
def test_impossible_state_is_refused_with_the_remedy(state, message):
    with pytest.raises(ValueError, match=message):
        check_states(World(), state)


@pytest.mark.parametrize("goal", [[3.0, 0.0], [np.nan, 0.0], [0.0], "goal", None, [0.0, 1e300]])
def test_impossible_goal_is_refused(goal):
    with pytest.raises(ValueError, match=r"options\['goal'\]"):
        check_goals(goal)


def test_message_names_the_row():
    states = np.full((4, 2), -1.0)
    states[2, 0] = 7.0
    with pytest.raises(ValueError, match="in row 2"):
        check_states(World(), states, np.ones(4, np.bool_))


def test_rows_outside_the_mask_are_not_read():
    states = np.array([[-1.0, 0.5], [np.nan, 9.0]])
    np.testing.assert_array_equal(check_states(World(), states, np.array([True, False])), [[-1.0, 0.5]])


def test_state_in_the_doorway_may_stand_inside_the_skin():
    np.testing.assert_array_equal(check_states(World(), [1e-5, 0.4]), [[1e-5, 0.4]])


def test_state_exactly_on_a_skin_or_observed_there_in_float32_is_accepted():
    for state in ([1e-3, 1.999], np.array([-1e-3, -1.999], np.float32)):
        checked = check_states(World(), state)
        np.testing.assert_allclose(checked[0], state, atol=1e-6)
        assert abs(checked[0, 0]) >= SKIN
        assert abs(checked[0, 1]) <= LIMIT


def test_velocity_state_takes_two_numbers_at_rest_or_four():
    world = World(dynamics="velocity")
    np.testing.assert_array_equal(check_states(world, [1.0, 0.0]), [[1.0, 0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(check_states(world, [1.0, 0.0, 0.1, -0.15]), [[1.0, 0.0, 0.1, -0.15]])
    with pytest.raises(ValueError, match=r"keep \|vx\| and \|vy\| <= 0.15"):
        check_states(world, [1.0, 0.0, 0.2, 0.0])
