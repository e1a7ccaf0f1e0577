"""Steps per second of DoorWall-v0's native vector form, and of slow worlds in worker processes.

DoorWall's native form is compared with Gymnasium's SyncVectorEnv over the single environment; PushT and FetchPush in
two worker processes (`ParallelVectorEnv`, on Gymnasium's AsyncVectorEnv with shared memory) with one process. Each
pair is made as users make it and driven by the same random actions, taking turns, so that other load on the machine
affects both alike. Resets are not timed. Writes its tables next to itself:

    python benchmarks/vector_env.py
"""

import argparse
import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

import gymnasium as gym
import numpy as np
from rollout import processor

import gbplan
from gbplan.data import make_vector_env
from gbplan.envs import ParallelVectorEnv

NATIVE_ROWS, SYNC_ROWS = 4096, 64
STEPS = 100  # one episode
REPEATS = 9
SEED = 0
SLOW_ROWS, SLOW_STEPS, SLOW_REPEATS = 64, 50, 5
SLOW_WORLDS = {"gbplan/PushT-v0": {"task": "pose"}, "gbplan/FetchPush-v0": {}}


def steps_per_second(envs: gym.vector.VectorEnv, actions: np.ndarray) -> float:
    """Time the steps of one episode in every row."""
    envs.reset(seed=SEED)
    begin = time.perf_counter()
    for action in actions:
        envs.step(action)
    return envs.num_envs * len(actions) / (time.perf_counter() - begin)


def measure(**world) -> tuple[list[float], list[float]]:
    """Return steps per second of the native and the sync form, one pair per repeat."""
    world = {"continuing_task": True, **world}
    native = gym.make_vec("DoorWall-v0", num_envs=NATIVE_ROWS, **world)
    sync = gym.make_vec("DoorWall-v0", num_envs=SYNC_ROWS, vectorization_mode="sync", **world)
    rng = np.random.default_rng(SEED)
    actions = rng.uniform(-1, 1, (STEPS, NATIVE_ROWS, 2)).astype(np.float32)
    rates: tuple[list[float], list[float]] = ([], [])
    for _ in range(REPEATS):
        rates[0].append(steps_per_second(native, actions))
        rates[1].append(steps_per_second(sync, actions[:, :SYNC_ROWS]))
    return rates


def busy_seconds(envs: gym.vector.VectorEnv) -> float:
    """Return the processor time of this process so far, plus that of the busiest worker."""
    workers = envs._workers.processes if isinstance(envs, ParallelVectorEnv) else []
    fields = [Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split() for worker in workers]
    spent = [(int(each[11]) + int(each[12])) / os.sysconf("SC_CLK_TCK") for each in fields]
    return time.process_time() + max(spent, default=0.0)


def measure_processes(env_id: str, **world) -> tuple[list[float], list[float], float]:
    """Return steps per second of one process and of two, one pair per repeat, and the ratio by processor time."""
    world = {"continuing_task": True, **world}
    both = [make_vector_env(env_id, SLOW_ROWS, world, number) for number in (1, 2)]
    rng = np.random.default_rng(SEED)
    actions = rng.uniform(-1, 1, (SLOW_STEPS, *both[0].action_space.shape)).astype(np.float32)
    rates: tuple[list[float], list[float]] = ([], [])
    busy = [0.0, 0.0]
    for _ in range(SLOW_REPEATS):
        for number, envs in enumerate(both):
            before = busy_seconds(envs)
            rates[number].append(steps_per_second(envs, actions))
            busy[number] += busy_seconds(envs) - before
    for envs in both:
        envs.close()
    return *rates, busy[0] / busy[1]


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    lines = [
        "# Steps per second of the native vector environment",
        "",
        f"Native form with {NATIVE_ROWS:,} rows against `gymnasium.vector.SyncVectorEnv` with {SYNC_ROWS} rows over "
        "`gymnasium.make`'s",
        f"single environment. Uniform random actions, seed {SEED}, episodes of {STEPS} steps, resets not timed; "
        f"median of {REPEATS} interleaved",
        "repeats, in steps of one row per second (lowest and highest repeat in brackets). The ratio is the median of "
        "the repeats' own ratios.",
        "",
        "| world | native (M/s) | sync (k/s) | ratio |",
        "|---|---|---|---|",
    ]
    for name, world in {
        "default": {},
        '`contact="stop"`': {"contact": "stop"},
        '`dynamics="velocity"`': {"dynamics": "velocity"},
        "`process_noise=0.01`": {"process_noise": 0.01},
    }.items():
        native, sync = measure(**world)
        ratio = statistics.median(n / s for n, s in zip(native, sync, strict=True))
        lines.append(f"| {name} | {summary(native, 1e6)} | {summary(sync, 1e3)} | {ratio:.0f} |")
        print(lines[-1], flush=True)
    lines += [
        "",
        "Noise is drawn row by row, from each row's own generator, so that a row equals the single environment of its "
        "seed;",
        "that loop is what a noisy world costs.",
        "",
        "## Worker processes",
        "",
        "`make_vector_env` with `num_processes=2`, whose workers are those of `gymnasium.vector.AsyncVectorEnv` with",
        f"shared memory, against one process: {SLOW_ROWS} rows, uniform random actions, episodes of {SLOW_STEPS}",
        f"steps, median of {SLOW_REPEATS} interleaved repeats.",
        "Results are equal to the bit. By processor time: that of one process, over that of the main process plus the",
        "busier worker, resets included: the speed where both cores are free.",
        "",
        "| environment | one process (steps/s) | two processes (steps/s) | times as fast | by processor time |",
        "|---|---|---|---|---|",
    ]
    for env_id, world in SLOW_WORLDS.items():
        one, two, by_processor_time = measure_processes(env_id, **world)
        ratio = statistics.median(t / o for o, t in zip(one, two, strict=True))
        lines.append(f"| `{env_id}` | {summary(one, 1)} | {summary(two, 1)} | {ratio:.2f} | {by_processor_time:.2f} |")
        print(lines[-1], flush=True)
    lines += [
        "",
        f"Machine: {processor()}, {os.cpu_count()} CPU cores; load average {os.getloadavg()[0]:.1f} at the end (above "
        "2: other work ran beside it). Python "
        f"{platform.python_version()}, numpy {np.__version__}, gymnasium {gym.__version__}, gbplan {gbplan.__version__}"
        f" at commit {commit.stdout.strip() or 'unknown'}. Command: `python benchmarks/vector_env.py`.",
    ]
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n")


def summary(rates: list[float], unit: float) -> str:
    digits = 0 if unit == 1 else 2
    middle, low, high = (f"{r / unit:,.{digits}f}" for r in (statistics.median(rates), min(rates), max(rates)))
    return f"{middle} ({low} to {high})"


if __name__ == "__main__":
    main()
