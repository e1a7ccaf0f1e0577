"""Provenance of a result: versions, commit and machine."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import gymnasium
import torch

import gbplan


def provenance() -> dict[str, Any]:
    """Return versions, commit and machine, for results.

    The processor is part of it: another one rounds differently, and changes a training as much as another seed.
    """
    return {
        "gbplan": gbplan.__version__,
        "commit": _commit(),
        "torch": torch.__version__,
        "gymnasium": gymnasium.__version__,
        "python": platform.python_version(),
        "processor": processor(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {torch.get_num_threads()} torch threads",
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
    }


def processor() -> str:
    """The processor's name, if the system provides it."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str | None:
    """Commit of the checkout this package runs from, with ``+`` if its code was changed since; None outside one."""
    here = Path(gbplan.__file__).parent

    def git(*args: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here.parent), *args], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")) != here.parent:
            return None  # installed inside another project's checkout
        changed = git("status", "--porcelain", "--", "gbplan", "configs")
        return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None
