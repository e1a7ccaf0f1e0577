"""Commands that skip finished work and resume unfinished work: ``--keep``.

A command writes a recipe beside its products: the configuration, the code and the inputs. If it finds its own recipe
there, the work is done, or was interrupted and is resumed.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import file_digest, sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser

import gbplan
from gbplan.describe import describe, differences
from gbplan.files import replacing
from gbplan.untrusted import read_json, require_form

RECIPE = "recipe.json"

# Arguments of each command that do not change its products: where to write, what to show, whether to run.
_UNDECIDING = {
    "collect": {"config", "keep", "overwrite", "progress", "num_processes"},
    "fit": {"config", "keep", "overwrite", "ckpt_path", "trainer.default_root_dir", "checkpoint.dirpath"}
    | {"trainer.enable_progress_bar", "online.num_processes", "validation.num_processes"},
    "evaluate": {"config", "keep", "overwrite", "output", "num_processes"},
    "report": {"config", "keep", "overwrite"},
}
State = Literal["absent", "interrupted", "damaged"]

# Types in a recipe: a damaged one must not be taken for the recipe of the products.
_FILE = {"sha256": re.compile("[0-9a-f]{64}"), "size": range(2**63), "modified_ns": range(-(2**63), 2**63)}
_FORM = {
    "command": str,
    "complete": bool,
    "products": [str],
    "code": {str: str},
    "inputs": {str: _FILE},
    "configuration": dict,
}
_LIBRARIES = ("torch", "lightning", "gymnasium", "numpy")


class AlreadyDoneError(Exception):
    """The products exist already, made by the same recipe."""


@dataclass(frozen=True)
class Recipe:
    """The configuration, code and inputs of a command's products, as they were when it began.

    Attributes:
        path: the recipe's file, beside the products.
        products: files that are made, the main one first; a folder stands for all files in it.
        command: the command's name.
        configuration: the command's resolved arguments.
        code: hashes of the package and of modules that the configuration names, and versions of libraries.
        inputs: hash, size and time of each file that the command reads.
    """

    path: Path
    products: tuple[Path, ...]
    command: str
    configuration: dict[str, Any]
    code: dict[str, str]
    inputs: dict[str, Any]

    @classmethod
    def of(
        cls,
        path: Path,
        products: Iterable[Path],
        command: str,
        configuration: dict[str, Any],
        inputs: Iterable[Path] = (),
    ) -> "Recipe":
        """Make the recipe of a command from its resolved arguments.

        Args:
            path: see the class.
            products: see the class.
            command: the command's name.
            configuration: the arguments; a path to a file is an input.
            inputs: more inputs.
        """
        plain = _deciding(describe(configuration), _UNDECIDING[command])
        texts = set(_texts(plain))
        named = {Path(text) for text in texts if _looks_like_a_path(text) and os.path.isfile(text)}
        try:
            known = _read(path)["inputs"]
        except (OSError, ValueError):
            known = {}
        made = tuple(products)
        hashed = _hashed(sorted({*named, *inputs} - {*made}), known)
        return cls(path, made, command, plain, code_version(texts), hashed)

    def state(self, overwrite: bool = False) -> State:
        """Compare this recipe with the products on disk.

        Args:
            overwrite: whether products of another recipe may be replaced.

        Returns:
            ``absent``: no products, or products to replace; ``interrupted``: begun and not completed; ``damaged``:
            completed, but some products are missing now.

        Raises:
            AlreadyDoneError: the products are complete.
            FileExistsError: the products have another recipe, or none; the message names what differs.
        """
        if not self.path.exists():
            if self.products[0].exists():
                raise FileExistsError(
                    f"{self.products[0]} exists without the {self.path.name} that records how it was made; choose "
                    "another folder, or replace it with --overwrite and without --keep"
                )
            return "absent"
        try:
            old = _read(self.path)
            listed = self._listed(old)
            changed = differences(old["command"], self.command, "command")
            changed += differences(old["configuration"], json.loads(json.dumps(self.configuration)))
            changed += differences(old["code"], self.code, "code")
            was, now = old["inputs"], self.inputs
            changed += [f"{path} is another file" for path in {**was, **now} if was.get(path) != now.get(path)]
            complete, whole = old["complete"], self._has_all(listed)
        except ValueError as error:
            changed, complete, whole = [f"which cannot be read: {error}"], False, False
        if not changed and complete and whole:
            raise AlreadyDoneError(f"{self.path.parent}: done already, from the same configuration, code and inputs")
        if changed and not overwrite:
            raise FileExistsError(
                f"{self.path.parent} was made in another way, according to its {self.path.name} "
                f"({'; '.join(changed)}); choose another folder, or replace it with --keep --overwrite"
            )
        return "absent" if changed else "damaged" if complete else "interrupted"

    def write(self, complete: bool) -> None:
        """Write the recipe and, once complete, the list of products."""
        made = {
            "command": self.command,
            "complete": complete,
            "products": [os.path.relpath(path, self.path.parent) for path in self._made()] if complete else [],
            "code": self.code,
            "inputs": self.inputs,
            "configuration": self.configuration,
        }
        with replacing(self.path) as file:
            json.dump(made, file, indent=1)

    def _made(self) -> list[Path]:
        """The products that exist."""
        within = {path for folder in self.products if folder.is_dir() for path in folder.rglob("*")}
        files = {path for path in {*self.products, *within} if path.is_file() and not path.name.startswith(".")}
        return sorted(files - {self.path})

    def _listed(self, old: dict[str, Any]) -> list[Path]:
        """The products that a recipe lists.

        Raises:
            ValueError: one is not a product of this command, so its presence would prove nothing.
        """
        own = [Path(os.path.abspath(path)) for path in self.products]
        listed = [Path(os.path.abspath(self.path.parent / each)) for each in old["products"]]
        for name, path in zip(old["products"], listed, strict=True):
            if not any(path.is_relative_to(each) for each in own):
                raise ValueError(f"products: {name!r:.80} is not a product of {self.command}")
        return listed

    def _has_all(self, products: list[Path]) -> bool:
        """Whether all products exist, and none is younger than the recipe: that would be another command's."""
        written = self.path.stat().st_mtime_ns
        first = Path(os.path.abspath(self.products[0]))
        return first in products and all(path.is_file() and path.stat().st_mtime_ns <= written for path in products)


def _read(path: Path) -> dict[str, Any]:
    """Read a recipe.

    Raises:
        OSError: the file does not exist.
        ValueError: the file is not a recipe.
    """
    found: dict[str, Any] = read_json(path)
    require_form(found, _FORM, "it")
    return found


def _hashed(paths: Iterable[Path], known: dict[str, Any]) -> dict[str, Any]:
    """Hashes of files; a file whose size and time are known already is not read again."""
    found = {}
    for path in paths:
        status = path.stat()
        stamp = {"size": status.st_size, "modified_ns": status.st_mtime_ns}
        old = known.get(str(path), {})
        if {key: old.get(key) for key in stamp} == stamp:
            found[str(path)] = old
            continue
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        found[str(path)] = old if old.get("sha256") == digest else {"sha256": digest, **stamp}
    return found


def code_version(texts: Iterable[str] = ()) -> dict[str, str]:
    """Hashes of the package's sources, and of the modules of foreign classes and environments.

    Args:
        texts: all texts of a configuration; class paths and environment ids such as ``module:Id-v0`` name modules.
    """
    here = Path(gbplan.__file__).parent
    digest = sha256()
    for path in sorted(here.rglob("*.py")):
        digest.update(f"{path.relative_to(here)}\n".encode() + path.read_bytes())
    code = {"gbplan": digest.hexdigest()[:16]} | {name: version(name) for name in _LIBRARIES}
    for text in texts:
        module, _, environment = text.partition(":")
        if environment and module.isidentifier():
            spec = find_spec(module)
        else:
            spec = getattr(sys.modules.get(text.rpartition(".")[0]), "__spec__", None)
        file = spec and spec.origin
        if file and "site-packages" not in file and not Path(file).is_relative_to(here) and os.path.isfile(file):
            code[Path(file).name] = sha256(Path(file).read_bytes()).hexdigest()[:16]
    return code


def recipe_of(command: str, configuration: dict[str, Any]) -> Recipe:
    """The recipe of ``collect``, ``evaluate`` or ``report``.

    Raises:
        ValueError: the command is a report that writes no file.
    """
    if command == "evaluate":
        folder = Path(configuration["output"])
        return Recipe.of(folder / RECIPE, [folder / "result.json", folder], command, configuration)
    if command == "collect":
        from gbplan.data.dataset_folder import dataset_folder

        folder = dataset_folder(configuration["dataset_id"], configuration["root"])
        return Recipe.of(folder / RECIPE, [folder / "data" / "metadata.json", folder / "data"], command, configuration)
    made = [Path(configuration[key]) for key in ("output", "html", "figures") if configuration[key] is not None]
    if not made:
        raise ValueError("a report that is only printed cannot be kept; add --output, --html or --figures")
    folders = [configuration["folder"], *configuration["trainings"]]
    names = ("result.json", "*.csv", "*.npz", "events.out.tfevents*")
    results = {path for folder in folders for name in names for path in Path(folder).rglob(name)}
    return Recipe.of(made[0].with_name(f".{made[0].name}.{RECIPE}"), made, command, configuration, results)


def add_keep(parser: ArgumentParser) -> None:
    """Add the flag with which a command skips finished work and resumes unfinished work."""
    parser.add_argument(
        "--keep",
        action="store_true",
        help="Skip the command if its results exist already, and resume it if it was interrupted; with --overwrite, "
        "replace results that were made with other settings.",
    )


def _deciding(plain: Any, without: set[str], name: str = "") -> Any:
    """The configuration without the arguments of these names, and without a parser's notes."""
    if not isinstance(plain, dict):
        return [_deciding(each, without, name) for each in plain] if isinstance(plain, list) else plain
    full = {key: f"{name}.{key}" if name else str(key) for key in plain if not str(key).startswith("__")}
    return {key: _deciding(plain[key], without, full[key]) for key in full if full[key] not in without}


def _looks_like_a_path(text: str) -> bool:
    """Whether a text looks like a path; a single word may be a file's name by chance."""
    return Path(text).name != text or bool(Path(text).suffix)


def _texts(plain: Any) -> Iterator[str]:
    if isinstance(plain, str):
        yield plain
    elif isinstance(plain, dict | list):
        for each in plain.values() if isinstance(plain, dict) else plain:
            yield from _texts(each)
