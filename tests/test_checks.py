import re
from math import inf, nan
from typing import Literal

import pytest

from gbplan import checks

Color = Literal["red", "blue"]


@pytest.mark.parametrize(
    ("check", "allowed"),
    [
        (checks.at_least_one, {"a": 1, "b": 300}),
        (checks.positive, {"a": 1e-300, "b": 3}),
        (checks.not_negative, {"a": 0, "b": 0.5}),
        (checks.ascending, {"a": 1, "b": 1, "c": 2.5}),
        (checks.ascending, {"a": 1, "b": inf}),
    ],
)
def test_what_is_in_range_passes(check, allowed):
    check(**allowed)


@pytest.mark.parametrize(
    ("check", "required", "refused"),
    [
        (checks.at_least_one, "at least 1", (0, -2, 0.5)),
        (checks.positive, "positive and finite", (0, -1e-300)),
        (checks.not_negative, "finite and not negative", (-1, -1e-300)),
    ],
)
def test_what_is_out_of_range_is_refused_by_name_and_value(check, required, refused):
    for value in (*refused, nan, inf, -inf):
        with pytest.raises(ValueError, match=rf"^b must be {required}, got {value}$"):
            check(a=1, b=value, c=1)


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (checks.at_least_one, 2**31, "b must be below 2^31, got 2147483648"),
        (checks.count, 2**31, "b must be below 2^31, got 2147483648"),
        (checks.count, -1, "b must be finite and not negative, got -1"),
        (checks.positive, 1e39, "b must be positive and finite, got 1e+39"),
        (checks.positive, None, "b must be positive and finite, got None"),
        (checks.share, None, "b must lie in 0..1, got None"),
        (checks.seed, 2**63, "b must be in 0..2^63 - 1, got 9223372036854775808"),
        (checks.seed, 0.5, "b must be in 0..2^63 - 1, got 0.5"),
        (checks.flag, None, "b must be true or false, got None"),
    ],
)
def test_what_would_overflow_or_is_of_another_type_is_refused(check, value, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check(b=value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"a": 2, "b": 1, "c": 3}, "a must not exceed b, got 2 > 1"),
        ({"a": 1, "b": 4, "c": 3}, "b must not exceed c, got 4 > 3"),
        ({"a": nan, "b": 1}, "a must not exceed b, got nan > 1"),
        ({"a": 1, "b": nan}, "a must not exceed b, got 1 > nan"),
    ],
)
def test_a_value_above_the_next_is_refused(values, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        checks.ascending(**values)


def test_choices_are_those_of_the_literal_and_of_literals_within_it():
    checks.one_of(Color, a="blue")
    checks.one_of(Literal[Color, "green"], a="red", b="green")
    for choice in ("green", "", None, ["red"]):
        message = f"b must be one of ['red', 'blue'], got {choice!r}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            checks.one_of(Color, a="red", b=choice)
