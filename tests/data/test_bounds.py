import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from hypothesis import given
from hypothesis import strategies as st

from gbplan.data.bounds import TOLERANCE, require_inside

SPACE = Box(np.array([-1, 0], np.float32), np.array([1, 1000], np.float32))


@pytest.mark.parametrize(
    "row",
    [[-1, 0], [1, 1000], [1.00009, 1000.09], [-1.00009, -0.00009], [np.nan, np.nan]],
    ids=["low", "high", "rounded up", "rounded down", "NaN has a message of its own"],
)
def test_numbers_in_the_space_pass_and_what_rounding_moves(row):
    require_inside(np.array([[0, 0], row]), SPACE, "it")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1.0002, 0], r"it has 1.0002 in row 1, outside the declared space \(-1 to 1\)"),
        ([-1.0002, 0], r"it has -1.0002 in row 1, outside the declared space \(-1 to 1\)"),
        ([0, 1000.2], r"it has 1000.2 in row 1, outside the declared space \(0 to 1000\)"),
        ([0, -0.0002], r"it has -0.0002 in row 1"),
        ([0, np.inf], r"it has inf in row 1"),
        ([np.nan, 1e30], r"it has 1e\+30 in row 1, .*; correct what produced it, or declare the space that you mean"),
    ],
)
def test_the_first_number_outside_is_named_with_its_row(row, message):
    with pytest.raises(ValueError, match=message):
        require_inside(np.array([[0, 0], row, [5, 5]]), SPACE, "it")


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(-2e6, 2e6))
def test_a_number_is_refused_exactly_if_it_is_further_out_than_the_tolerance(low, width, value):
    low, high = np.float32(low), np.float32(low + width)
    inside = low - TOLERANCE * max(1, abs(low)) <= value <= high + TOLERANCE * max(1, abs(high))
    try:
        require_inside(np.array([[value]]), Box(low, high, (1,)), "it")
        assert inside
    except ValueError:
        assert not inside


def test_pictures_and_numbered_actions_are_inside_whatever_they_are():
    require_inside(np.full((2, 2), 255, np.uint8), Box(0, 1, (2,), np.uint8), "pictures")
    require_inside(np.array([99]), Discrete(4), "actions")
