"""Limits on yaml: no more memory, time or stack than its length suggests."""

import re
from typing import Any

import yaml
from jsonargparse import get_loader, set_loader

MOST_NODES, DEEPEST = 100_000, 50  # our largest configuration has 200, 10 deep

_TOO_LONG = re.compile("[-+]?[0-9][0-9a-fA-F_:ox]{300,}")  # too long for a float, or even for Python to read

_load = get_loader("yaml")


def load_yaml(text: str) -> Any:
    """Read yaml as jsonargparse does, safely: only plain data.

    Raises:
        yaml.YAMLError: the text is not yaml, or see ``require_bounded``.
    """
    require_bounded(text)
    return _load(text)


def require_bounded(text: str) -> None:
    """Check the unfolded size of yaml without unfolding it: aliases of aliases grow exponentially.

    Raises:
        yaml.YAMLError: it is not yaml; it is nested too deeply, contains itself or a number too large for a float,
            or unfolds to too many values.
    """
    sizes: dict[str | None, int] = {}  # unfolded size of each anchor
    opened: list[tuple[str | None, int]] = [(None, 0)]  # mappings and lists around this place: name and size so far
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, 1))
            if len(opened) > DEEPEST:
                raise yaml.YAMLError(f"more than {DEEPEST} lists or mappings lie within each other; write it flatter")
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = opened.pop()
        elif isinstance(event, yaml.ScalarEvent):
            if event.style is None and _TOO_LONG.fullmatch(event.value):
                raise yaml.YAMLError(f"a number of {len(event.value)} digits is larger than any that can be used")
            anchor, size = event.anchor, 1
        elif isinstance(event, yaml.AliasEvent):
            anchor, size = None, sizes.get(event.anchor, MOST_NODES + 1)  # an anchor that is still open contains itself
        else:
            continue
        if anchor is not None:
            sizes[anchor] = size
        opened[-1] = opened[-1][0], opened[-1][1] + size
        if opened[-1][1] > MOST_NODES:
            raise yaml.YAMLError(f"its aliases unfold to more than {MOST_NODES:,} values; write it without them")


set_loader("yaml", load_yaml, exceptions=(yaml.YAMLError,))
