"""Fixed sets of tasks (start states and goals), drawn from seeds that no training uses."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gbplan import checks
from gbplan.data import (
    HELD_OUT_SEEDS,
    TRAINING_SEEDS,
    VALIDATION_SEEDS,
    Trajectories,
    episode_seeds,
    make_vector_env,
    run_episodes,
)
from gbplan.envs.contract import (
    optional_method,
    require_begun,
    require_contract,
    require_goal_conditioned,
    require_success,
    without_noise,
)
from gbplan.envs.registered import require_registered
from gbplan.policies import RandomPolicy

Split = Literal["held_out", "validation", "training"]

_SPANS = {"held_out": HELD_OUT_SEEDS, "validation": VALIDATION_SEEDS, "training": TRAINING_SEEDS}


@dataclass(frozen=True)
class Tasks:
    """N planning tasks of one environment.

    Attributes:
        env_id: the environment they belong to.
        env_kwargs: the environment's arguments, the kind of tasks included.
        kind: name of the kind, such as ``uniform`` or ``detour``.
        states: initial states, as ``reset(options={"state": ...})`` takes them, ``(N, ...)``.
        goals: goals, as ``reset(options={"goal": ...})`` takes them, ``(N, ...)``.
        seeds: environment seeds of the episodes (noise, if any), ``(N,)``.
    """

    env_id: str
    kind: str
    states: NDArray[np.float32]
    goals: NDArray[np.float32]
    seeds: NDArray[np.int64]
    env_kwargs: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.seeds)

    def select(self, rows: Sequence[int] | NDArray[np.integer]) -> "Tasks":
        """Return the tasks ``rows``, in that order; a task may occur more than once."""
        index = np.asarray(rows, np.int64)
        return replace(self, states=self.states[index], goals=self.goals[index], seeds=self.seeds[index])


@dataclass(frozen=True)
class TaskSet:
    """A set of tasks: an environment, a kind of its tasks, and the seeds they are drawn from.

    Args:
        env_id: goal-conditioned environment whose ``reset`` draws a task and whose ``observation`` is its state.
        env_kwargs: arguments of the environment.
        kind: kind of tasks, passed to the environment as ``task``; null: the tasks it draws by itself.
        count: number of tasks N, >= 1.
        split: ``held_out`` to report, ``validation`` to tune, ``training`` to collect data; their seeds are disjoint.
        seed: number of the split's stream, >= 0.
        min_distance: tasks that start nearer to their goal than this are drawn again, environment units, >= 0; above 0
            only if the environment's goals are metric. Tasks that begin solved are always drawn again.

    Raises:
        ValueError: a number is out of its range, or the split is unknown.
    """

    env_id: str | None = None
    env_kwargs: dict[str, Any] | None = None
    kind: str | None = None
    count: int = 512
    split: Split = "held_out"
    seed: int = 0
    min_distance: float = 0.0

    def __post_init__(self) -> None:
        checks.at_least_one(count=self.count)
        checks.one_of(Split, split=self.split)
        checks.not_negative(min_distance=self.min_distance)
        episode_seeds(_SPANS[self.split], self.seed, 1)  # raises if the stream does not exist

    @property
    def name(self) -> str:
        """The kind's name in results; ``default`` for the tasks that the environment draws by itself."""
        return self.kind or "default"

    def of_kinds(self, kinds: Sequence[str]) -> "list[TaskSet]":
        """Return a set of tasks for each kind, otherwise equal to this one; only this one if no kind is given.

        Raises:
            ValueError: a kind is named twice.
        """
        if len(set(kinds)) != len(kinds):
            raise ValueError(f"kinds must not repeat a kind of tasks, got {list(kinds)}")
        return [replace(self, kind=kind) for kind in kinds] or [self]

    def require_env_id(self) -> str:
        """Return the environment's id.

        Raises:
            ValueError: no environment is named, or it is not registered.
        """
        if self.env_id is None:
            raise ValueError("the tasks have no environment; name one with tasks.env_id")
        require_registered(self.env_id, "tasks.env_id")
        return self.env_id

    def require_kind(self) -> None:
        """Check that the environment has this kind of tasks, without drawing any.

        Raises:
            ValueError: no environment is named; it is not goal-conditioned, or does not have this kind of tasks.
        """
        kwargs = self.env_kwargs or {}
        _make_envs(self.require_env_id(), 1, kwargs if self.kind is None else kwargs | {"task": self.kind}, 1).close()

    def draw(self, start: int = 0, num_processes: int = 1) -> Tasks:
        """Draw the tasks; the same set gives the same tasks on any machine, and a smaller set the first of them.

        Args:
            start: the stream's first episode to draw from.
            num_processes: processes that draw; the tasks are the same.

        Returns:
            The tasks, in the order they were drawn, their seeds ascending.

        Raises:
            ValueError: no environment is named; it is not goal-conditioned, does not have this kind of tasks, or does
                not say whether a goal is reached; or (almost) no task is as far as ``min_distance``.
        """
        env_id, count = self.require_env_id(), self.count
        # The environment of the episodes gets the kind as well: optional methods such as the expert may depend on it.
        kind = {} if self.kind is None else {"task": self.kind}
        kwargs = (self.env_kwargs or {}) | kind
        world = without_noise(env_id, self.env_kwargs) | kind
        states: list[NDArray[np.float32]] = []
        goals: list[NDArray[np.float32]] = []
        kept_seeds: list[NDArray[np.int64]] = []
        kept = drawn = 0
        envs = _make_envs(env_id, count, world, num_processes)
        try:
            distance = optional_method(envs, "goal_distance") if self.min_distance else None
            if self.min_distance and distance is None:
                raise ValueError(
                    f"min_distance needs distances between goals, which {env_id} does not have; leave it out, or give "
                    "the environment a method goal_distance"
                )
            while kept < count:
                seeds = episode_seeds(_SPANS[self.split], self.seed, count, start=start + drawn)
                drawn += count
                observation, info = envs.reset(seed=seeds)  # type: ignore[arg-type]  # one seed per row
                require_success(env_id, info)
                far = ~np.asarray(info["is_success"], np.bool_)
                if distance is not None:
                    apart = distance(observation["achieved_goal"], observation["desired_goal"])
                    far &= np.asarray(apart) > self.min_distance
                states.append(observation["observation"][far].copy())
                goals.append(observation["desired_goal"][far].copy())
                kept_seeds.append(np.asarray(seeds, np.int64)[far])
                kept += int(far.sum())
                if drawn >= 100 * count and kept < count:
                    raise ValueError(
                        f"only {kept} of {drawn} {self.name} tasks of {env_id} start unsolved and more than "
                        f"min_distance = {self.min_distance} from their goal; lower min_distance"
                    )
        finally:
            envs.close()
        return Tasks(
            env_id=env_id,
            kind=self.name,
            states=np.concatenate(states)[:count],
            goals=np.concatenate(goals)[:count],
            seeds=np.concatenate(kept_seeds)[:count],
            env_kwargs=kwargs,
        )


def try_tasks(tasks: TaskSet) -> Trajectories:
    """Set a few tasks in an environment and take a step in each, to see whether tasks can be set at all.

    Args:
        tasks: the tasks to be drawn later; count, seed and split do not matter, and noise is left out.

    Returns:
        An episode of one step for each task.

    Raises:
        ValueError: the environment does not keep the contract, see `require_contract`.
    """
    env_id = tasks.require_env_id()
    few = replace(tasks, count=8, seed=0, split="training", env_kwargs=without_noise(env_id, tasks.env_kwargs))
    require_contract(env_id, few.env_kwargs)
    drawn = few.draw()
    envs = make_vector_env(drawn.env_id, len(drawn), drawn.env_kwargs)
    try:
        # With other seeds: from the tasks' own seeds, an environment that ignores the options would draw the right
        # tasks.
        seeds = (drawn.seeds + len(drawn)).tolist()
        episodes = run_episodes(envs, RandomPolicy(), seeds=seeds, states=drawn.states, goals=drawn.goals, max_steps=1)
    finally:
        envs.close()
    require_begun(drawn.env_id, "state", drawn.states, episodes.observations["observation"][episodes.starts])
    return episodes


def _make_envs(env_id: str, count: int, env_kwargs: dict[str, Any], num_processes: int) -> gym.vector.VectorEnv:
    """Make the environment that draws the tasks, or raise an error with the reason why it cannot."""
    with closing(gym.make(env_id, **{name: value for name, value in env_kwargs.items() if name != "task"})) as env:
        require_goal_conditioned(env.observation_space, env.action_space, env_id)
    try:
        return make_vector_env(env_id, count, env_kwargs, num_processes)
    except ValueError as error:
        if "task" not in env_kwargs:
            raise
        # Without a kind it was made, so the kind is wrong; users do not write the environment's argument.
        raise ValueError(
            f"{env_id} has no tasks of kind {env_kwargs['task']!r} (tasks.kind, or --kinds): {error}"
        ) from None
    except TypeError as error:
        if "unexpected keyword argument 'task'" not in str(error):
            raise
        raise ValueError(
            f"{env_id} takes no argument 'task', so it has no kind of tasks called {env_kwargs['task']!r}; "
            "ask for the tasks it draws by itself: leave the kind out (null)"
        ) from None
