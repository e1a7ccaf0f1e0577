"""Time saved by the fused rollout of a perceptron, alone and in whole plans.

The model is the one of the peers' benchmarks: 2 latent and 2 action dimensions, two hidden layers of 128 ReLUs,
residual, float32. Ways to roll out:

- ``plain``: the modules step by step, differentiated by autograd, parameters requiring gradients as in training;
- ``fused``: ``WorldModel.rollout`` inside ``constant_parameters``, as ``PlanningProblem`` calls it;
- ``floor``: the matrix products alone, into preallocated memory, a lower bound for everything that uses them. The
  compiled loops can be faster: they skip dead units, and calls.

The ways are interleaved and ratios taken within a round, so that a busy machine slows all of them alike. For the same
reason everything runs in one thread, and the clock counts the process's own CPU time.

    python benchmarks/rollout.py            # prints the tables and writes them beside this file
"""

import argparse
import os
import platform
import statistics
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from time import process_time as clock
from unittest import mock

import numba
import numpy as np
import torch
from tqdm import tqdm

from gbplan.networks import IdentityEncoder, MLPPredictor, WorldModel
from gbplan.networks.fused import mlp
from gbplan.networks.fused import rollout as recognising
from gbplan.networks.fused.constant_parameters import constant_parameters
from gbplan.networks.mlp import Activation
from gbplan.objectives import ReachGoal
from gbplan.planners import CEMPlanner, GradientPlanner, Planner, PlanningProblem, White, memory

WIDTH = 128
WIDE = 512
Times = dict[str, list[float]]


def make_model() -> WorldModel:
    torch.manual_seed(0)
    return WorldModel(IdentityEncoder(2), MLPPredictor(2, 2, (WIDTH, WIDTH)))


def make_wide_model(activation: Activation) -> WorldModel:
    """The sizes of configs/push_t: a latent of ten numbers, and five actions of two in a block."""
    torch.manual_seed(0)
    return WorldModel(IdentityEncoder(10), MLPPredictor(10, 10, (WIDE, WIDE, WIDE), activation=activation))


def make_problem(model: WorldModel, batch: int) -> PlanningProblem:
    torch.manual_seed(1)
    (dim,), actions = model.latent_shape, model.action_dim
    one, context, goal = torch.ones(actions), torch.randn(batch, 1, dim), torch.randn(batch, 2)
    return PlanningProblem(model, ReachGoal(0.5), context, torch.zeros(batch, 0, actions), goal, -one, one)


def in_chunks(rows: int, run: Callable[[], object]) -> Callable[[], object]:
    def patched() -> object:
        with mock.patch.object(memory, "rows_at_once", return_value=rows):
            return run()

    return patched


def without_fusion(run: Callable[[], object]) -> Callable[[], object]:
    def patched() -> object:
        # A perceptron that cannot be taken apart is rolled out module by module.
        with mock.patch.object(recognising, "_plain_parameters", return_value=None):
            return run()

    return patched


def products_only(run: Callable[[], object]) -> Callable[[], object]:
    def patched() -> object:
        with mock.patch.object(mlp, "_most_compiled_rows", return_value=0):
            return run()

    return patched


def interleave(ways: dict[str, Callable[[], object]], rounds: int, seconds: float) -> Times:
    """CPU seconds per call in each round, after a call to warm up; a round runs each way for about ``seconds``."""
    calls = {}
    for name, run in ways.items():
        run()
        started = clock()
        if seconds:
            run()
        calls[name] = max(1, int(seconds / max(clock() - started, 1e-6)))
    times: Times = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            started = clock()
            for _ in range(calls[name]):
                run()
            times[name].append((clock() - started) / calls[name])
    return times


def ratio(times: Times, slow: str, fast: str) -> float:
    return statistics.median(a / b for a, b in zip(times[slow], times[fast], strict=True))


def ways_of(model: WorldModel, batch: int, horizon: int, backward: bool) -> dict[str, Callable[[], object]]:
    context, actions = torch.randn(batch, 1, 2), torch.randn(batch, horizon, 2)
    weight = torch.randn(batch, horizon, 2)
    widths = [4, WIDTH, WIDTH, 2]
    rows = [torch.randn(batch, width) for width in widths]
    matrices = [torch.randn(a, b) for a, b in pairwise(widths)]

    @torch.no_grad()
    def floor() -> None:
        for _ in range(horizon):
            for i, matrix in enumerate(matrices):
                torch.mm(rows[i], matrix, out=rows[i + 1])
            for i, matrix in enumerate(reversed(matrices)) if backward else ():
                torch.mm(rows[3 - i], matrix.t(), out=rows[2 - i])

    def roll_out() -> object:
        with constant_parameters(), torch.set_grad_enabled(backward):
            x = actions.detach().requires_grad_(backward)
            predicted = model.rollout(context, x[:, :0], x)
            return torch.autograd.grad(predicted, x, weight) if backward else predicted

    return {"plain": without_fusion(roll_out), "fused": roll_out, "products": products_only(roll_out), "floor": floor}


def rollout_table(model: WorldModel, rounds: int) -> list[str]:
    lines = [
        "| pass | B | H | plain, us | fused, us | plain / fused | fused in torch, us | floor, us | fused / floor |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    cells = [(b, h, back) for back in (False, True) for h in (25, 50) for b in (1, 16, 64, 256, 1024)]
    for batch, horizon, backward in tqdm(cells, desc="rollouts"):
        times = interleave(ways_of(model, batch, horizon, backward), rounds, 0.02)
        us = {name: f"{1e6 * statistics.median(taken):,.0f}" for name, taken in times.items()}
        name = "forward and backward" if backward else "forward"
        lines.append(
            f"| {name} | {batch} | {horizon} | {us['plain']} | {us['fused']} | {ratio(times, 'plain', 'fused'):.1f} | "
            f"{us['products']} | {us['floor']} | {ratio(times, 'fused', 'floor'):.1f} |"
        )
    return lines


def chunk_table(model: WorldModel, rounds: int) -> list[str]:
    sizes = (64, 128, 256, 512, 1024, 2048, 4096)
    lines = ["| rows per chunk | candidates only, us per row | with gradients, us per row |", "|---:|---:|---:|"]
    actions = torch.rand(64, 64, 50, 2) * 2 - 1
    columns = []
    for backward in (False, True):

        def run(backward: bool = backward) -> object:
            with torch.set_grad_enabled(backward):
                x = actions.detach().requires_grad_(backward)
                cost = make_problem(model, 64).cost(x)
                return torch.autograd.grad(cost.sum(), x) if backward else cost

        ways = {str(chunk): in_chunks(chunk, run) for chunk in sizes}
        columns.append(interleave(ways, rounds, 0.0))
    for chunk in sizes:
        cells = [f"{1e6 * statistics.median(column[str(chunk)]) / 4096:.1f}" for column in columns]
        lines.append(f"| {chunk} | {cells[0]} | {cells[1]} |")
    return lines


def plans_of(horizon: int, iterations: int) -> list[tuple[str, Planner, int]]:
    gradient = GradientPlanner(horizon, 100, num_samples=1, restarts=1, init_std=0.0)
    default = GradientPlanner(horizon)
    cem = CEMPlanner(horizon, iterations, noise=White(), init_std=1.0)
    cells: list[tuple[str, Planner, int]] = []
    cells += [("GradientPlanner, 100 Adam steps, 1 start", gradient, batch) for batch in (1, 16, 64)]
    cells += [("GradientPlanner, defaults", default, batch) for batch in (1, 16)]
    cells += [(f"CEMPlanner, 300 samples, {iterations} iterations", cem, batch) for batch in (1, 16)]
    return cells


def plan_table(model: WorldModel, cells: list[tuple[str, Planner, int]], rounds: int) -> list[str]:
    lines = [
        "| planner | B | plain, ms | fused, ms | plain / fused | mean cost, plain | mean cost, fused |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, planner, batch in tqdm(cells, desc="plans"):
        problem, found = make_problem(model, batch), {}

        def plan(way: str, planner: Planner = planner, problem: PlanningProblem = problem, found: dict = found) -> None:
            found[way] = planner.plan(problem).cost

        ways = {"plain": without_fusion(lambda plan=plan: plan("plain")), "fused": lambda plan=plan: plan("fused")}
        times = interleave(ways, rounds if batch <= 16 else min(rounds, 3), 0.0)
        ms = {way: f"{1e3 * statistics.median(taken):,.1f}" for way, taken in times.items()}
        lines.append(
            f"| {name} | {batch} | {ms['plain']} | {ms['fused']} | {ratio(times, 'plain', 'fused'):.1f} | "
            f"{found['plain'].mean():.4f} | {found['fused'].mean():.4f} |"
        )
    return lines


def wide_tables(rounds: int) -> list[str]:
    lines = []
    for activation in ("silu", "gelu"):
        lines += [f"Whole plans with a network of 3x{WIDE} {activation}, H = 7:", ""]
        lines += [*plan_table(make_wide_model(activation), plans_of(7, 3), rounds), ""]
    return lines


def processor() -> str:
    """Return the system's name of the processor, and whether it has AVX-512."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {'AVX-512' if 'avx512f' in ' '.join(lines) else 'no AVX-512'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--plan-rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = make_model()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    text = "\n".join(
        [
            "# Rollout of a perceptron",
            "",
            f"Command: `python benchmarks/rollout.py --rounds {arguments.rounds} --plan-rounds "
            f"{arguments.plan_rounds}`, commit {commit.stdout.strip()}, one thread of {os.cpu_count()} cores "
            f"({processor()}), shared with other work (load average {os.getloadavg()[0]:.1f}), torch "
            f"{torch.__version__}, numba {numba.__version__}, numpy {np.__version__}, Python "
            f"{platform.python_version()}.",
            "",
            "MLP 2x128, float32. Medians of CPU time; ratios are medians within rounds. `fused` is the compiled",
            "loops or torch's products, whichever was found faster here; `fused in torch` is the products alone.",
            "More on the columns: in the script.",
            "",
            *rollout_table(model, arguments.rounds),
            "",
            "`PlanningProblem.cost` of 4,096 candidates, H = 50:",
            "",
            *chunk_table(model, arguments.plan_rounds),
            "",
            "Whole plans, H = 25:",
            "",
            *plan_table(model, plans_of(25, 30), arguments.plan_rounds),
            "",
            *wide_tables(arguments.plan_rounds),
        ]
    )
    arguments.output.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
