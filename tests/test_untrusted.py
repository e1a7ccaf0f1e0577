import math
import re

import pytest

from gbplan.untrusted import COUNT, Number, require_form

FORM = {
    "count": COUNT[1:],
    "share": (Number(0, 1), None),
    "names": [str],
    "file?": re.compile("[a-z]+[.]pt"),
    re.compile("[0-9]+"): {"rate": Number()},
}
GOOD = {"count": 3, "share": None, "names": ["a"], "file": "a.pt", "10": {"rate": -1e300}}


@pytest.mark.parametrize("change", [{}, {"share": 1}, {"names": []}, {"10": {"rate": 2, "more": "is not looked at"}}])
def test_data_of_the_form_pass(change):
    require_form(GOOD | change, FORM, "it")


def test_what_may_be_missing_may():
    require_form({key: GOOD[key] for key in ("count", "share", "names")}, FORM, "it")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, "it: count must be a whole number in 1..2147483647, got 0"),
        ({"count": True}, "it: count must be a whole number in 1..2147483647, got True"),
        ({"share": math.nan}, "it: share must be a number in 0..1 or null, got nan"),
        ({"share": "x" * 1000}, f"it: share must be a number in 0..1 or null, got {'x' * 1000!r:.80}"),
        ({"names": ["a", 3]}, "it: names: 1 must be str, got 3"),
        ({"names": list(range(9))}, "it: names: 0 must be str, got 0"),
        ({"file": "../a.pt"}, "it: file must be text like [a-z]+[.]pt, got '../a.pt'"),
        ({"10": {"rate": math.inf}}, "it: 10: rate must be a finite number, got inf"),
        ({"10": {"rate": 2**2000}}, f"it: 10: rate must be a finite number, got {2**2000!r:.80}"),
        ({"10": [1, 2, 3, 4]}, "it: 10 must be dict, got a list"),
        ({"10": {}}, "it: 10 lacks rate"),
        ({"ten": {"rate": 1}}, "it: key must be text like [0-9]+, got 'ten'"),
    ],
    ids=str,
)
def test_what_has_another_form_is_named(change, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        require_form(GOOD | change, FORM, "it")
