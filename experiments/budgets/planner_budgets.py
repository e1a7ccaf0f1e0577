"""Chooses how each planner splits one budget, by success on validation tasks, from equally many settings.

A planner's split of its model calls (CEM: samples and iterations) affects its success, so a comparison at equal calls
also compares splits. Each planner of ``planner_budgets.yaml`` has the same number of settings tried, on learned models
of one class, on detour tasks that neither judge nor choose checkpoints: the validation split under another seed than
``PlanningValidation``'s. The setting that solves most, all models together, is what ``configs/planners`` takes; the
first one, which was in use before, stays if it solves fewer by less than the standard error of the paired difference.

    cd experiments/budgets
    python planner_budgets.py --models ../../runs/base/best.ckpt ../../runs/online/best.ckpt  # writes the page
    python planner_budgets.py --settings planner_budgets_open_loop.yaml --models ...  # for planning once
    python planner_budgets.py --settings planner_budgets_latent.yaml --models ...  # for latents and blocks
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from jsonargparse import ArgumentParser

from gbplan.data import make_vector_env, run_episodes
from gbplan.evaluation import TaskSet, load_world_model, wilson_interval
from gbplan.evaluation.provenance import provenance
from gbplan.planners import Planner
from gbplan.policies import Agent

HERE = Path(__file__).parent
Setting = dict[str, Any]


def read_settings(path: Path) -> dict[str, Any]:
    """The settings of a file, over those of the one it is like."""
    settings: dict[str, Any] = yaml.safe_load(path.read_text())
    like = settings.pop("like", None)
    return settings if like is None else read_settings(path.parent / like) | settings


def build(entry: dict[str, Any], setting: Setting, horizon: int) -> Planner:
    """The planner of one setting."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Planner, "planner")
    chosen = {"class_path": entry["class_path"], "init_args": {"horizon": horizon} | entry["shared"] | setting}
    planner: Planner = parser.instantiate(parser.parse_object({"planner": chosen})).planner
    return planner


def successes(
    env_id: str, path: str, planner: Planner, replan_every: int | None, count: int, seed: int
) -> tuple[list[bool], int]:
    """Which of ``count`` tasks are solved, and the model calls of a plan."""
    torch.set_num_threads(1)
    policy = Agent(planner, replan_every=replan_every).policy(load_world_model(path))
    tasks = TaskSet(env_id, kind="detour", count=count, split="validation", seed=seed, min_distance=1.0).draw()
    envs = make_vector_env(env_id, count)
    episodes = run_episodes(envs, policy, seeds=tasks.seeds.tolist(), states=tasks.states, goals=tasks.goals)
    reached = [
        bool(episodes.infos["is_success"][start : start + length + 1].any())
        for start, length in zip(episodes.starts, episodes.lengths, strict=True)
    ]
    return reached, round(policy.effort.model_calls / policy.effort.plans)


def choose(solved: list[list[bool]]) -> int:
    """Which of the settings to take; ``solved`` has the outcomes of each on the same tasks."""
    totals = [sum(outcomes) for outcomes in solved]
    best = totals.index(max(totals))
    ahead = np.subtract(np.array(solved[best], float), solved[0])
    return best if ahead.mean() > ahead.std() / len(ahead) ** 0.5 else 0


def in_words(setting: Setting) -> str:
    """A setting, short."""
    plain = {key: value["init_args"] if isinstance(value, dict) else value for key, value in setting.items()}
    return ", ".join(
        f"{key} {value if not isinstance(value, dict) else ' '.join(f'{k} {v}' for k, v in value.items())}"
        for key, value in plain.items()
    )


def with_interval(solved: int, count: int) -> str:
    low, high = wilson_interval(solved, count)
    return f"{100 * solved / count:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def main() -> None:
    """Run every setting on every model and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["runs/base/best.ckpt", "runs/online/best.ckpt"])
    parser.add_argument("--settings", type=Path, default=HERE / "planner_budgets.yaml")
    parser.add_argument("--planners", nargs="+", help="only these")
    parser.add_argument("--count", type=int, default=256, help="validation tasks")
    parser.add_argument("--seed", type=int, default=3, help="of the validation tasks")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--output", type=Path, help="the page; by default beside the settings")
    arguments = parser.parse_args()
    settings = read_settings(arguments.settings)
    entries = {k: v for k, v in settings["planners"].items() if k in (arguments.planners or settings["planners"])}
    cells = [
        (name, i, path) for name in entries for i in range(len(entries[name]["tried"])) for path in arguments.models
    ]
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(arguments.jobs) as pool:
        jobs = {}
        for name, i, path in cells:
            planner = build(entries[name], entries[name]["tried"][i], settings["horizon"])
            task = (settings["env_id"], path, planner, settings["replan_every"], arguments.count, arguments.seed)
            jobs[name, i, path] = pool.submit(successes, *task)
        found = {}
        for key, job in jobs.items():
            found[key], calls = job.result()
            rollouts = calls / settings["horizon"]
            if not settings["rollouts"] - settings["unspent"] <= rollouts <= settings["rollouts"]:
                raise ValueError(f"{key[0]}, setting {key[1] + 1}, spends {rollouts:g} rollouts a plan")
            print(*key, with_interval(sum(found[key]), arguments.count), flush=True)

    names = [Path(path).parent.name for path in arguments.models]
    lines = [
        "| planner | setting | " + " | ".join(f"{name}, %" for name in names) + " | mean, % | |",
        "|---|---|" + "---:|" * (len(names) + 1) + "---|",
    ]
    for name, entry in entries.items():
        solved = [
            [outcome for path in arguments.models for outcome in found[name, i, path]]
            for i in range(len(entry["tried"]))
        ]
        for i, setting in enumerate(entry["tried"]):
            rates = [with_interval(sum(found[name, i, path]), arguments.count) for path in arguments.models]
            mean, chosen = 100 * sum(solved[i]) / len(solved[i]), "chosen" if i == choose(solved) else ""
            lines.append(f"| {name} | {in_words(setting)} | {' | '.join(rates)} | {mean:.1f} | {chosen} |")
    made, steps = provenance(), settings["replan_every"]
    every = "every model step" if steps == 1 else f"every {steps} model steps"
    how = f"the agent replans {every}" if steps else "the agent plans once"
    text = f"""# How planners split their budget

Command: `python experiments/budgets/planner_budgets.py --models {" ".join(arguments.models)} --settings \
experiments/budgets/{arguments.settings.name} --count {arguments.count} --seed {arguments.seed}`, \
commit {made["commit"]}, {made["processor"]}, torch {made["torch"]}, Python {made["python"]}.

{settings["env_id"]}: a plan of {settings["horizon"]} model steps may spend {settings["rollouts"]} rollouts of the \
model, and {how}.
The table shows success in %, with 95 % interval, on {arguments.count} detour tasks of the validation split (seed \
{arguments.seed}),
which are used for nothing else. Planners that have settings to choose are tried with equally many. The setting that
solves most tasks, all models together, is chosen. The first one, which was in use before, is kept if the best is ahead
by less than the standard error of the paired difference. The settings are in `{arguments.settings.name}`.

""" + "\n".join(lines)
    (arguments.output or arguments.settings.with_suffix(".md")).write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
