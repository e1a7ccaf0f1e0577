"""Plan in your own environment: wrap Gymnasium's mountain car, collect data, train a model and plan through it.

An environment for gbplan needs four things: Gymnasium's goal-conditioned observations (a dict of ``observation``,
``achieved_goal`` and ``desired_goal``), a ``reset`` that sets a task, ``info["is_success"]``, and a time limit. The
wrapper below adds them to the mountain car. The car's engine is too weak to climb the hill directly, so a plan has to
reverse first to gain speed.

    python examples/own_environment.py            # takes about a minute; writes runs/mountain_car
"""

import argparse
from pathlib import Path

import gymnasium as gym
import lightning as L
import numpy as np
import torch

from gbplan.data import TrajectoryDataModule, collect, make_vector_env
from gbplan.evaluation import TaskSet, evaluate
from gbplan.modules import WorldModelModule
from gbplan.networks import IdentityEncoder, MLPPredictor, WorldModel
from gbplan.objectives import ReachGoal
from gbplan.planners import GradientPlanner
from gbplan.policies import Agent, RandomPolicy

TOP_SPEED = 0.07  # of the car, in track units per step


class MountainCarGoal(gym.Wrapper):
    """``MountainCarContinuous-v0`` with a goal position on the slope, drawn at random for each episode.

    Observations are the position, in track units, and the velocity as a fraction of the top speed. The goal is reached
    when the car is within ``goal_threshold`` of it.
    """

    def __init__(self, render_mode: str | None = None, goal_threshold: float = 0.05, anywhere: bool = False) -> None:
        """Set the goal's radius. Episodes start at rest in the valley, or in any state if ``anywhere`` is true."""
        super().__init__(gym.make("MountainCarContinuous-v0", render_mode=render_mode).unwrapped)
        self.goal_threshold = goal_threshold
        self.anywhere = anywhere
        place = gym.spaces.Box(-1.2, 0.6, (1,), np.float32)
        state = gym.spaces.Box(np.float32([-1.2, -1.0]), np.float32([0.6, 1.0]))
        self.observation_space = gym.spaces.Dict(observation=state, achieved_goal=place, desired_goal=place)

    def reset(self, *, seed=None, options=None):
        """Start at ``options["state"]`` (position, velocity) with ``options["goal"]``; draw those that are missing."""
        options = options or {}
        super().reset(seed=seed)
        valley = [self.np_random.uniform(-0.6, -0.4), 0.0]
        drawn = self.np_random.uniform([-1.2, -1.0], [0.5, 1.0]) if self.anywhere else valley
        position, velocity = options.get("state", drawn)
        self.unwrapped.state = np.array([position, TOP_SPEED * velocity])
        self.goal = np.asarray(options.get("goal", self.np_random.uniform(0.2, 0.4, 1)), np.float32)
        return self._observe(), self._info()

    def step(self, action):
        """Apply a force to the car; the reward is 0 at the goal and -1 elsewhere."""
        super().step(np.asarray(action))
        info = self._info()
        return self._observe(), float(info["is_success"]) - 1, info["is_success"], False, info

    def goal_distance(self, achieved, desired):
        """Return the distance between goals, (...). Optional: with this method, results contain distances."""
        return np.abs(np.asarray(achieved, np.float64) - np.asarray(desired, np.float64))[..., 0]

    def compute_success(self, achieved, desired):
        """Return whether a goal is reached, (...). Optional: with this method, results show what the model believes."""
        return self.goal_distance(achieved, desired) < self.goal_threshold

    def _observe(self):
        position, velocity = self.unwrapped.state
        return {
            "observation": np.float32([position, velocity / TOP_SPEED]),
            "achieved_goal": np.float32([position]),
            "desired_goal": self.goal.copy(),
        }

    def _info(self):
        return {"is_success": bool(self.compute_success(np.float32(self.unwrapped.state[:1]), self.goal))}


# Datasets record the environment by its registered name. gymnasium.make imports this file again, hence the check.
if "MountainCarGoal-v0" not in gym.registry:
    gym.register("MountainCarGoal-v0", entry_point="own_environment:MountainCarGoal", max_episode_steps=150)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/mountain_car"))
    parser.add_argument("--episodes", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--tasks", type=int, default=32)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    root, dataset = str(arguments.folder / "datasets"), "mountain-car/random-v0"
    collect(
        "MountainCarGoal-v0", dataset, RandomPolicy(), arguments.episodes,
        env_kwargs={"anywhere": True}, root=root, overwrite=True,
    )  # fmt: skip

    L.seed_everything(0)
    model = WorldModel(IdentityEncoder(dim=2, goal_indices=[0]), MLPPredictor(latent_dim=2, action_dim=1))
    module = WorldModelModule(model, rollout_steps=5)
    trainer = L.Trainer(
        default_root_dir=arguments.folder, max_epochs=arguments.epochs, accelerator="cpu", enable_checkpointing=False
    )
    trainer.fit(module, TrajectoryDataModule([dataset], root=root, batch_size=256, steps=5))

    tasks = TaskSet("MountainCarGoal-v0", count=arguments.tasks, split="validation", min_distance=0.05).draw()
    envs = make_vector_env("MountainCarGoal-v0", arguments.tasks)
    agent = Agent(GradientPlanner(horizon=100), ReachGoal(tau=0.01), replan_every=10)
    print(f"planning through the model: {evaluate(agent.policy(model.eval()), envs, tasks).summary()}")
