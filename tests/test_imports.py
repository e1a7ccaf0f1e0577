"""Imports point down, and heavy libraries stay in their rooms."""

import ast
from pathlib import Path

import pytest

# Ground files, which all rooms may import.
GROUND = {"checks", "describe", "files", "seeds", "untrusted"}
# Every room may import itself, the ground and the rooms named here.
BELOW = {
    "envs": set(),
    "plots": set(),
    "attacks": set(),
    "objectives": set(),
    "networks": set(),
    "report": {"plots"},
    "planners": {"networks", "objectives"},
    "policies": {"envs", "networks", "objectives", "planners"},
    "data": {"envs", "networks", "policies"},
    "modules": {"attacks", "data", "networks"},
    "evaluation": {"data", "envs", "modules", "networks", "objectives", "planners", "plots", "policies", "report"},
    "callbacks": {"data", "envs", "evaluation", "networks", "objectives", "planners", "policies"},
    "cli": {
        "callbacks",
        "data",
        "envs",
        "evaluation",
        "modules",
        "networks",
        "objectives",
        "planners",
        "plots",
        "policies",
        "report",
    },
}
# Files that know more than their room: an environment's dynamics in torch.
SIMULATORS = {"simulator.py": {"networks"}}
# Libraries that only these rooms may import.
ONLY_IN = {
    "lightning": {"data", "modules", "evaluation", "callbacks", "cli"},
    "torch": set(BELOW) - {"envs", "plots", "report"},
    "matplotlib": {"plots"},
    "minari": {"data"},
    "mujoco": {"envs"},
    "pymunk": {"envs"},
    "transformers": {"networks"},
    "gymnasium": {"envs", "data", "policies", "evaluation", "callbacks", "cli"},
}
FILES = sorted(Path("gbplan").rglob("*.py"))


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield str(node.module)


def room_of(path):
    return path.parts[1].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_point_down(path):
    room = room_of(path)
    extra = SIMULATORS.get(path.name, set()) if room == "envs" else set()
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "gbplan" and len(parts) > 1 and room in BELOW:
            assert parts[1] in BELOW[room] | {room} | GROUND | extra, f"{path} imports {name}"
        if parts[0] == "gbplan" and room in GROUND:
            assert parts[1:2] == [] or parts[1] in GROUND, f"{path} imports {name}"
        if parts[0] in ONLY_IN and room in BELOW and not (parts[0] == "torch" and extra):
            assert room in ONLY_IN[parts[0]], f"{path} imports {parts[0]}"


def test_every_room_has_its_place_in_the_order():
    rooms = {path.parts[1] for path in FILES if len(path.parts) > 2}
    assert rooms == set(BELOW)
    order = list(BELOW)
    assert all(order.index(lower) < order.index(room) for room, rooms in BELOW.items() for lower in rooms)


def test_importing_the_package_loads_neither_torch_nor_lightning():
    import subprocess
    import sys

    code = (
        "import sys, gbplan; print({'torch', 'lightning', 'matplotlib', 'mujoco', 'pymunk'} & set(sys.modules) or [])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_the_report_loads_neither_torch_nor_an_environment():
    import subprocess
    import sys

    code = "import sys, gbplan.report; print([name for name in ('torch', 'lightning') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
