import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict
from gymnasium.wrappers import RecordEpisodeStatistics, RescaleAction, TransformObservation

from gbplan.data import make_vector_env
from gbplan.envs import Policy, optional_method
from gbplan.envs.contract import MADE_FOR, OptionalMethods, require_contract, time_limit, time_limit_of, without_noise

ALL = set(MADE_FOR)  # DoorWall-v0 has everything


def found(envs):
    return {name for name in MADE_FOR if optional_method(envs, name) is not None}


def test_table_and_protocol_name_the_same_methods():
    assert set(MADE_FOR) == {name for name in vars(OptionalMethods) if not name.startswith("_")}


@pytest.mark.parametrize("mode", ["single", "vector_entry_point", "sync", "async"])
def test_methods_are_found_in_every_form_of_an_environment_and_inside_wrappers(mode):
    if mode == "single":
        envs = gym.make("DoorWall-v0", door_center=0.25)
        wrapped = RecordEpisodeStatistics(envs)
    else:
        envs = gym.make_vec("DoorWall-v0", num_envs=2, vectorization_mode=mode, door_center=0.25)
        wrapped = gym.wrappers.vector.RecordEpisodeStatistics(envs)
    try:
        for env in (envs, wrapped):
            assert found(env) == ALL
            assert optional_method(env, "background")()[0].tolist() == [[0, -2], [0, -0.25]]  # of this world
            assert isinstance(optional_method(env, "expert")(0.1), Policy)
    finally:
        envs.close()


class Blocks(gym.ActionWrapper):
    """Takes five actions side by side and executes the first."""

    def __init__(self, env):
        super().__init__(env)
        self.action_space = Box(-1, 1, (10,), np.float32)

    def action(self, action):
        return action[:2]


def double(env, key):
    """Observations whose ``key`` comes twice, in a space to match."""
    box = env.observation_space[key]
    space = Dict({**env.observation_space, key: Box(np.tile(box.low, 2), np.tile(box.high, 2))})
    return TransformObservation(env, lambda seen: {**seen, key: np.tile(seen[key], 2)}, space)


@pytest.mark.parametrize(
    ("wrap", "lost"),
    [
        (Blocks, {"expert", "simulator"}),
        (lambda env: RescaleAction(env, np.float32(-2), np.float32(2)), {"expert", "simulator"}),
        (lambda env: double(env, "observation"), {"expert", "simulator", "shortest_path", "render_state"}),
        (lambda env: double(env, "achieved_goal"), {"simulator", "goal_distance", "compute_success", "background"}),
        (lambda env: double(env, "desired_goal"), ALL - {"background", "render_state"}),
    ],
)
def test_methods_made_for_other_spaces_are_not_used(wrap, lost):
    assert found(wrap(gym.make("DoorWall-v0"))) == ALL - lost
    assert found(gym.make_vec("DoorWall-v0", num_envs=2, vectorization_mode="sync", wrappers=[wrap])) == ALL - lost


def test_wrapper_can_replace_a_method_and_remove_one():
    class Own(Blocks):
        simulator = None
        shortest_path = None

        def expert(self, action_noise=0.0):
            return "of blocks"

    env = Own(gym.make("DoorWall-v0"))
    assert optional_method(env, "expert")() == "of blocks"
    assert optional_method(env, "shortest_path") is None


def test_method_that_the_world_does_not_allow_is_absent():
    assert found(gym.make("DoorWall-v0", contact="stop")) == ALL - {"simulator"}


def test_wrapper_that_forwards_attributes_does_not_own_the_method():
    class Forwards(Blocks):
        def __getattr__(self, name):
            return getattr(self.env, name)

    assert found(Forwards(gym.make("DoorWall-v0"))) == ALL - {"expert", "simulator"}


def test_environment_of_another_form_has_no_optional_methods():
    assert found(gym.make("CartPole-v1")) == set()


class Line(gym.Env):
    """A point on a line, without the chosen parts of the contract."""

    def __init__(self, heeds=("state", "goal"), success=("reset", "step"), render_mode=None):
        box = Box(-10, 10, (1,), np.float32)
        self.observation_space = Dict(observation=box, achieved_goal=box, desired_goal=box)
        self.action_space = Box(-1, 1, (1,), np.float32)
        self.heeds, self.success = heeds, success

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        drawn = {name: self.np_random.uniform(-2, 2, 1) for name in ("state", "goal")}
        drawn |= {name: value for name, value in (options or {}).items() if name in self.heeds}
        self.state, self.goal = (np.array(drawn[name], np.float32) for name in ("state", "goal"))
        return self.observe(), self.info("reset")

    def step(self, action):
        self.state = self.state + action
        return self.observe(), 0.0, False, False, self.info("step")

    def observe(self):
        return {"observation": self.state.copy(), "achieved_goal": self.state.copy(), "desired_goal": self.goal.copy()}

    def info(self, when):
        return {"other": 0} | ({"is_success": False} if when in self.success else {})


if "Line-v0" not in gym.registry:
    gym.register("Line-v0", entry_point=Line, max_episode_steps=5)


def test_contract_is_kept_by_these_environments():
    assert require_contract("Line-v0") == 5
    assert require_contract("DoorWall-v0") == 100
    noisy = {"observation_noise": 0.1, "process_noise": 0.1, "max_episode_steps": 7}
    assert require_contract("DoorWall-v0", noisy) == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"heeds": ("goal",)}, r"Line-v0 cannot be put into a state: reset\(options={'state': .* began at"),
        ({"heeds": ("state",)}, r"Line-v0 cannot be put into a goal: reset\(options={'goal': .* began at"),
        ({"success": ("step",)}, r"Line-v0 does not say whether the goal is reached: .* is_success .* got other; add"),
        ({"success": ("reset",)}, r"Line-v0 does not say whether the goal is reached"),
        (
            {"max_episode_steps": -1},
            r"no time limit, .* gymnasium.register\(..., max_episode_steps=...\), or set one with env_kwargs",
        ),
    ],
)
def test_contract_names_in_one_line_what_is_missing(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        require_contract("Line-v0", arguments)
    assert "\n" not in str(caught.value)


class Noisy(Line):
    """Noise under its own argument, which moves the given state."""

    metadata = {"render_modes": [], "noise_arguments": ("shake",)}  # noqa: RUF012

    def __init__(self, shake=0.0, render_mode=None):
        super().__init__()
        self.shake = shake

    def observe(self):
        return super().observe() | {"observation": self.state + np.float32(self.shake)}


def test_an_environment_says_which_of_its_arguments_are_noise():
    if "Noisy-v0" not in gym.registry:
        gym.register("Noisy-v0", entry_point=Noisy, max_episode_steps=5)
    assert require_contract("Noisy-v0", {"shake": 0.5}) == 5
    assert without_noise("Noisy-v0", {"shake": 0.5, "max_episode_steps": 9}) == {"max_episode_steps": 9}
    assert without_noise("Line-v0", None) == {}


def test_time_limit_is_the_environments():
    assert time_limit("DoorWall-v0") == 100
    with pytest.raises(ValueError, match="CartPole-v1 is not goal-conditioned"):
        require_contract("CartPole-v1")


@pytest.mark.parametrize("mode", ["vector_entry_point", "sync"])
def test_time_limit_of_rows_is_the_one_they_were_made_with(mode):
    def limit(**arguments):
        return time_limit_of(gym.make_vec("DoorWall-v0", num_envs=1, vectorization_mode=mode, **arguments))

    assert limit() == 100
    assert limit(max_episode_steps=200) == 200


@pytest.mark.parametrize("world", [{}, {"goal_threshold": 0.3, "dynamics": "velocity"}])
def test_distance_and_success_are_those_of_the_info_to_the_bit(world):
    env = gym.make("DoorWall-v0", continuing_task=True, **world)
    envs = make_vector_env("DoorWall-v0", 8, {"continuing_task": True, **world})
    expert = optional_method(env, "expert")()
    seen, info = env.reset(seed=1)
    rows, infos = envs.reset(seed=0)
    hits = 0
    for _ in range(60):
        for observation, told, who in ((seen, info, env), (rows, infos, envs)):
            goals = observation["achieved_goal"], observation["desired_goal"]
            np.testing.assert_array_equal(optional_method(who, "goal_distance")(*goals), told["distance"])
            np.testing.assert_array_equal(optional_method(who, "compute_success")(*goals), told["is_success"])
        hits += infos["is_success"].sum()
        seen, _, _, _, info = env.step(expert.act(seen))
        rows, _, _, _, infos = envs.step(expert.act(rows))
    assert hits > 0
