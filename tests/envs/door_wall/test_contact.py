"""Contact: hand-computed moves, and the invariant over millions of random ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gbplan.envs.door_wall.contact import CLOSEST, LIMIT, SKIN, slide, slide_rows, stop, stop_rows

LOW, HIGH = -0.5, 0.5
SEGMENTS = 100_000

doors = st.tuples(st.floats(-1.9, 1.9), st.floats(0.05, 2.0)).map(
    lambda door: (max(door[0] - door[1], -2.0), min(door[0] + door[1], 2.0))
)


@pytest.fixture(params=[slide, stop], ids=["slide", "stop"])
def move(request):
    return request.param


def test_free_move_goes_all_the_way(move):
    assert move(-1.0, 0.25, 0.5, -0.25, LOW, HIGH) == (-0.5, 0.0, False, False)


def test_skin_is_a_millimetre():
    assert pytest.approx(1e-3) == SKIN
    assert pytest.approx(2 - 1e-3) == LIMIT


def test_segment_that_misses_the_door_by_one_millimetre_is_blocked(move):
    x, y, hit_x, hit_y = move(-0.1, 0.501, 0.2, 0.0, LOW, HIGH)
    assert (x, y, hit_x, hit_y) == (-SKIN, 0.501, True, False)


@pytest.mark.parametrize("height", [0.499, 0.5, -0.5])
def test_segment_inside_the_door_passes_edges_included(move, height):
    x, y, hit_x, hit_y = move(-0.1, height, 0.2, 0.0, LOW, HIGH)
    assert (x, y, hit_x, hit_y) == (pytest.approx(0.1), height, False, False)


def test_door_is_tested_where_the_segment_crosses_not_where_it_ends():
    # Crosses at y = 0.6 and ends at y = 0.2, in front of the door; the mirror image crosses at 0.4 and ends at 0.8.
    assert slide(-0.1, 1.0, 0.2, -0.8, LOW, HIGH)[0] == -SKIN
    assert slide(-0.1, 0.0, 0.2, 0.8, LOW, HIGH)[0] == pytest.approx(0.1)


def test_blocked_agent_slides_to_the_end_of_its_own_move():
    assert slide(-0.1, 1.0, 0.2, 0.3, LOW, HIGH) == (-SKIN, pytest.approx(1.3), True, False)


def test_blocked_agent_stops_at_the_skin_on_its_way():
    x, y, hit_x, hit_y = stop(-0.1, 1.0, 0.2, 0.3, LOW, HIGH)
    part = (0.1 - SKIN) / 0.2
    assert (x, y, hit_x, hit_y) == (-SKIN, pytest.approx(1.0 + 0.3 * part), True, False)


def test_borders_hold_each_axis_when_sliding():
    assert slide(1.9, 1.9, 0.5, -0.5, LOW, HIGH) == (LIMIT, pytest.approx(1.4), True, False)
    assert slide(1.9, -1.9, 0.5, -0.5, LOW, HIGH) == (LIMIT, -LIMIT, True, True)


def test_first_border_met_stops_the_agent():
    # y meets its border after a fifth of the move, x would after two fifths.
    x, y, hit_x, hit_y = stop(1.0, LIMIT - 0.2, 2.5 * (LIMIT - 1.0), 1.0, LOW, HIGH)
    assert (x, y, hit_x, hit_y) == (pytest.approx(1.0 + 0.5 * (LIMIT - 1.0)), LIMIT, False, True)


def test_agent_slid_along_a_border_crosses_where_the_border_holds_it(move):
    # A door up to the border: the segment itself leaves the world before x = 0, sliding keeps y at the border.
    x, y, *_ = move(-0.1, 1.95, 0.4, 0.4, 1.0, 2.0)
    assert y == LIMIT
    assert x == pytest.approx(0.3) if move is slide else x < 0.0
    # A door below the border does not help.
    assert move(-0.1, 1.95, 0.4, 0.4, 1.0, 1.99)[0] < 0.0


def test_fast_agent_does_not_tunnel(move):
    assert move(-1.5, 1.0, 1e6, 0.0, LOW, HIGH)[0] == -SKIN


def test_agent_never_rests_on_the_wall_line(move):
    x, *_ = move(-0.1, 0.0, 0.1, 0.0, LOW, HIGH)
    assert x == -CLOSEST
    assert np.float32(x) < 0.0


def test_agent_in_the_doorway_that_walks_along_the_wall_is_held_off(move):
    x, y, hit_x, _ = move(-0.0005, 0.45, 0.0, 0.2, LOW, HIGH)
    assert (x, y, hit_x) == (-SKIN, pytest.approx(0.65), False)


def test_agent_in_the_doorway_that_pushes_beside_the_door_keeps_its_side(move):
    x, y, hit_x, _ = move(-0.0005, 0.45, 0.0006, 0.2, LOW, HIGH)
    assert hit_x
    assert (x, y) == ((-SKIN, pytest.approx(0.65)) if move is slide else (-0.0005, 0.45))


def test_agent_that_passed_the_door_into_the_skin_is_held_off_on_the_new_side(move):
    x, y, hit_x, _ = move(-0.01, 0.4, 0.0105, 0.103, LOW, HIGH)  # crosses at 0.498
    assert (x, y, hit_x) == (SKIN, pytest.approx(0.503), False)


def random_starts(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """Valid starts: in the open, at the wall, at the borders and in the doorway."""
    position = rng.uniform(-LIMIT, LIMIT, (SEGMENTS, 2))
    close = rng.random(SEGMENTS) < 0.3
    position[close, 0] *= 0.01
    at_border = rng.random((SEGMENTS, 2)) < 0.05
    position = np.where(at_border, np.copysign(LIMIT, position), position)
    beside = (position[:, 1] < low) | (position[:, 1] > high)
    least = np.where(beside, SKIN, CLOSEST)
    position[:, 0] = np.copysign(np.maximum(np.abs(position[:, 0]), least), position[:, 0])
    return position


def crossing_height(position: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """Height at x = 0 of a move held at the borders, by another formula than the code's; NaN where not crossed."""
    with np.errstate(divide="ignore", invalid="ignore"):
        part = -position[:, 0] / displacement[:, 0]
        height = np.clip((1.0 - part) * position[:, 1] + part * (position + displacement)[:, 1], -LIMIT, LIMIT)
    return np.where((part > 0.0) & (part < 1.0), height, np.nan)


def check_places(position: np.ndarray, low: float, high: float) -> None:
    x, y = position.T
    beside = (y < low) | (y > high)
    assert (np.abs(position) <= LIMIT).all()
    assert (np.abs(x)[beside] >= SKIN).all()
    assert (x != 0.0).all()


@given(
    door=doors,
    speed=st.sampled_from([1e-4, 1e-3, 0.1, 1.0, 100.0]),
    seed=st.integers(0, 2**32 - 1),
    move_rows=st.sampled_from([slide_rows, stop_rows]),
)
@settings(max_examples=15, deadline=None)
def test_sides_change_only_through_the_door(door, speed, seed, move_rows):
    low, high = door
    rng = np.random.default_rng(seed)
    position = random_starts(rng, low, high)
    for _ in range(3):  # later moves begin wherever contact left the agents
        displacement = rng.uniform(-speed, speed, position.shape)
        new, hit = move_rows(position, displacement, low, high)
        height = crossing_height(position, displacement)
        changed = (new[:, 0] > 0.0) != (position[:, 0] > 0.0)
        assert ((low - 1e-9 <= height) & (height <= high + 1e-9))[changed].all()
        inside = (low + 1e-9 < height) & (height < high - 1e-9)
        if move_rows is slide_rows:
            assert changed[inside].all()
            np.testing.assert_array_equal(new[:, 1], np.clip((position + displacement)[:, 1], -LIMIT, LIMIT))
        else:
            assert changed[inside & ~hit.any(axis=1)].all()
        blocked = (height < low - 1e-9) | (height > high + 1e-9)
        assert hit[blocked].any(axis=1).all()

        check_places(new, low, high)
        observed = new.astype(np.float32)
        np.testing.assert_array_equal(observed[:, 0] > 0.0, new[:, 0] > 0.0)
        check_places(observed, low - 1e-6, high + 1e-6)
        position = new


@given(door=doors, speed=st.sampled_from([1e-3, 0.1, 10.0]), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_stopped_agent_has_not_left_its_segment(door, speed, seed):
    rng = np.random.default_rng(seed)
    position = random_starts(rng, *door)
    displacement = rng.uniform(-speed, speed, position.shape)
    new, _ = stop_rows(position, displacement, *door)
    along = ((new - position) * displacement).sum(axis=1) / (displacement**2).sum(axis=1)
    nearest = position + np.clip(along, 0.0, 1.0)[:, None] * displacement
    # Only the skin may push it off.
    assert np.abs(new - nearest).max() <= SKIN + 1e-9


@given(door=doors, speed=st.sampled_from([1e-3, 0.1, 10.0]), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_one_agent_and_rows_of_agents_move_alike_bit_for_bit(door, speed, seed):
    rng = np.random.default_rng(seed)
    position = random_starts(rng, *door)[:500]
    displacement = rng.uniform(-speed, speed, position.shape)
    displacement[:50, 0] = -position[:50, 0]  # exactly onto x = 0
    for one, rows in ((slide, slide_rows), (stop, stop_rows)):
        new, hit = rows(position, displacement, *door)
        for i, (start, step) in enumerate(zip(position.tolist(), displacement.tolist(), strict=True)):
            assert one(*start, *step, *door) == (*new[i].tolist(), *hit[i].tolist())
