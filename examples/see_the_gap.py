"""Draw imagined and executed plans of two models: the base model above, the online and adversarial one below.

It needs the checkpoints of `make reproduce`, or of the two trainings `base` and `online_adversarial`:

    python examples/see_the_gap.py            # writes runs/see_the_gap.png
"""

import argparse

import gymnasium as gym
import numpy as np

from gbplan.evaluation import TaskSet, evaluate, load_world_model
from gbplan.planners import GradientPlanner
from gbplan.plots import plot_paths
from gbplan.policies import Agent

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--models", nargs=2, default=["runs/base/best.ckpt", "runs/online_adversarial/best.ckpt"])
parser.add_argument("--output", default="runs/see_the_gap.png")
arguments = parser.parse_args()

# Both models get the same four validation tasks, in which the straight line to the goal runs into the wall.
tasks = TaskSet("DoorWall-v0", kind="detour", count=4, split="validation", min_distance=1.0).draw()
envs = gym.make_vec("gbplan:DoorWall-v0", num_envs=len(tasks))
# Executing a whole plan shows its errors; with replan_every=5, replanning would correct some of them.
agent = Agent(GradientPlanner(horizon=50, num_samples=258, restarts=2, iterations=60), replan_every=None)

executed, imagined, success = [], [], []
for path in arguments.models:
    result = evaluate(agent.policy(load_world_model(path)), envs, tasks)
    print(f"{path}: {result.summary()}")
    positions = result.trajectories.observations["achieved_goal"]
    executed += [positions[episode] for episode in result.trajectories.episodes()]
    imagined += list(result.imagined)
    success += list(result.success)

goals, walls = np.concatenate([tasks.goals] * 2), envs.unwrapped.background()
figure = plot_paths(executed, goals, np.array(success), imagined, walls, result.radius, columns=len(tasks))
figure.savefig(arguments.output, dpi=150)
print(f"wrote {arguments.output}: imagined paths are dashed, executed paths are solid")
