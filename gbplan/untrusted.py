"""Reading untrusted data: bounded size and depth, and errors of one line."""

import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

MOST_MIB = 64
"""Largest JSON file that is read, in MiB; our own largest, results of a thousand horizons, have less than one."""

COUNT = range(2**31)
"""Range of counts: larger ones fit neither into memory nor into integer types."""

Form = Any
"""Expected form of data: None, a type, a ``range`` or ``Number``, a compiled pattern that the whole text matches, a
list with the form of its entries, a dict of forms by key, or a tuple of alternative forms. A key that ends with "?" may
be missing. A key that is ``str`` or a pattern stands for all keys not named; without it, those are not checked.
"""


class Number(NamedTuple):
    """A finite number, whole or not, within limits."""

    low: float = -sys.float_info.max
    high: float = sys.float_info.max


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        OSError: the file does not exist or cannot be read.
        ValueError: it is too large or too deep, or not JSON.
    """
    size = path.stat().st_size
    if size > MOST_MIB * 2**20:
        raise ValueError(f"{path} has {size:,} bytes, more than {MOST_MIB} MiB of JSON are not read")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error})") from None


def require_form(value: Any, form: Form, name: str) -> None:
    """Check that data have the expected form, entry by entry.

    Args:
        value: plain data, or objects if a form is their type.
        form: see ``Form``.
        name: name of the data, for messages.

    Raises:
        ValueError: they have another form; the message names the entry, the expected form and the value.
    """
    # Not every tuple, because a Number is a tuple as well.
    forms = form if type(form) is tuple else (form,)
    fitting = next((each for each in forms if _fits(value, each)), _NONE_OF_THEM)
    if fitting is _NONE_OF_THEM:
        raise ValueError(f"{name} must be {' or '.join(map(_in_words, forms))}, got {_shown(value)}")
    if isinstance(fitting, list):
        for index, entry in enumerate(value):
            require_form(entry, fitting[0], f"{name}: {index}")
    elif isinstance(fitting, dict):
        _require_entries(value, fitting, name)


def _require_entries(value: dict[Any, Any], form: dict[Any, Form], name: str) -> None:
    named = {key.removesuffix("?"): key for key in form if isinstance(key, str)}
    others = [(key, inner) for key, inner in form.items() if not isinstance(key, str)]
    for key, asked in named.items():
        if key in value:
            require_form(value[key], form[asked], f"{name}: {key}")
        elif key == asked:
            raise ValueError(f"{name} lacks {key}")
    for of_keys, inner in others:
        for key in value.keys() - named.keys():
            require_form(key, of_keys, f"{name}: key")
            require_form(value[key], inner, f"{name}: {key}")


_NONE_OF_THEM = object()


def _fits(value: Any, form: Form) -> bool:
    """Whether a value has the outermost form."""
    if form is None:
        return value is None
    if isinstance(form, range):
        return type(value) is int and value in form
    if isinstance(form, Number):
        return type(value) in (int, float) and form.low <= value <= form.high
    if isinstance(form, re.Pattern):
        return isinstance(value, str) and form.fullmatch(value) is not None
    return type(value) is form if isinstance(form, type) else isinstance(value, type(form))


def _in_words(form: Form) -> str:
    if form is None:
        return "null"
    if isinstance(form, range):
        return f"a whole number in {form.start}..{form.stop - 1}"
    if isinstance(form, Number):
        low, high = (f"{limit:g}" if abs(limit) < sys.float_info.max else "" for limit in form)
        return f"a number in {low}..{high}" if low and high else f"a finite number{low and f' from {low}'}"
    if isinstance(form, re.Pattern):
        return f"text like {form.pattern}"
    return form.__name__ if isinstance(form, type) else type(form).__name__


def _shown(value: Any) -> str:
    """A value's text, as far as it fits into a line; for large objects only their type."""
    plain = value is None or isinstance(value, bool | int | float | str)
    small = isinstance(value, dict | list) and len(value) <= 3
    return f"{value!r:.80}" if plain or small else f"a {type(value).__name__}"
