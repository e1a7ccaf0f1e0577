import numpy as np
import pytest

from gbplan.envs.granular.states import check_discs
from gbplan.envs.shapes import rounded

ROW = np.stack([0.03 * np.arange(-15, 15), np.zeros(30)], axis=1).ravel()


def changed(**numbers):
    values = ROW.copy()
    for name, value in numbers.items():
        values[int(name[1:])] = value
    return values


def test_touching_discs_are_accepted_as_they_are():
    np.testing.assert_array_equal(check_discs("state", ROW)[0], rounded(ROW))
    both = check_discs("goal", np.stack([ROW, ROW]), np.array([False, True]))
    np.testing.assert_array_equal(both, rounded(ROW)[None])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (changed(n0=9.0), r"options\['goal'\] is \[9.0, .*; keep every disc on the table, within 1.5 of its middle"),
        (changed(n4=-1e300), "keep every disc on the table"),
        (changed(n0=-0.421), "discs overlap; place their middles 0.03 apart"),
        (np.zeros(60), "discs overlap"),
        (changed(n7=np.nan), "give finite numbers"),
        (ROW[:58], r"shape \(60,\), got shape \(58,\)"),
        (ROW.reshape(30, 2), r"shape \(60,\), got shape \(30, 2\)"),
        ("here", r"must be finite numbers of shape \(60,\), got 'here'"),
    ],
)
def test_discs_that_cannot_lie_there_are_refused_in_one_line(given, message):
    with pytest.raises(ValueError, match=message) as raised:
        check_discs("goal", given)
    assert "\n" not in str(raised.value)
