"""Time of a gradient plan beside CEM at the usual budget, through a trained world model, on detour tasks.

Both plan the same tasks with the same model, objective and horizon (50), as ``configs/planners`` has them:
``gradient`` (128 rollouts), ``gradient_384_rollouts``, ``gradient_open_loop`` (500) and ``cem`` (300 samples x 30
iterations, 9,000).
Plans are interleaved, in one thread, on the process's own CPU time; the share is taken within a round. On a GPU it is
wall time, and the gradient plan is timed without CUDA graphs, too.

    python benchmarks/plan_time.py --ckpt_path runs/online_adversarial/best.ckpt    # writes the table beside this file
    python benchmarks/plan_time.py --device cuda                                    # writes plan_time_cuda.md
"""

import argparse
import os
import platform
import statistics
import subprocess
from pathlib import Path
from time import perf_counter, process_time
from unittest import mock

import torch
from jsonargparse import ArgumentParser

from gbplan.evaluation import TaskSet, load_world_model
from gbplan.objectives import ReachGoal
from gbplan.planners import Plan, Planner, PlanningProblem
from gbplan.planners import problem as planning

HERE = Path(__file__).parent
CEM = "cem"
NAMES = ("gradient", "gradient_384_rollouts", "gradient_open_loop", CEM)


def read_planner(name: str) -> Planner:
    """Build a planner from its configuration."""
    parser = ArgumentParser()
    parser.add_subclass_arguments(Planner, "planner")
    planner: Planner = parser.instantiate(
        parser.parse_args([f"--planner={HERE.parent}/configs/planners/{name}.yaml"])
    ).planner
    return planner


class WithoutGraphs:
    """A planner whose every iteration is launched kernel by kernel."""

    def __init__(self, planner: Planner) -> None:
        self.planner = planner

    def plan(self, problem: PlanningProblem, generator: torch.Generator) -> Plan:
        """Plan."""
        with mock.patch.object(planning, "capture_for", return_value=None):
            return self.planner.plan(problem, generator=generator)


def now(device: str) -> float:
    """Return seconds: the process's CPU time, or wall time after the GPU has finished its work."""
    if device == "cpu":
        return process_time()
    torch.cuda.synchronize()
    return perf_counter()


def main() -> None:
    """Time the plans and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt_path", default="runs/online_adversarial/best.ckpt")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = arguments.device
    model = load_world_model(arguments.ckpt_path).to(device)
    planners: dict[str, Planner | WithoutGraphs] = {name: read_planner(name) for name in NAMES}
    if device != "cpu":
        planners["gradient, without graphs"] = WithoutGraphs(read_planner("gradient"))
    time = "CPU ms" if device == "cpu" else "ms"
    lines = [f"| batch | planner | {time} per batch | share of CEM's | mean cost |", "|---:|---|---:|---:|---:|"]
    for batch in (1, 64):
        tasks = TaskSet("DoorWall-v0", kind="detour", count=batch, split="validation", min_distance=1.0).draw()
        present, one = {"observation": tasks.states[:, None], "desired_goal": tasks.goals[:, None]}, torch.ones(2)
        problem = PlanningProblem.from_observations(model, ReachGoal(), present, bounds=(-one, one))
        times: dict[str, list[float]] = {name: [] for name in planners}
        cost = {}
        for turn in range(arguments.rounds + 1):  # the first warms up
            for name, planner in planners.items():
                began = now(device)
                plan = planner.plan(problem, generator=torch.Generator().manual_seed(turn))
                if turn:
                    times[name].append(now(device) - began)
                cost[name] = float(plan.cost.mean())
        for name in planners:
            share = statistics.median(mine / cem for mine, cem in zip(times[name], times[CEM], strict=True))
            milliseconds = 1000 * statistics.median(times[name])
            lines.append(f"| {batch} | {name} | {milliseconds:.1f} | {100 * share:.1f} % | {cost[name]:.3f} |")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    gpu = "" if device == "cpu" else f"{torch.cuda.get_device_name()}, "
    made_at = (
        f"commit {commit.stdout.strip()}, {gpu}one thread of {os.cpu_count()} {platform.machine()} cores, load average "
        f"{os.getloadavg()[0]:.1f}, torch {torch.__version__}, Python {platform.python_version()}"
    )
    text = f"""# Time of a plan

Command: `python benchmarks/plan_time.py --ckpt_path runs/online_adversarial/best.ckpt --device {device}`, {made_at}.
Horizon 50; medians over {arguments.rounds} rounds, each with a draw of the planners' noise.

""" + "\n".join(lines)
    (HERE / f"plan_time{'' if device == 'cpu' else '_' + device}.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
