import gymnasium as gym
import numpy as np
import pytest
import tiny_world  # noqa: F401, registers TinyPixels-v0
from gymnasium.spaces import Box, Dict

from gbplan.data import make_vector_env
from gbplan.evaluation import TaskSet, evaluate
from gbplan.evaluation.goal_region import success_radius
from gbplan.policies import ConstantPolicy, ExpertPolicy, RandomPolicy


class PassingBy(gym.Env):
    """Counts its steps, and says of the third that the goal is reached; episodes go on."""

    def __init__(self, begin_solved=0.0, render_mode=None):
        self.begin_solved = begin_solved
        box = Box(0, 9, (1,), np.float32)
        self.observation_space = Dict(observation=box, achieved_goal=box, desired_goal=box)
        self.action_space = Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 3 if self.np_random.random() < self.begin_solved else 0
        return self._observe()

    def step(self, action):
        self.count += 1
        observation, info = self._observe()
        return observation, 0.0, False, False, info

    def _observe(self):
        here = np.float32([self.count])
        observation = {"observation": here, "achieved_goal": here.copy(), "desired_goal": np.float32([9])}
        return observation, {"is_success": self.count == 3}


if "PassingBy-v0" not in gym.registry:
    gym.register("PassingBy-v0", entry_point=PassingBy, max_episode_steps=6)


def test_success_is_the_first_step_that_the_environment_reports():
    tasks = TaskSet("PassingBy-v0", count=2).draw()
    result = evaluate(ConstantPolicy([0.0]), make_vector_env("PassingBy-v0", 2), tasks)
    assert result.records["first_hit"].tolist() == [3, 3]
    assert result.records["steps"].tolist() == [6, 6]
    assert (result.metrics["success"]["rate"], result.metrics["steps_to_success"]) == (1.0, 3.0)


def test_world_whose_goals_have_no_distance_is_judged_by_itself_and_says_what_is_missing():
    tasks = TaskSet("TinyPixels-v0", count=6, split="validation").draw()
    envs = make_vector_env("TinyPixels-v0", 3)
    expert = evaluate(ExpertPolicy(), envs, tasks)
    assert expert.metrics["success"]["rate"] == 1.0
    assert evaluate(RandomPolicy(), envs, tasks).metrics["success"]["rate"] < 1.0
    assert [expert.metrics[name] for name in ("within", "final_distance", "spl", "contacts")] == [None] * 4
    assert expert.metrics["missing"] == {
        "within": "TinyPixels-v0 has no goal_distance",
        "final_distance": "TinyPixels-v0 has no goal_distance",
        "spl": "TinyPixels-v0 has no shortest_path",
        "contacts": "TinyPixels-v0 has no contact in its info",
    }
    assert set(expert.records) == {"steps", "first_hit"}
    assert "distance" not in expert.summary()
    with pytest.raises(ValueError, match="thresholds need distances between goals, which TinyPixels-v0 does not have"):
        evaluate(ExpertPolicy(), envs, tasks, thresholds=[0.1])


def test_tasks_that_begin_solved_are_drawn_again():
    tasks = TaskSet("PassingBy-v0", {"begin_solved": 0.5}, count=20, split="training").draw()
    assert tasks.states.tolist() == [[0.0]] * 20
    assert np.diff(tasks.seeds).max() > 1


class Odometer(PassingBy):
    """Has a distance to the goal, and an info entry of that name with the distance travelled."""

    def goal_distance(self, achieved, desired):
        return np.abs(np.subtract(achieved, desired, dtype=np.float64))[..., 0]

    def _observe(self):
        observation, info = super()._observe()
        return observation, info | {"distance": float(self.count)}


if "Odometer-v0" not in gym.registry:
    gym.register("Odometer-v0", entry_point=Odometer, max_episode_steps=6)


def test_distance_is_that_of_the_method_whatever_the_info_calls_distance():
    tasks = TaskSet("Odometer-v0", count=1).draw()
    records = evaluate(ConstantPolicy([0.0]), make_vector_env("Odometer-v0", 1), tasks).records
    assert [records[f"{when}_distance"].tolist() for when in ("start", "final", "minimum")] == [[9.0], [3.0], [3.0]]


@pytest.mark.parametrize("noise", [{}, {"observation_noise": 0.1, "process_noise": 0.1}])
def test_door_walls_distances_are_those_of_its_info(noise):
    tasks = TaskSet("DoorWall-v0", noise, kind="detour", count=8, split="validation", min_distance=0.5).draw()
    result = evaluate(RandomPolicy(), make_vector_env("DoorWall-v0", 8, noise), tasks)
    runs = result.trajectories
    ends = runs.starts + runs.lengths
    np.testing.assert_array_equal(result.records["final_distance"], runs.infos["distance"][ends])
    np.testing.assert_array_equal(result.records["start_distance"], runs.infos["distance"][runs.starts])


@pytest.mark.parametrize("radius", [0.1, 0.37])
def test_success_radius_is_that_of_the_environment(radius):
    envs = make_vector_env("DoorWall-v0", 1, {"goal_threshold": radius})
    assert success_radius(envs, [-1.0, 0.3], [1.2, 0.7]) == pytest.approx(radius, abs=1e-12)
    assert success_radius(make_vector_env("TinyPixels-v0", 1), np.zeros(4), np.ones(4)) is None
