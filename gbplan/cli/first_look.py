"""A quick check of a command line, before the imports that take seconds.

A command needs torch and Lightning to parse its arguments in full, and their import takes seconds. Names and plain
types of arguments are in the sources of the functions it calls, which are read here and not imported. Arguments that
it cannot decide, such as those of a class that is chosen by name, are left to the command's own parser.
"""

import ast
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from jsonargparse import get_loader

# Values of an argument: other arguments, a value of plain types, or (None) only the command's parser knows.
Node: TypeAlias = "dict[str, Node] | frozenset[str] | None"

# Keys of an argument that is an object of a class, chosen by name or by a yaml file.
_CHOSEN = frozenset({"class"})

_COMMON: dict[str, Node] = dict.fromkeys(("config", "print_config", "help"))
_KEEP: dict[str, Node] = {"keep": None}
_OVERWRITE: dict[str, Node] = {"overwrite": None, "no_overwrite": None}
# Arguments that are records: their fields are arguments as well.
_RECORDS = {
    "agent": "gbplan/policies/agent.py:Agent",
    "tasks": "gbplan/evaluation/task_set.py:TaskSet",
    "trainer": "gbplan/evaluation/planning_evaluation.py:TrainerOptions",
}
_OBJECTS = {"planner", "objective", "policy"}
_FUNCTIONS = {
    "collect": "gbplan/data/collect.py:collect",
    "demo": "gbplan/cli/demo.py:demo",
    "evaluate": "gbplan/evaluation/run.py:run_evaluation",
    "report": "gbplan/report/table.py:report",
}
_TRAINER = "lightning/pytorch/trainer/trainer.py:Trainer"
_GROUPS = {
    "trainer": f"{_TRAINER}.__init__",
    "data": "gbplan/data/datamodule.py:TrajectoryDataModule.__init__",
    "checkpoint": "lightning/pytorch/callbacks/model_checkpoint.py:ModelCheckpoint.__init__",
    "validation": "gbplan/callbacks/planning_validation.py:PlanningValidation.__init__",
    "online": "gbplan/callbacks/online_world_modeling.py:OnlineWorldModeling.__init__",
}
# Arguments that Lightning itself gives the Trainer, made from the data module.
_DATA = {"train_dataloaders", "val_dataloaders", "dataloaders", "datamodule"}
_PLAIN = {"int": "int", "float": "float", "bool": "bool", "str": "str", "PositiveInt": "int"}
_POSITIONAL = {"report": 1}


def require_plausible(command: str, args: Sequence[str]) -> None:
    """Refuse arguments early that the command's parser would refuse later.

    Args:
        command: ``fit``, ``validate``, ``collect``, ``demo``, ``evaluate`` or ``report``.
        args: the rest of the command line.

    Raises:
        ValueError: an argument is unknown, or its value is of another type; a file is not yaml, or has a key twice.
        FileNotFoundError: a yaml file does not exist.
    """
    if any(re.fullmatch(r"-h|--(?:[\w.]+\.)?help(?:=.*)?", argument) for argument in args):
        return
    known = arguments_of(command)
    positional = _POSITIONAL.get(command, 0)
    waiting = ""  # the option whose value the next word may be
    for word in args:
        option = re.match(r"(--[A-Za-z][\w.]*|-[A-Za-z])\+?(?:=|$)", word)
        if option is None and word.startswith("-") and not re.match(r"-[\d.]", word):
            return
        if option is None:
            if waiting:
                _require_value(known, waiting, word)
            elif positional:
                positional -= 1
            else:
                raise ValueError(f"unrecognized arguments: {word}; a file of arguments is named with --config {word}")
            waiting = ""
            continue
        key = {"-c": "config"}.get(option[1], option[1].removeprefix("--"))
        _find(known, key, f"unrecognized arguments: {option[1]}", "--")
        waiting = "" if "=" in word else key
        if "=" in word:
            _require_value(known, key, word.partition("=")[2])


@cache
def arguments_of(command: str) -> dict[str, Node]:
    """Return the arguments of a command by name, with the values of each."""
    if command in _FUNCTIONS:
        keep = _KEEP if command != "demo" else {}
        return {**_COMMON, **keep, **_signature(_FUNCTIONS[command]), **_OVERWRITE}
    groups = {name: _signature(place) for name, place in _GROUPS.items()}
    chosen: dict[str, Node] = dict.fromkeys(("model", "optimizer", "lr_scheduler", "seed_everything"))
    called = _signature(f"{_TRAINER}.{command}").items()
    own: dict[str, Node] = {"num_threads": frozenset({"int", "null"}), **_COMMON, **_KEEP, **_OVERWRITE, **chosen}
    return {key: takes for key, takes in called if key not in _DATA} | own | groups


def _signature(place: str) -> dict[str, Node]:
    """Read the arguments of ``package/file.py:name``, a function, a method or a dataclass, in its source."""
    path, _, name = place.partition(":")
    package, _, file = path.partition("/")
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    definition: ast.AST = ast.parse(Path(spec.submodule_search_locations[0], file).read_text(encoding="utf-8"))
    for part in name.split("."):
        (definition,) = (each for each in ast.iter_child_nodes(definition) if getattr(each, "name", "") == part)
    if isinstance(definition, ast.FunctionDef):
        arguments = [*definition.args.args, *definition.args.kwonlyargs]
        annotated = {each.arg: each.annotation for each in arguments if each.arg != "self"}
    else:
        fields = (each for each in ast.iter_child_nodes(definition) if isinstance(each, ast.AnnAssign))
        annotated = {ast.unparse(each.target): each.annotation for each in fields}
    return {key: _node(key, annotation) for key, annotation in annotated.items()}


def _node(key: str, annotation: ast.expr | None) -> Node:
    if key in _RECORDS:
        return _signature(_RECORDS[key])
    return _CHOSEN if key in _OBJECTS else _plain(annotation)


def _plain(annotation: ast.expr | None) -> frozenset[str] | None:
    """Name the types of an annotation, if all are plain."""
    match annotation:
        case ast.Name(name) if name in _PLAIN:
            return frozenset({_PLAIN[name]})
        case ast.Constant(None):
            return frozenset({"null"})
        case ast.BinOp(first, ast.BitOr(), second):
            parts = [first, second]
        case ast.Subscript(ast.Name("Optional"), only):
            parts = [only, ast.Constant(None)]
        case ast.Subscript(ast.Name("Union"), ast.Tuple(parts)):
            pass
        case _:
            return None
    kinds = [_plain(part) for part in parts]
    return None if None in kinds else frozenset().union(*(kind for kind in kinds if kind))


def _find(known: Node, key: str, unknown: str, prefix: str = "") -> Node:
    """Return the values of the argument ``key``, or raise an error that suggests the one meant."""
    node = known
    parts = key.split(".")
    for depth, part in enumerate(parts):
        if node is None or node == _CHOSEN or part in ("class_path", "init_args"):
            return None
        if not isinstance(node, dict) or part not in node:
            near = difflib.get_close_matches(part, node if isinstance(node, dict) else (), n=1)
            meant = f"; did you mean {prefix}{'.'.join([*parts[:depth], *near])}?" if near else ""
            raise ValueError(unknown + meant)
        node = node[part]
    return node


def _require_value(known: dict[str, Node], key: str, text: str) -> None:
    """Check the value of an argument on the command line."""
    node = _find(known, key, "")
    if key == "config":
        if Path(text).suffix or not isinstance(_loaded(text), dict):  # else the word is yaml itself
            _require_file(known, "", Path(text))
    elif isinstance(node, frozenset) and node != _CHOSEN:
        if "str" not in node:
            _require_plain(node, _loaded(text), f"--{key}")
    elif _is_yaml_file(text) and node is not None:
        _require_file(node, key, Path(text))


def _require_file(node: Node, key: str, path: Path, named_by: tuple[Path, ...] = ()) -> None:
    """Check a yaml file given for an argument, and the files that it names."""
    if not path.exists():
        by = f", named by {named_by[-1]}" if named_by else f" (looked for in {Path.cwd()})"
        raise FileNotFoundError(f"there is no file {path}{by}")
    if not path.is_file() and not path.is_dir():
        return  # a pipe, which can only be read once
    if path.resolve() in named_by:
        raise ValueError(f"{path} is a part of itself")
    content = read_yaml(path)
    if content is None and not key:
        return
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a mapping of arguments to values, got {content!r}")
    _require_tree(node, content, key, path, (*named_by, path.resolve()))


def _require_tree(node: Node, tree: Mapping[Any, Any], key: str, path: Path, named_by: tuple[Path, ...]) -> None:
    """Check the values of a yaml file for an argument."""
    for name, value in tree.items():
        inner = f"{key}.{name}" if key else str(name)
        takes = _find(node, str(name), f"{path} gives {inner}, which is no argument")
        if isinstance(takes, frozenset) and takes != _CHOSEN:
            _require_plain(takes, value, f"{path}: {inner}")
        elif isinstance(value, Mapping):
            _require_tree(takes, value, inner, path, named_by)
        elif isinstance(value, list):
            _require_tree(None, dict(enumerate(value)), inner, path, named_by)
        elif _is_yaml_file(value) and (takes is not None or name == "config"):
            _require_file(takes, inner, path.parent / value, named_by)


def _is_yaml_file(value: Any) -> bool:
    return isinstance(value, str) and value.endswith((".yaml", ".yml"))


def _require_plain(kinds: frozenset[str], value: Any, name: str) -> None:
    if isinstance(value, str):
        if "str" in kinds:
            return
        value = _loaded(value)  # quoted
    cut = isinstance(value, float) and not value.is_integer() and "float" not in kinds
    if cut or isinstance(value, str | list | dict):
        raise ValueError(f"{name} takes {' or '.join(sorted(kinds))}, got {value!r}")


def _loaded(text: str) -> Any:
    """Read a value as jsonargparse reads it."""
    try:
        return get_loader("yaml")(text)
    except yaml.YAMLError:
        return text


def read_yaml(path: Path) -> Any:
    """Read a yaml file, and refuse repeated keys.

    Raises:
        ValueError: the file is not yaml, or has a key twice, where the second would silently win.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = get_loader("yaml")(text)
        twice = next(_repeated(yaml.compose(text, Loader=yaml.SafeLoader), set()), None)
        if twice is None:
            return content
    except (yaml.YAMLError, UnicodeDecodeError, IsADirectoryError) as error:
        raise ValueError(f"{path} is not a yaml file: {' '.join(str(error).split())}") from None
    again = twice.start_mark.line + 1
    raise ValueError(f"{path} gives {twice.value!r} twice in one mapping, again in line {again}; keep one of them")


def _repeated(node: yaml.Node | None, seen: set[int]) -> Iterator[yaml.Node]:
    """Yield the keys that a mapping repeats."""
    if node is None or id(node) in seen:  # an alias leads to a node that was checked
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        names = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in names:
                yield key
            names.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
            yield from _repeated(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item, seen)
