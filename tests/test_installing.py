"""The package as others install it: built from a clone, in an environment of its own outside the checkout.

That environment has the packages that the wheel asks for and no others, linked from those that are installed here, so
that torch is not fetched again.
"""

import importlib.metadata as metadata
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EXTRAS = ["experiments", "mujoco", "vision"]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    if not Path(".git").exists():
        pytest.skip("not a checkout")
    folder = tmp_path_factory.mktemp("clone") / "gbplan"
    subprocess.run(["git", "clone", "--quiet", ".", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def built(clone, tmp_path_factory):
    """The sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", folder, clone], check=True, capture_output=True)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def closure(distribution, extras):
    """Installed distributions that a distribution asks for, directly or not, by name."""
    found, seen, queue = {}, set(), [(distribution, frozenset(extras))]
    while queue:
        wanting, extras = queue.pop()
        for requirement in map(Requirement, wanting.requires or []):
            wanted = [requirement.marker is None or requirement.marker.evaluate({"extra": e}) for e in ["", *extras]]
            name = canonicalize_name(requirement.name)
            asked = (name, frozenset(requirement.extras))
            if any(wanted) and asked not in seen and name != "gbplan":
                seen.add(asked)
                found[name] = metadata.distribution(name)
                queue.append((found[name], asked[1]))
    return found


def installed(wheel, folder, extras=()):
    """A new environment with the wheel and its requirements; returns a function that runs a command in it."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (info,) = (path for path in zipfile.Path(wheel).iterdir() if path.name.endswith(".dist-info"))
    for distribution in closure(metadata.PathDistribution(info), extras).values():
        for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(distribution.locate_file(top).resolve())
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "--quiet", "--no-index"]
    # pip finds that what is linked satisfies every version range, or would have to fetch, which it may not.
    subprocess.run([*pip, f"{wheel}[{','.join(extras)}]" if extras else wheel], check=True)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment |= {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}

    def run(*command):
        return subprocess.run(
            command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=240
        ).stdout

    return run


@pytest.fixture(scope="module")
def run(built, tmp_path_factory):
    """Run a command in an environment without extras."""
    return installed(built[1], tmp_path_factory.mktemp("bare"))


def test_source_distribution_has_what_was_committed(built, clone):
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "Makefile", "docs/results.json"} <= names
    assert {path.relative_to(clone).as_posix() for path in clone.glob("tests/**/*.py")} <= names


def test_installed_package_is_complete(built):
    with zipfile.ZipFile(built[1]) as wheel:
        names = set(wheel.namelist())
    package = {path.as_posix() for path in Path("gbplan").rglob("*") if path.suffix in (".py", ".json", ".safetensors")}
    assert package | {"gbplan/py.typed"} <= names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"gbplan"}


def test_every_module_finds_what_it_imports(run):
    code = """
import importlib, pkgutil, gbplan, sys
assert not gbplan.__file__.startswith(sys.argv[1]), gbplan.__file__
for module in pkgutil.walk_packages(gbplan.__path__, "gbplan."):
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        assert "gbplan[mujoco]" in str(error), (module.name, error)
        print(module.name)
"""
    lacking = run("python", "-c", code, str(Path.cwd())).split()
    on_mujoco = tuple(f"gbplan.envs.{world}" for world in ("fetch_push", "point_maze", "rope"))
    assert all(name.startswith(on_mujoco) for name in lacking)


def test_command_line_answers(run):
    assert "usage: gbplan {collect,demo,evaluate,report,fit,validate}" in run("gbplan", "--help")
    assert run("gbplan", "--version").split()[-1] == metadata.version("gbplan")


def test_demo_makes_its_film(run):
    said = run("gbplan", "demo", "--output", "film.gif")
    assert re.search(r"online \+ adversarial: +solves 8 of 8 tasks", said)
    path = Path(re.search(r"see (\S+film\.gif)", said)[1])
    assert path.read_bytes().startswith(b"GIF89a")


def test_python_of_the_front_page_runs_as_it_stands(run):
    (code,) = re.findall(r"```python\n(.*?)```", Path("README.md").read_text(), flags=re.DOTALL)
    base, ours = re.findall(r"success (\S+) %", run("python", "-c", code))
    assert float(base) < 50 < 90 < float(ours)


def test_extra_that_lacks_is_named(run):
    code = "import gymnasium, gbplan\ntry: gymnasium.make('gbplan/PointMaze-v0')\nexcept Exception as e: print(e)"
    assert "gbplan[mujoco]" in run("python", "-c", code)


def test_extras_bring_what_they_promise(built, tmp_path):
    run = installed(built[1], tmp_path / "full", EXTRAS)
    code = "import gymnasium, gbplan; gymnasium.make('gbplan/PointMaze-v0').reset(seed=0); import jsonschema, snakemake"
    code += "; from transformers import Dinov2Model"
    run("python", "-c", code)


def test_commits_are_linted_in_a_clone(clone):
    assert ".venv/bin/pre-commit install" in Path("CONTRIBUTING.md").read_text()
    subprocess.run([Path(sys.executable).with_name("pre-commit"), "install"], cwd=clone, check=True)
    assert "pre-commit" in (clone / ".git" / "hooks" / "pre-commit").read_text()
