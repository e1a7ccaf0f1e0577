"""All planners on a base and an online model: success of MPC on held-out detour tasks, at equal calls and equal time.

Every planner is as in ``configs/planners``, where it spends 128 rollouts a plan (GradCEM 126, the paper's gradient
planner 202), and has its number of samples halved and doubled besides. Each evaluation is a result of
``gbplan evaluate``, and kept: the script goes on where it stopped. At equal time is the success where a plan takes as
long as that of ``gradient.yaml``, on the line through the budgets to either side, by the logarithm of the time; a
planner none of whose budgets is as long, or as short, has none. Times are CPU time per plan, of 64 made at once.

    python benchmarks/planner_comparison.py      # writes the table beside this file

Needs ``make reproduce``, and ``gbplan fit --config configs/door_wall/init_network.yaml``.
"""

import argparse
import contextlib
import hashlib
import io
import os
import statistics
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from plan_time import read_planner

from gbplan.describe import describe
from gbplan.evaluation import TaskSet, load_world_model, run_evaluation
from gbplan.objectives import ReachGoal
from gbplan.planners import InitializedPlanner, Planner, PlanningProblem
from gbplan.policies import Agent
from gbplan.report.result_files import RESULT_FILE, read_result

PLANNERS = {
    "gradient": "gradient",
    "gradient, init network": "gradient_initialized",
    "gradient, the paper's": "gradient_paper",
    "GRASP": "grasp_equal_calls",
    "GradCEM": "gradcem_equal_calls",
    "CEM": "cem_equal_calls",
    "iCEM": "icem_equal_calls",
    "MPPI": "mppi_equal_calls",
    "random shooting": "random_shooting_equal_calls",
}
FACTORS = (0.5, 1, 2)
MODELS = ("base", "online")
FOLDER = Path("runs/planners")
TASKS: dict[str, Any] = {"env_id": "DoorWall-v0", "kind": "detour", "min_distance": 1.0}


def result_of(model: str, name: str, factor: float) -> Path:
    return FOLDER / f"{model}-{name}-{factor:g}"


def planner_of(name: str, factor: float) -> Planner:
    """A planner of ``configs/planners`` with so many times its samples."""
    planner = read_planner(name)
    sampler: Any = planner.planner if isinstance(planner, InitializedPlanner) else planner
    changed = {"num_samples": max(round(factor * sampler.num_samples), getattr(sampler, "restarts", 1))}
    if hasattr(sampler, "num_elites"):
        changed["num_elites"] = max(2, round(factor * sampler.num_elites))
    sampler = replace(sampler, **changed)
    return replace(planner, planner=sampler) if isinstance(planner, InitializedPlanner) else sampler


def evaluate(model: str, name: str, factor: float, count: int) -> None:
    """Evaluate one budget, unless its result is there and of the same model, planner and tasks."""
    folder, planner = result_of(model, name, factor), planner_of(name, factor)
    path = Path("runs", model, "best.ckpt")
    if (folder / RESULT_FILE).exists():
        there = read_result(folder / RESULT_FILE)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        made = [there["method"]["model_sha256"], there["method"]["planner"], there["tasks"]["detour"]["count"]]
        if made == [digest, describe(planner), count]:
            return
    with contextlib.redirect_stdout(io.StringIO()):
        run_evaluation(
            str(folder), ckpt_path=str(path), agent=Agent(planner), tasks=TaskSet(count=count, **TASKS),
            diagnostic_tasks=0, num_threads=1, overwrite=True,
        )  # fmt: skip


def milliseconds(model: str, rounds: int = 3) -> dict[tuple[str, float], float]:
    """CPU time per plan and task of every budget, 64 tasks together; interleaved, since other work may slow some."""
    world_model = load_world_model(f"runs/{model}/best.ckpt")
    tasks = TaskSet(count=64, split="validation", **TASKS).draw()
    present, one = {"observation": tasks.states[:, None], "desired_goal": tasks.goals[:, None]}, np.ones(2)
    problem = PlanningProblem.from_observations(world_model, ReachGoal(), present, bounds=(-one, one))
    keys = [(name, factor) for name in PLANNERS.values() for factor in FACTORS if has_budget(name, factor)]
    planners = {key: planner_of(*key) for key in keys}
    times: dict[tuple[str, float], list[float]] = {key: [] for key in keys}
    for turn in range(rounds + 1):  # the first warms up
        for key, planner in planners.items():
            began = process_time()
            planner.plan(problem, generator=torch.Generator().manual_seed(turn))
            times[key].append(process_time() - began)
    return {key: 1000 * statistics.median(taken[1:]) / 64 for key, taken in times.items()}


def has_budget(name: str, factor: float) -> bool:
    """The paper's gradient planner has a single candidate: there is nothing to halve or double."""
    return factor == 1 or name != "gradient_paper"


def at_time(model: str, name: str, times: dict[tuple[str, float], float], wanted: float) -> str:
    """Success in %, on the line through the planner's budgets, where a plan takes ``wanted`` milliseconds."""
    found = []
    for factor in FACTORS:
        if has_budget(name, factor):
            metrics = read_result(result_of(model, name, factor) / RESULT_FILE)["tasks"]["detour"]
            found.append((times[name, factor], metrics["success"]["rate"]))
    taken, rates = np.array(sorted(found)).T
    if not taken[0] <= wanted <= taken[-1]:
        return "-"
    return f"{100 * np.interp(np.log(wanted), np.log(taken), rates):.1f}"


def main() -> None:
    """Evaluate what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=256, help="held-out tasks")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(arguments.jobs) as pool:
        jobs = [
            pool.submit(evaluate, model, name, factor, arguments.count)
            for factor in sorted(FACTORS, key=lambda factor: abs(np.log2(factor)))
            for name in PLANNERS.values()
            for model in MODELS
            if has_budget(name, factor)
        ]
        for job in jobs:
            job.result()
    torch.set_num_threads(1)
    times = {model: milliseconds(model) for model in MODELS}
    lines = [
        "| planner | "
        + " | ".join(f"{model}, % | believed, % | cost | ms | at equal time, %" for model in MODELS)
        + " |",
        "|---|" + "---:|" * 5 * len(MODELS),
    ]
    for label, name in PLANNERS.items():
        cells = []
        for model in MODELS:
            metrics = read_result(result_of(model, name, 1) / RESULT_FILE)["tasks"]["detour"]
            rate = metrics["success"]
            cells += [
                f"{100 * rate['rate']:.1f} [{100 * rate['low']:.1f}, {100 * rate['high']:.1f}]",
                f"{100 * metrics['believed_success']['rate']:.1f}",
                f"{metrics['planning']['first_cost']:.3f}",
                f"{times[model][name, 1]:.2f}",
                at_time(model, name, times[model], times[model]["gradient", 1]),
            ]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    used = {result_of(model, name, factor) for model in MODELS for name in PLANNERS.values() for factor in FACTORS}
    provenances = [read_result(path / RESULT_FILE)["provenance"] for path in sorted(used) if path.exists()]
    made, commits = provenances[0], ", ".join(sorted({str(each["commit"]) for each in provenances}))
    text = f"""# All planners

Command: `python benchmarks/planner_comparison.py --count {arguments.count} --jobs {arguments.jobs}`, commit \
{commits}, {made["machine"]}, torch {made["torch"]}, Python {made["python"]}.

MPC on {arguments.count} held-out detour tasks, replanning every 5 steps; success with 95 % interval, belief and mean
cost of the first plan under the model, and CPU
milliseconds per plan (of 64 made together, one thread), at 128 rollouts a plan (GradCEM 126, the
paper's 202); then success at the time that `gradient` takes.

""" + "\n".join(lines)
    Path(__file__).with_suffix(".md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
