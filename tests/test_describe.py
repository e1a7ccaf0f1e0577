from dataclasses import dataclass

import numpy as np
import pytest

from gbplan.describe import as_text, describe, differences
from gbplan.planners import CEMPlanner, InitializedPlanner, Knots


class Plain:
    """Not a dataclass."""

    def __init__(self):
        self.parts = [Knots(3), {"weight": 0.25}]
        self.array = np.arange(2)
        self._hidden = object()


@dataclass(frozen=True)
class Record:
    """With something in its place that is no field."""

    number: int = 1
    _secret: int = 2

    def __post_init__(self):
        object.__setattr__(self, "computed", self.number + 1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (np.float64(0.5), 0.5),
        ((1, {"a": range(2)}), [1, {"a": [0, 1]}]),
        (Plain, "Plain"),
        (len, "len"),
        (Record(3), {"class": "Record", "number": 3}),
        (Knots(3), {"class": "Knots", "count": 3}),
        (
            Plain(),
            {"class": "Plain", "parts": [{"class": "Knots", "count": 3}, {"weight": 0.25}], "array": [0, 1]},
        ),
    ],
)
def test_values_are_described_by_plain_data(value, expected):
    assert describe(value) == expected


def test_planners_are_described_with_their_noise_and_the_planners_inside_them():
    described = describe(InitializedPlanner(CEMPlanner(horizon=7, noise=Knots(2)), "guess.ckpt"))
    assert described["class"] == "InitializedPlanner"
    assert described["ckpt_path"] == "guess.ckpt"
    assert described["planner"] | {"class": "CEMPlanner", "horizon": 7} == described["planner"]
    assert described["planner"]["noise"] == {"class": "Knots", "count": 2}


def test_descriptions_are_written_as_one_would_call_the_constructor():
    text = "Plain(parts=[Knots(count=3), {'weight': 0.25}], array=[0, 1])"
    assert as_text(describe(Plain())) == text
    assert as_text(describe(["a", None])) == "['a', None]"


def test_differences_name_what_changed_and_what_is_new():
    old, new = describe(CEMPlanner(noise=Knots(2))), describe(CEMPlanner(noise=Knots(4), horizon=9))
    assert differences(old, new) == ["horizon: 50, now 9", "noise.count: 2, now 4"]
    assert differences({"a": 1}, {"b": 2}) == ["a: 1, now absent", "b: absent, now 2"]
    assert differences(old, dict(old)) == []
