"""Draw the planning loss of one task on a plane of action sequences: the true loss, and that of each model.

As in Figure 2 of arXiv 2512.09929, the plane goes through the expert's actions, the base model's plan and the
adversarial model's plan. It needs the checkpoints of `make reproduce`:

    python examples/see_the_landscape.py            # writes runs/see_the_landscape.png
"""

import argparse

import gymnasium as gym
import numpy as np

from gbplan.envs.door_wall.simulator import PerfectDoorWallModel
from gbplan.evaluation import TaskSet, evaluate, landscape, load_world_model
from gbplan.objectives import ReachGoal
from gbplan.planners import GradientPlanner, PlanningProblem
from gbplan.plots import plot_landscape
from gbplan.policies import ExpertPolicy

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--runs", default="runs", help="folder that contains the trainings base, adversarial, ...")
parser.add_argument("--task", type=int, default=0, help="index of the validation task")
parser.add_argument("--output", default="runs/see_the_landscape.png")
arguments = parser.parse_args()

methods = ("base", "adversarial", "online", "online_adversarial")
models = {method: load_world_model(f"{arguments.runs}/{method}/best.ckpt") for method in methods}
drawn = TaskSet("DoorWall-v0", kind="detour", count=arguments.task + 1, split="validation", min_distance=1.0).draw()
tasks = drawn.select([arguments.task])
objective, planner = ReachGoal(), GradientPlanner(horizon=50)


def plan(method: str) -> np.ndarray:
    """Return the plan that gradient descent finds through a model, (H, A)."""
    present = {"observation": tasks.states[:, None], "desired_goal": tasks.goals[:, None]}
    bounds = (-np.ones(2), np.ones(2))
    problem = PlanningProblem.from_observations(models[method], objective, present, bounds=bounds)
    return planner.plan(problem).actions[0].numpy()


envs = gym.make_vec("gbplan:DoorWall-v0", num_envs=1)
steps = evaluate(ExpertPolicy(), envs, tasks).trajectories.actions[: planner.horizon]
expert = np.zeros((planner.horizon, 2))  # stands still at the goal
expert[: len(steps)] = steps

plane = (expert, plan("base"), plan("adversarial"))
found = landscape({"truth": PerfectDoorWallModel(), **models}, objective, tasks, *plane)
points = {"expert": (0.0, 0.0), "base's plan": (1.0, 0.0), "adversarial's plan": (0.0, 1.0)}
figure = plot_landscape(found.alpha, found.beta, found.loss, points, columns=len(found.loss))
figure.savefig(arguments.output, dpi=150)
print(f"wrote {arguments.output}: the true planning loss and that of each model, on the same plane")
