"""Use a planner in your own control loop: observe, improve the rest of the last plan, act, many times a second.

It needs a trained model. `make reproduce` trains the default one; `--model` takes any other checkpoint:

    python examples/control_loop.py --model runs/online_adversarial/best.ckpt
"""

import argparse
import time

import gymnasium as gym
import torch

import gbplan  # noqa: F401  (registers DoorWall-v0)
from gbplan.evaluation import load_world_model
from gbplan.objectives import ReachGoal
from gbplan.planners import GradientPlanner, PlanningProblem

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model", default="runs/online_adversarial/best.ckpt")
parser.add_argument("--replan_every", type=int, default=1, help="number of actions to execute before the next plan")
arguments = parser.parse_args()

torch.set_num_threads(1)  # for a single plan, waking a second thread takes longer than the arithmetic
model = load_world_model(arguments.model)
env = gym.make("DoorWall-v0")
observation, info = env.reset(seed=0, options={"state": [-1.0, 1.5], "goal": [1.2, 1.0]})
bounds = env.action_space.low, env.action_space.high

first = GradientPlanner(horizon=50)  # the default settings: many candidates for the first plan
later = GradientPlanner(horizon=50, num_samples=1, restarts=1, iterations=10)  # only improves the last plan
plan, seconds = None, []
for step in range(env.spec.max_episode_steps):
    if step % arguments.replan_every == 0:
        began = time.perf_counter()
        present = {key: value[None, None] for key, value in observation.items()}  # one task, one frame
        problem = PlanningProblem.from_observations(model, ReachGoal(), present, bounds=bounds)
        if plan is None:
            plan = first.plan(problem)
        else:  # start from the rest of the last plan, filled up with zero actions
            rest = plan.actions[:, arguments.replan_every :]
            still = rest.new_zeros(1, later.horizon - rest.shape[1], 2)
            plan = later.plan(problem, init=torch.cat([rest, still], dim=1))
        seconds.append(time.perf_counter() - began)
    action = plan.actions[0, step % arguments.replan_every]
    observation, reward, terminated, truncated, info = env.step(action.numpy())
    if terminated or truncated:
        break

reached = "reached" if info["is_success"] else "not reached"
rate = len(seconds[1:]) / sum(seconds[1:]) if seconds[1:] else float("nan")
print(f"goal {reached} after {step + 1} steps, at a distance of {info['distance']:.3f}")
print(f"the first plan took {1000 * seconds[0]:.0f} ms; after that, {rate:.0f} plans per second")
