import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box

from gbplan.data import make_vector_env
from gbplan.evaluation import TaskSet, evaluate
from gbplan.networks import IdentityEncoder, MLPPredictor, WorldModel
from gbplan.policies import RandomPolicy


class FiveAtOnce(gym.Wrapper):
    """DoorWall-v0 with five actions side by side, executed one after the other."""

    def __init__(self, **kwargs):
        super().__init__(gym.make("DoorWall-v0", **kwargs).unwrapped)
        self.action_space = Box(-1, 1, (10,), np.float32)

    def step(self, action):
        for single in np.reshape(action, (5, 2)):
            result = self.env.step(single)
        return result


if "FiveAtOnce-v0" not in gym.registry:
    gym.register("FiveAtOnce-v0", entry_point=FiveAtOnce, max_episode_steps=3)


def test_expert_of_other_actions_takes_no_part_in_an_evaluation():
    tasks = TaskSet("FiveAtOnce-v0", kind="detour", count=4, split="validation", min_distance=1.0).draw()
    envs = make_vector_env("FiveAtOnce-v0", 4, tasks.env_kwargs)
    model = WorldModel(IdentityEncoder(2), MLPPredictor(latent_dim=2, action_dim=10)).eval()
    result = evaluate(RandomPolicy(), envs, tasks, world_model=model, error_horizon=2)
    assert result.metrics["count"] == 4
    assert "expert" not in result.metrics["model_error"]
