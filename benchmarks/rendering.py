"""Pictures per second of DoorWall-v0's states, many at once and one by one.

Drawing is arithmetic on arrays, element by element, so numpy takes one core, whatever its threads are set to.

python benchmarks/rendering.py
"""

import argparse
import os
import platform
import statistics
import time
from pathlib import Path

import gymnasium as gym
import numpy as np

import gbplan
from gbplan.envs import optional_method
from gbplan.evaluation.provenance import processor

SIZES, ROWS = (32, 64, 128, 256), (1, 64, 1024)
PICTURES = 4096  # per repeat, at 64 x 64; a tenth of them one by one
REPEATS = 9


def pictures_per_second(render, states: np.ndarray, size: int) -> tuple[float, float]:
    """Median over repeats, by wall time and by this process's own CPU time."""
    calls = max(1, PICTURES * 64**2 // size**2 // len(states) // (10 if len(states) == 1 else 1))
    render(states, size)  # draws the room
    rates = []
    for _ in range(REPEATS):
        begin, own = time.perf_counter(), time.process_time()
        for _ in range(calls):
            render(states, size)
        passed = time.perf_counter() - begin, time.process_time() - own
        rates.append([calls * len(states) / seconds for seconds in passed])
    clock, process = zip(*rates, strict=True)
    return statistics.median(clock), statistics.median(process)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    render = optional_method(gym.make("DoorWall-v0"), "render_state")
    states = np.random.default_rng(0).uniform(-1.99, 1.99, (max(ROWS), 2)).astype(np.float32)
    lines = [
        "# Pictures per second",
        "",
        "`render_state(states, size)` of `DoorWall-v0`, RGB in uint8, states anywhere in the room, on one core.",
        f"Thousands of pictures per second, median of {REPEATS} repeats: by the clock, in brackets by the process's",
        "own time.",
        "",
        "| size | " + " | ".join("one by one" if rows == 1 else f"{rows:,} at once" for rows in ROWS) + " |",
        "|---" * (len(ROWS) + 1) + "|",
    ]
    for size in SIZES:
        found = [pictures_per_second(render, states[:rows], size) for rows in ROWS]
        cells = [f"{clock / 1e3:,.1f} ({own / 1e3:,.1f})" for clock, own in found]
        lines.append(f"| {size} x {size} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    lines += [
        "",
        f"Machine: {processor()}, {os.cpu_count()} CPU cores; one is used, load average {os.getloadavg()[0]:.1f} at "
        "the end (above",
        f"1: other work ran beside it). Python {platform.python_version()}, numpy {np.__version__}, gbplan "
        f"{gbplan.__version__}. Command: `python benchmarks/rendering.py`.",
    ]
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
