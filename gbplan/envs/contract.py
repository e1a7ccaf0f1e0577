"""The contract of environments for planning, and their optional methods.

An environment must be goal-conditioned with continuous actions, and ``observation`` must be the whole state; it must
begin where ``reset(options={"state": ..., "goal": ...})`` says; report in ``info["is_success"]`` whether the goal is
reached, after ``reset`` and after ``step``; and end its episodes by a time limit. `require_contract` checks all
of this. `OptionalMethods` lists the optional methods, and `optional_method` finds them.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box, Dict
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv, VectorWrapper
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.parallel import ParallelVectorEnv
from gbplan.envs.policy import Policy

GOAL_KEYS = ("observation", "achieved_goal", "desired_goal")


class OptionalMethods(Protocol):
    """The optional methods of an environment; each may be there without the others.

    They depend on the environment's arguments, never on its current episode. A vector environment has them for one row,
    in the same form as the single environment. A wrapper that changes the meaning of a space's numbers, but not the
    space, must set methods that no longer fit to None.

    Two more parts are optional. The info entry ``contact`` (bool, after reset and step) tells whether the step met an
    obstacle; evaluations count such steps, and read no other info entries. ``metadata["noise_arguments"]`` names the
    constructor's arguments that add noise to observations or to the dynamics: tasks are true states, so they are drawn
    and checked in an environment without these arguments.
    """

    def expert(self, action_noise: float = 0.0) -> Policy:
        """Return a policy that reaches the goal, with Gaussian noise of this standard deviation on its actions."""
        ...

    def shortest_path(self, state: ArrayLike, goal: ArrayLike) -> Any:
        """Return the lengths of the shortest paths from states ``(..., *S)`` to goals ``(..., *G)``, ``(...)``."""
        ...

    def goal_distance(self, achieved: ArrayLike, desired: ArrayLike) -> Any:
        """Return distances between goals ``(..., *G)``, float64 ``(...)``.

        Only if goals are metric, so that the distance alone tells how near the goal is.
        """
        ...

    def compute_success(self, achieved: ArrayLike, desired: ArrayLike) -> Any:
        """Return whether ``achieved`` reaches ``desired``, ``(..., *G)`` each, as bools ``(...)``.

        Only if success depends on these two alone. Always equal to ``info["is_success"]``.
        """
        ...

    def simulator(self) -> Any:
        """Return the true dynamics as a differentiable ``WorldModel``, without noise."""
        ...

    def render_state(self, states: ArrayLike, size: int = 64) -> NDArray[np.uint8]:
        """Return pictures of states ``(N, *S)``, uint8 ``(N, size, size, 3)``; no part of them depends on a goal.

        A single environment takes rows as well: the picture of one state is ``render_state(state[None])[0]``.
        """
        ...

    def render_goal(self, goals: ArrayLike, size: int = 64) -> NDArray[np.uint8]:
        """Return pictures, likewise, of states in which goals ``(N, *G)`` are reached."""
        ...

    def background(self) -> NDArray[np.float64]:
        """Return line segments ``(W, 2, 2)`` that figures draw behind paths in the goal space."""
        ...


# The spaces that each optional method depends on: entries of the observation, and whether actions matter as well.
MADE_FOR: dict[str, tuple[tuple[str, ...], bool]] = {
    "expert": (("observation", "desired_goal"), True),
    "shortest_path": (("observation", "desired_goal"), False),
    "goal_distance": (("achieved_goal", "desired_goal"), False),
    "compute_success": (("achieved_goal", "desired_goal"), False),
    "simulator": (GOAL_KEYS, True),
    "render_state": (("observation",), False),
    "render_goal": (("desired_goal",), False),
    "background": (("achieved_goal",), False),
}

Env = gym.Env[Any, Any] | VectorEnv[Any, Any, Any]

# Rows in other processes cannot be asked: an environment made with the same arguments answers for them.
_twins: WeakKeyDictionary[AsyncVectorEnv, gym.Env] = WeakKeyDictionary()


def optional_method(envs: Env, name: str) -> Any | None:
    """Find an optional method of an environment, inside its wrappers.

    Args:
        envs: a single environment; or a vector environment, native or Gymnasium's, with equal rows; wrapped or not.
        name: a method of `OptionalMethods`.

    Returns:
        The method; None if the environment has none, or if a wrapper has changed the spaces it depends on.
    """
    keys, acts = MADE_FOR[name]
    for layer in _layers(envs):
        # Look in the class, not with hasattr: a wrapper that forwards attributes does not own them.
        if name in vars(layer) or hasattr(type(layer), name):
            found = getattr(layer, name)
            return found if found is not None and _same_spaces(layer, envs, keys, acts) else None
    return None


def _layers(envs: Env) -> Iterator[Env]:
    """Yield the layers from the outermost wrapper to the environment, then a vector environment's first row."""
    yield envs
    if isinstance(envs, gym.Wrapper | VectorWrapper):
        yield from _layers(envs.env)
    elif isinstance(envs, SyncVectorEnv):
        yield from _layers(envs.envs[0])
    elif isinstance(envs, ParallelVectorEnv):
        yield from _layers(envs.one)
    elif isinstance(envs, AsyncVectorEnv):
        if envs not in _twins:
            _twins[envs] = envs.env_fns[0]()
        yield from _layers(_twins[envs])


def _same_spaces(one: Env, other: Env, keys: tuple[str, ...], acts: bool) -> bool:
    (seen, done), (other_seen, other_done) = _spaces(one), _spaces(other)
    if not (isinstance(seen, Dict) and isinstance(other_seen, Dict)):
        return False
    both = all(key in seen.spaces and key in other_seen.spaces and seen[key] == other_seen[key] for key in keys)
    return both and (not acts or done == other_done)


def _spaces(env: Env) -> tuple[gym.Space, gym.Space]:
    if isinstance(env, VectorEnv):
        return env.single_observation_space, env.single_action_space
    return env.observation_space, env.action_space


def name_of(envs: Env) -> str:
    """Return an environment's id, or its class's name if it has no id; for messages."""
    return envs.spec.id if envs.spec else type(envs.unwrapped).__name__


def env_spec(env_id: str, env_kwargs: dict[str, Any]) -> EnvSpec:
    """Return Gymnasium's spec of an environment with these arguments."""
    with closing(gym.make(env_id, **env_kwargs)) as env:
        spec = env.spec
    assert spec is not None  # gymnasium.make sets it
    return spec


def without_noise(env_id: str, env_kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """Return the arguments except those for noise, which the environment's metadata name."""
    given = env_kwargs or {}
    with closing(gym.make(env_id, **given)) as env:
        noise = env.metadata.get("noise_arguments", ())
    return {name: value for name, value in given.items() if name not in noise}


def time_limit(env_id: str, env_kwargs: dict[str, Any] | None = None) -> int:
    """Return the number of steps after which an episode ends at the latest.

    Raises:
        ValueError: there is no such limit.
    """
    return _limit(env_spec(env_id, env_kwargs or {}), env_id)


def time_limit_of(envs: VectorEnv) -> int | None:
    """Return the number of steps after which a vector environment's episodes end; None: there is no limit.

    Gymnasium's ``make_vec`` keeps a ``max_episode_steps`` it was called with among the arguments, and leaves the limit
    that was registered in the spec.
    """
    if envs.spec is None:
        return None
    limit: int | None = envs.spec.kwargs.get("max_episode_steps", envs.spec.max_episode_steps)
    return None if limit == -1 else limit


def _limit(spec: EnvSpec | None, env_id: str) -> int:
    limit = None if spec is None else spec.max_episode_steps
    if limit is None:
        raise ValueError(
            f"{env_id} has no time limit, so an episode of a bad plan would never end; register it with "
            'gymnasium.register(..., max_episode_steps=...), or set one with env_kwargs={"max_episode_steps": ...}'
        )
    return limit


def require_contract(env_id: str, env_kwargs: dict[str, Any] | None = None) -> int:
    """Check that plans can be made, executed and judged in an environment.

    Args:
        env_id: registered id, or ``"module:id"``.
        env_kwargs: arguments of the environment; noise is left out.

    Returns:
        The time limit, environment steps.

    Raises:
        ValueError: the environment is not goal-conditioned, has no time limit, does not begin where it is told, or
            does not report whether the goal is reached.
    """
    with closing(gym.make(env_id, **without_noise(env_id, env_kwargs))) as env:
        require_goal_conditioned(env.observation_space, env.action_space, env_id)
        limit = _limit(env.spec, env_id)
        drawn, info = env.reset(seed=0)
        require_success(env_id, info)
        # Another seed: with the same one, an environment that draws its own task would draw the right one.
        begun, _ = env.reset(seed=1, options={"state": drawn["observation"], "goal": drawn["desired_goal"]})
        require_begun(env_id, "state", drawn["observation"][None], begun["observation"][None])
        require_begun(env_id, "goal", drawn["desired_goal"][None], begun["desired_goal"][None])
        env.action_space.seed(0)
        require_success(env_id, env.step(env.action_space.sample())[4])
    return limit


def require_success(name: str, info: Mapping[str, Any]) -> None:
    """Check that an environment reports whether the goal is reached.

    Raises:
        ValueError: it does not report success.
    """
    if "is_success" not in info:
        got = ", ".join(key for key in info if not key.startswith("_")) or "nothing"
        raise ValueError(
            f"{name} does not say whether the goal is reached: its info must hold is_success (bool) after reset and "
            f"step, got {got}; add it"
        )


def require_begun(name: str, option: str, asked: NDArray, begun: NDArray) -> None:
    """Check that episodes begin where ``reset(options=...)`` says.

    Args:
        name: name of the environment, for the message.
        option: ``state`` or ``goal``.
        asked: value of the option in each of N episodes, ``(N, ...)``.
        begun: the observation after reset, ``(N, ...)``.

    Raises:
        ValueError: episodes begin elsewhere.
    """
    elsewhere = ~np.isclose(begun, asked, rtol=1e-4, atol=1e-4).reshape(len(asked), -1).all(axis=1)
    if elsewhere.any():
        row = int(elsewhere.argmax())
        shown = [np.array2string(values[row], precision=4, threshold=8).replace("\n", "") for values in (asked, begun)]
        raise ValueError(
            f"{name} cannot be put into a {option}: reset(options={{{option!r}: {shown[0]}}}) began at {shown[1]}; "
            "add the option to its reset"
        )


def require_goal_conditioned(observation_space: gym.Space, action_space: gym.Space, name: str) -> tuple[Dict, Box]:
    """Check that observations are goal-conditioned and actions continuous vectors.

    Args:
        observation_space: must be a Dict of Boxes with ``observation``, ``achieved_goal`` and ``desired_goal``.
        action_space: must be a Box of shape ``(A,)``.
        name: owner of these spaces, for the message.

    Returns:
        The two spaces, with their types known.

    Raises:
        ValueError: the spaces are of another form.
    """
    keys = list(observation_space) if isinstance(observation_space, Dict) else []
    if not isinstance(observation_space, Dict) or not set(GOAL_KEYS) <= set(keys):
        got = f"a Dict of {', '.join(keys)}" if keys else str(observation_space)
        raise ValueError(
            f"{name} is not goal-conditioned: its observation space must be a Dict of {', '.join(GOAL_KEYS)}, got {got}"
        )
    for key, space in observation_space.items():
        if not isinstance(space, Box):
            raise ValueError(f"{name}: observation {key!r} must be a Box (an array of numbers), got {space}")
    if not isinstance(action_space, Box):
        raise ValueError(
            f"{name} has the action space {action_space}, but gradients need continuous actions: "
            "a Box of shape (A,) is required"
        )
    if len(action_space.shape) != 1:
        raise ValueError(
            f"{name} has actions of shape {action_space.shape}, expected vectors (A,); "
            "flatten them with a gymnasium wrapper"
        )
    return observation_space, action_space
