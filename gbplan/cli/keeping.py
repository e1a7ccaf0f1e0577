"""Commands that finish what is unfinished: ``--keep``.

Beside what a command makes lies its recipe: the configuration, the code and the inputs. A command that finds its own
recipe there has nothing left to do, or goes on with what was interrupted.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from jsonargparse import ActionYesNo, ArgumentParser

import gbplan
from gbplan.describe import describe, differences
from gbplan.files import replacing
from gbplan.untrusted import read_json

RECIPE = "recipe.json"

# Arguments that say where, how visibly and whether at all, but not what.
_UNDECIDING = {"config", "keep", "overwrite", "output", "html", "figures", "default_root_dir", "dirpath"}
_UNDECIDING |= {"enable_progress_bar", "progress"}


class AlreadyDoneError(Exception):
    """What a command is asked to make is there, made as asked."""


@dataclass(frozen=True)
class Recipe:
    """What something is made from.

    Attributes:
        path: the file that keeps it, beside what is made.
        product: the file that is made last, before the recipe is complete.
        command: the command's name.
        configuration: its resolved arguments.
        inputs: files that are read.
    """

    path: Path
    product: Path
    command: str
    configuration: dict[str, Any]
    inputs: tuple[Path, ...]

    @classmethod
    def of(
        cls, path: Path, product: Path, command: str, configuration: dict[str, Any], inputs: Iterable[Path] = ()
    ) -> "Recipe":
        """Read the recipe of a command off its resolved arguments.

        Args:
            path: where to keep it.
            product: see the class.
            command: the command's name.
            configuration: the arguments; those that name a file name an input.
            inputs: more of them.
        """
        plain = _deciding(describe(configuration))
        named = {Path(text) for text in _texts(plain) if text and len(text) < 4096 and Path(text).is_file()}
        return cls(path, product, command, plain, tuple(sorted({*named, *inputs})))

    def begun(self, overwrite: bool = False) -> bool:
        """Tell whether this has been begun by this recipe before, and not been completed.

        Args:
            overwrite: what was made by another recipe may be replaced.

        Raises:
            AlreadyDoneError: it has been completed.
            FileExistsError: what is there was made by another recipe; says what differs.
        """
        if not self.path.exists():
            return False
        try:
            old = read_json(self.path)
            changed = differences(old["configuration"], json.loads(json.dumps(self.configuration)))
            changed += differences(old["code"], code_version(), "code")
            was, now = old["inputs"], self._hashed(old["inputs"])
            changed += [f"{path} is another file" for path in {**was, **now} if was.get(path) != now.get(path)]
            # A recipe that is older than the product is another one's.
            complete = old["complete"] and self.path.stat().st_mtime_ns >= self.product.stat().st_mtime_ns
        except FileNotFoundError:
            return True
        except (ValueError, KeyError, TypeError, AttributeError):
            changed, complete = [f"{self.path.name} cannot be read"], False
        if not changed and complete:
            raise AlreadyDoneError(f"{self.product}: done already, from the same configuration, code and inputs")
        if changed and not overwrite:
            raise FileExistsError(
                f"{self.path.parent} was made otherwise ({'; '.join(changed)}); choose another folder, or replace it "
                "with --keep --overwrite"
            )
        return not changed

    def write(self, complete: bool) -> None:
        """Keep it."""
        made = {
            "command": self.command,
            "complete": complete,
            "code": code_version(),
            "inputs": self._hashed({}),
            "configuration": self.configuration,
        }
        with replacing(self.path) as file:
            json.dump(made, file, indent=1)

    def _hashed(self, known: dict[str, Any]) -> dict[str, Any]:
        """Hashes of the inputs; a file of the size and time of one that is known is not read again."""
        found = {}
        for path in self.inputs:
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


@cache
def code_version() -> str:
    """A hash of the package's sources: another commit that changes none of them is the same code."""
    here = Path(gbplan.__file__).parent
    digest = sha256()
    for path in sorted(here.rglob("*.py")):
        digest.update(f"{path.relative_to(here)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def recipe_of(command: str, configuration: dict[str, Any]) -> Recipe:
    """The recipe of ``collect``, ``evaluate`` or ``report``.

    Raises:
        ValueError: a report that writes nothing.
    """
    if command == "evaluate":
        folder = Path(configuration["output"])
        return Recipe.of(folder / RECIPE, folder / "result.json", command, configuration)
    if command == "collect":
        from gbplan.data.dataset_folder import dataset_folder

        folder = dataset_folder(configuration["dataset_id"], configuration["root"])
        return Recipe.of(folder / RECIPE, folder / "data" / "metadata.json", command, configuration)
    made = [configuration[key] for key in ("output", "html", "figures") if configuration[key] is not None]
    if not made:
        raise ValueError("a report that is only printed cannot be kept; add --output, --html or --figures")
    path = Path(made[0])
    results = Path(configuration["folder"]).rglob("result.json")
    return Recipe.of(path.with_name(f".{path.name}.{RECIPE}"), path, command, configuration, results)


def add_keep(parser: ArgumentParser) -> None:
    """Add the flag that makes a command finish what is unfinished: ``--keep``, or ``--keep=true``."""
    parser.add_argument(
        "--keep",
        action=ActionYesNo,
        nargs="?",
        default=False,
        help="End at once if this has been done already, and go on with it if it was interrupted; with --overwrite, "
        "replace what was made otherwise.",
    )


def _deciding(plain: Any) -> Any:
    """Without what decides nothing, on any level."""
    if isinstance(plain, dict):
        kept = {key: _deciding(value) for key, value in plain.items() if not key.startswith("__")}
        return {key: value for key, value in kept.items() if key not in _UNDECIDING}
    return [_deciding(each) for each in plain] if isinstance(plain, list) else plain


def _texts(plain: Any) -> Iterator[str]:
    if isinstance(plain, str):
        yield plain
    elif isinstance(plain, dict | list):
        for each in plain.values() if isinstance(plain, dict) else plain:
            yield from _texts(each)
