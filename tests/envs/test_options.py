import numpy as np
import pytest

from gbplan.envs.options import check_options, chosen_rows


def test_unknown_option_is_refused():
    with pytest.raises(ValueError, match="reset options are 'state', 'goal', got 'start'"):
        check_options({"start": [0.0, 0.0]}, ("state", "goal"))


def test_options_that_are_none_are_not_there():
    assert check_options(None, ("goal",)) == check_options({"goal": None}, ("goal",)) == {}


def test_one_value_serves_all_rows_and_only_chosen_rows_are_read():
    mask = np.array([False, True, True])
    values, rows = chosen_rows("goal", [1.0, 2.0], (2,), mask)
    assert (values.tolist(), rows.tolist()) == ([[1.0, 2.0]] * 2, [1, 2])
    values, _ = chosen_rows("goal", [[np.nan, 0.0], [1.0, 0.0], [2.0, 0.0]], (2,), mask)
    assert values.tolist() == [[1.0, 0.0], [2.0, 0.0]]
