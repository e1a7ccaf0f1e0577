"""Planners on one small world model, ours beside those of other packages, in one run.

The model is ``z' = z + MLP([z, a])``, two hidden layers of 128 ReLUs, fitted for some seconds to a point in a square
that moves by a tenth of its action and is stopped by a wall at x = 0 with a door at |y| < 0.25. Starts lie left of the
wall, goals right of it; the cost is the squared distance after the last step, under the model, of actions clipped to
[-1, 1].

Planners are interleaved, and ratios taken within a round, so that a busy machine slows all of them alike. For the same
reason everything runs in one thread, and the clock counts the process's own CPU time. Other packages are timed if they
can be imported; ours are timed with autograd's rollout, too ("plain"). The floor is the matrix products alone.

    python benchmarks/planners.py            # prints the tables and writes them beside this file
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from peers import ELITES, ITERATIONS, SAMPLES, installed, pytorch_mppi, stable_worldmodel, torchrl_cem
from rollout import Times, interleave, ratio, without_fusion
from torch import Tensor
from tqdm import tqdm

from gbplan.envs.door_wall.simulator import PerfectDoorWallModel
from gbplan.networks import IdentityEncoder, MLPPredictor, WorldModel
from gbplan.objectives import GoalMSE
from gbplan.planners import (
    CEMPlanner,
    GradCEMPlanner,
    GradientPlanner,
    GRASPPlanner,
    ICEMPlanner,
    MPPIPlanner,
    Planner,
    PlanningProblem,
    RandomShooting,
    White,
)
from gbplan.policies import Agent

Plans = dict[str, Callable[[], Tensor | None]]
STEPS, LR = 100, 0.1
HIDDEN = 128


# ------------------------------------------------------------------------------------------------------- the problem


def wall_world(state: Tensor, action: Tensor) -> Tensor:
    """The world that the model is fitted to."""
    end = (state + 0.1 * action).clamp(-1, 1)
    move = end - state
    crosses = (state[:, 0] * end[:, 0] <= 0) & (move[:, 0] != 0)
    share = torch.where(crosses, -state[:, 0] / torch.where(crosses, move[:, 0], 1.0), 0.0)
    blocked = crosses & ((state[:, 1] + share * move[:, 1]).abs() > 0.25)
    return torch.stack([torch.where(blocked, 1e-3 * state[:, 0].sign(), end[:, 0]), end[:, 1]], dim=1)


def fit_model() -> WorldModel:
    torch.manual_seed(0)
    model = WorldModel(IdentityEncoder(2), MLPPredictor(2, 2, (HIDDEN, HIDDEN)))
    adam = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(1500):
        state, action = 2 * torch.rand(2, 1024, 2) - 1
        loss = (model.step(state[:, None], action[:, None]) - wall_world(state, action)).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    return model.eval()


def make_problem(model: WorldModel, batch: int) -> PlanningProblem:
    generator = torch.Generator().manual_seed(batch)
    across, along = torch.rand(2, batch, 2, generator=generator)
    start = torch.stack([-0.8 + 0.5 * across[:, 0], -0.6 + 1.2 * along[:, 0]], dim=1)
    goal = torch.stack([0.3 + 0.5 * across[:, 1], -0.6 + 1.2 * along[:, 1]], dim=1)
    one = torch.ones(2)
    return PlanningProblem(model, GoalMSE(), start[:, None], torch.zeros(batch, 0, 2), goal, -one, one)


def cost_of(problem: PlanningProblem, actions: Tensor | None) -> float:
    if actions is None:  # the package does not return the plan
        return float("nan")
    with torch.no_grad():
        mean_square = problem.cost(actions.detach().clamp(-1, 1)[:, None]).mean()
    return float(mean_square * problem.goal.shape[1])  # the squared distance


# ---------------------------------------------------------------------------------------------------------- planners


def ours(planner: Planner, problem: PlanningProblem) -> Callable[[], Tensor]:
    return lambda: planner.plan(problem).actions


def descent(horizon: int) -> GradientPlanner:
    return GradientPlanner(horizon, STEPS, LR, num_samples=1, restarts=1, init_std=0.0)


def refined(horizon: int) -> GradientPlanner:
    """Plain descent from the best 8 of 64 candidates, some of which pass the wall that stops descent from zero actions.

    Away from the wall, steps of a tenth of the action give the mean squared distance a curvature of 0.01 H: the step
    size is one and a half times its inverse, and beyond twice it would diverge. This factor, 8 restarts and 10 steps
    were chosen on 400 tasks that are not timed here; on one in a hundred of them Adam gets stuck.
    """
    return GradientPlanner(horizon, 10, 150 / horizon, optimizer="gd", num_samples=64, restarts=8)


def search(horizon: int, samples: int = SAMPLES) -> CEMPlanner:
    return CEMPlanner(horizon, ITERATIONS, samples, samples * ELITES // SAMPLES, White(), init_std=1.0)


def floor(batch: int, horizon: int, rows: int, passes: int, iterations: int) -> Callable[[], None]:
    """Only the matrix products of that many rollouts, into preallocated memory."""
    widths = [4, HIDDEN, HIDDEN, 2]
    matrices = [torch.randn(a, b) for a, b in pairwise(widths)]
    memory = [torch.randn(rows, width) for width in widths]

    @torch.no_grad()
    def products() -> None:
        for _ in range(iterations * batch * horizon):
            for i, matrix in enumerate(matrices):
                torch.mm(memory[i], matrix, out=memory[i + 1])
            for i, matrix in enumerate(reversed(matrices)) if passes == 2 else ():
                torch.mm(memory[3 - i], matrix.t(), out=memory[2 - i])

    return products


# ------------------------------------------------------------------------------------------------------------ tables


def measure(plans: Plans, problem: PlanningProblem, rounds: int) -> tuple[Times, dict[str, float]]:
    found: dict[str, Tensor | None] = {}

    def keep(name: str) -> Callable[[], None]:
        return lambda: found.__setitem__(name, plans[name]())

    times = interleave({name: keep(name) for name in plans}, rounds, 0.0)
    return times, {name: cost_of(problem, found[name]) for name in plans}


def milliseconds(times: Times, name: str) -> str:
    return f"{1e3 * statistics.median(times[name]):,.1f}" if name in times else "-"


def ratio_or_dash(times: Times, slow: str, fast: str) -> str:
    return f"{ratio(times, slow, fast):.1f}" if slow in times else "-"


def gradient_and_cem_tables(model: WorldModel, rounds: int) -> list[str]:
    gradient = [
        "| B | H | ours, ms | plain, ms | swm, ms | **swm / ours** | ours / floor | cost ours | cost swm |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    beside_cem = [
        "| B | H | gradient, ms | CEM, ms | **CEM / gradient** | CEM 100 x 30 / gradient | cost gradient | cost CEM | "
        "cost CEM 100 x 30 |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    cem = [
        "| B | H | ours, ms | swm, ms | torchrl, ms | **swm / ours** | torchrl / ours | ours / floor | cost ours | "
        "cost swm |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    faster: dict[tuple[str, str], list[str]] = {
        ("swm gradient", "gradient"): ["gradient descent than stable-worldmodel's, 100 steps of Adam"],
        ("cem", "refined"): ["gradient descent, 232 rollouts, than our CEM, 9,000, at no higher cost"],
        ("swm cem", "cem"): ["CEM than stable-worldmodel's, 300 samples x 30 iterations"],
    }
    cells = [(batch, horizon) for batch in (1, 16, 64) for horizon in (25, 50)]
    for batch, horizon in tqdm(cells, desc="gradient and CEM"):
        problem = make_problem(model, batch)
        plans: Plans = {
            "gradient": ours(descent(horizon), problem),
            "plain": without_fusion(ours(descent(horizon), problem)),
            "refined": ours(refined(horizon), problem),
            "cem": ours(search(horizon), problem),
            "third": ours(search(horizon, SAMPLES // 3), problem),
            "gradient floor": floor(1, horizon, batch, 2, STEPS),
            "cem floor": floor(batch, horizon, SAMPLES, 1, ITERATIONS),
        }
        if installed("stable_worldmodel"):
            adam = {"optimizer_cls": torch.optim.Adam, "optimizer_kwargs": {"lr": LR}}
            plans["swm gradient"] = stable_worldmodel(problem, horizon, "GradientSolver", n_steps=STEPS, **adam)
            plans["swm cem"] = stable_worldmodel(
                problem, horizon, "CEMSolver", num_samples=SAMPLES, n_steps=ITERATIONS, topk=ELITES
            )
        if installed("torchrl"):
            plans["torchrl cem"] = torchrl_cem(problem, horizon)
        times, cost = measure(plans, problem, rounds if batch == 1 else min(rounds, 3))
        ms = {name: milliseconds(times, name) for name in (*plans, "swm gradient", "swm cem", "torchrl cem")}
        shown = {name: f"{value:.4f}" for name, value in cost.items()}
        if horizon == 25:
            for way in faster:
                faster[way].append(ratio_or_dash(times, *way))
        gradient.append(
            f"| {batch} | {horizon} | {ms['gradient']} | {ms['plain']} | {ms['swm gradient']} | "
            f"{ratio_or_dash(times, 'swm gradient', 'gradient')} | "
            f"{ratio(times, 'gradient', 'gradient floor'):.1f} | {shown['gradient']} | "
            f"{shown.get('swm gradient', '-')} |"
        )
        beside_cem.append(
            f"| {batch} | {horizon} | {ms['refined']} | {ms['cem']} | {ratio(times, 'cem', 'refined'):.1f} | "
            f"{ratio(times, 'third', 'refined'):.1f} | "
            f"{' | '.join(f'{cost[name]:.1e}' for name in ('refined', 'cem', 'third'))} |"
        )
        cem.append(
            f"| {batch} | {horizon} | {ms['cem']} | {ms['swm cem']} | {ms['torchrl cem']} | "
            f"{ratio_or_dash(times, 'swm cem', 'cem')} | {ratio_or_dash(times, 'torchrl cem', 'cem')} | "
            f"{ratio(times, 'cem', 'cem floor'):.1f} | {shown['cem']} | {shown.get('swm cem', '-')} |"
        )
    return [
        "In short, at H = 25:",
        "",
        "| times faster | 1 problem | 16 | 64 |",
        "|---|---:|---:|---:|",
        *(f"| {' | '.join(row)} |" for row in faster.values()),
        "",
        "Gradient, 100 steps of Adam at 0.1 from zero actions:",
        "",
        *gradient,
        "",
        "Gradient, 10 steps of plain descent from the best 8 of 64 candidates, beside CEM, 300 x 30, and a third of",
        "its samples. Costs are mean squared distances in a world 2 wide: at 1e-6 a plan ends a thousandth away.",
        "",
        *beside_cem,
        "",
        "CEM, 300 x 30:",
        "",
        *cem,
    ]


def all_planners_table(model: WorldModel, rounds: int) -> list[str]:
    """Every planner at the usual budget of 300 samples x 30 iterations, beside similar ones of other packages."""
    problem, horizon = make_problem(model, 1), 25
    budget = {"horizon": horizon, "iterations": ITERATIONS, "num_samples": SAMPLES}
    plans: Plans = {
        "GradientPlanner, 100 Adam steps": ours(descent(horizon), problem),
        "GradientPlanner, defaults": ours(GradientPlanner(horizon), problem),
        "GRASPPlanner, defaults": ours(GRASPPlanner(horizon), problem),
        "CEMPlanner": ours(search(horizon), problem),
        "ICEMPlanner": ours(ICEMPlanner(**budget), problem),
        "MPPIPlanner": ours(MPPIPlanner(**budget), problem),
        "GradCEMPlanner": ours(GradCEMPlanner(**budget), problem),
        "RandomShooting": ours(RandomShooting(horizon, SAMPLES), problem),
    }
    if installed("stable_worldmodel"):
        shape = {"num_samples": SAMPLES, "n_steps": ITERATIONS, "topk": ELITES}
        for solver in ("ICEMSolver", "MPPISolver"):
            plans[f"stable-worldmodel {solver}"] = stable_worldmodel(problem, horizon, solver, **shape)
    if installed("pytorch_mppi"):
        plans["pytorch-mppi MPPI_Batched, 30 commands"] = pytorch_mppi(problem, horizon)
    times, cost = measure(plans, problem, rounds)
    lines = ["| planner, B = 1, H = 25 | ms | cost |", "|---|---:|---:|"]
    return lines + [f"| {name} | {milliseconds(times, name)} | {cost[name]:.4f} |" for name in plans]


def success_on_the_truth(planner: Planner, count: int = 64) -> float:
    """Share of detour tasks of DoorWall-v0 solved by replanning every 5 steps on its true dynamics."""
    envs = gym.make_vec("DoorWall-v0", count, task="detour", continuing_task=True)
    policy = Agent(planner).policy(PerfectDoorWallModel())
    policy.reset(envs, range(count))
    observation, _ = envs.reset(seed=list(range(1000, 1000 + count)))
    solved = np.zeros(count, dtype=bool)
    for _ in range(100):
        observation, _, _, _, info = envs.step(policy.act(observation, ~solved))
        solved |= info["is_success"]
    return float(solved.mean())


def grasp_table(model: WorldModel, rounds: int) -> list[str]:
    """Compare GRASP and gradient descent by time and by success on the true dynamics, at H = 50."""
    slow = "gradient plain, 78 candidates, 100 steps from the best 2"
    planners: dict[str, Planner] = {
        slow: GradientPlanner(iterations=100, num_samples=78, restarts=2),
        "gradient plain, defaults": GradientPlanner(),
        "gradient plain, 78 candidates, 12 steps from the best 2": GradientPlanner(
            iterations=12, num_samples=78, restarts=2
        ),
        "GRASP, defaults": GRASPPlanner(),
        "GRASP, 74 candidates, 10 iterations of the best 2": GRASPPlanner(
            iterations=10, sync_every=5, sync_steps=1, num_samples=74, restarts=2
        ),
        "GRASP, 30 candidates, 10 iterations of the best 2": GRASPPlanner(
            iterations=10, sync_every=5, sync_steps=1, num_samples=30, restarts=2
        ),
    }
    problem, columns = make_problem(model, 1), []
    success = {name: success_on_the_truth(planner) for name, planner in planners.items()}
    for horizon in (25, 50):
        plans: Plans = {}
        for name, planner in planners.items():
            plan = lambda planner=planner, horizon=horizon: planner.plan(problem, horizon=horizon).actions  # noqa: E731
            plans[name] = without_fusion(plan) if "plain" in name else plan
        columns.append(measure(plans, problem, rounds))
    lines = [
        "| planner, B = 1 | ms, H = 25 | times faster than the first | cost | ms, H = 50 | times faster | cost | "
        "success on the truth |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name in planners:
        cells = [
            f"{milliseconds(times, name)} | {ratio(times, slow, name):.1f} | {cost[name]:.4f}"
            for times, cost in columns
        ]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | {100 * success[name]:.0f} % |")
    return lines


def control_rate(model: WorldModel, rounds: int) -> list[str]:
    """Plans per second of a single task at H = 25, from the rest of the previous plan."""
    problem = make_problem(model, 1)
    init = GradientPlanner(25).plan(problem).actions
    planners = {
        "GradientPlanner, 78 candidates, 12 steps from the best 2": GradientPlanner(25, 12, num_samples=78, restarts=2),
        "GradientPlanner, 10 steps from the last plan": GradientPlanner(25, 10, num_samples=1, restarts=1),
        "GRASPPlanner, 74 candidates, 10 iterations of the best 2": GRASPPlanner(
            25, 10, sync_every=5, sync_steps=1, num_samples=74, restarts=2
        ),
        "MPPIPlanner, 4 x 32": MPPIPlanner(25, 4, 32),
    }
    ways = {name: (lambda planner=planner: planner.plan(problem, init)) for name, planner in planners.items()}
    times = interleave(ways, rounds, 0.05)
    lines = ["| planner, B = 1, H = 25, warm-started | ms | Hz |", "|---|---:|---:|"]
    for name in planners:
        seconds = statistics.median(times[name])
        lines.append(f"| {name} | {1e3 * seconds:.1f} | {1 / seconds:,.0f} |")
    return lines


def peak_memory() -> str:
    """Peak resident memory of a separate process that plans 64 tasks by CEM, and of one that does not plan."""
    peaks = []
    for planning in (1, 0):
        output = subprocess.run(
            [sys.executable, __file__, f"--only-memory={planning}"], capture_output=True, text=True, check=True
        )
        peaks.append(int(output.stdout))
    return (
        f"Peak memory of a process that plans 64 problems by CEM, H = 50: {peaks[0]:,} MiB; not planning, {peaks[1]:,}."
    )


def versions() -> str:
    names = ["torch", "numba", "numpy"]
    names += [name for name in ("stable_worldmodel", "torchrl", "pytorch_mppi") if installed(name)]
    from importlib.metadata import version

    return ", ".join(f"{name} {version(name.replace('_', '-'))}" for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    parser.add_argument("--only-memory", type=int, choices=(0, 1), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    if arguments.only_memory is not None:
        if arguments.only_memory:
            problem = make_problem(WorldModel(IdentityEncoder(2), MLPPredictor(2, 2, (HIDDEN, HIDDEN))), 64)
            search(50).plan(problem)
        # Not getrusage, whose peak a child inherits from the process that forked it.
        status = Path("/proc/self/status").read_text()
        print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
        return
    model = fit_model()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    load = os.getloadavg()[0]
    text = "\n".join(
        [
            "# Planners",
            "",
            f"Command: `python benchmarks/planners.py --rounds {arguments.rounds}`, commit {commit.stdout.strip()}, "
            f"one thread of {os.cpu_count()} {platform.machine()} cores, shared with other work (load average "
            f"{load:.1f}), Python {platform.python_version()}, {versions()}.",
            "",
            "Medians of CPU time; ratios are medians within rounds. `plain` is our planner with autograd's rollout,",
            "`swm` is stable-worldmodel, `floor` the matrix products alone. More on the columns: in the script.",
            "",
            *gradient_and_cem_tables(model, arguments.rounds),
            "",
            "GRASP. Success on the truth is that of replanning every 5 steps through the true dynamics of",
            "DoorWall-v0, on 64 detour tasks, with H = 50:",
            "",
            *grasp_table(model, arguments.rounds),
            "",
            "All planners:",
            "",
            *all_planners_table(model, min(arguments.rounds, 5)),
            "",
            "Control rate:",
            "",
            *control_rate(model, arguments.rounds),
            "",
            peak_memory(),
            "",
        ]
    )
    arguments.output.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
