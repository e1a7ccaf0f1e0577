"""Fixed, named tasks: where to start and where to go, drawn from seeds that no training sees."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gbplan.data import (
    HELD_OUT_SEEDS,
    TRAINING_SEEDS,
    VALIDATION_SEEDS,
    Trajectories,
    episode_seeds,
    make_vector_env,
    rollout,
)
from gbplan.envs.offers import require_begun, require_contract, require_goal_conditioned, without_noise
from gbplan.policies import RandomPolicy

Split = Literal["held_out", "validation", "training"]

_SPANS = {"held_out": HELD_OUT_SEEDS, "validation": VALIDATION_SEEDS, "training": TRAINING_SEEDS}


@dataclass(frozen=True)
class Tasks:
    """N planning tasks of one environment.

    Attributes:
        env_id: the environment they belong to.
        env_kwargs: what the environment is made with.
        kind: their name, such as ``uniform`` or ``detour``.
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
        """Return the tasks ``rows``, in that order; a task may come more than once."""
        index = np.asarray(rows, np.int64)
        return replace(self, states=self.states[index], goals=self.goals[index], seeds=self.seeds[index])


def sample_tasks(
    env_id: str,
    kind: str | None = "uniform",
    count: int = 512,
    seed: int = 0,
    split: Split = "held_out",
    env_kwargs: dict[str, Any] | None = None,
    min_distance: float = 1.0,
    start: int = 0,
) -> Tasks:
    """Draw tasks from an environment; the same arguments give the same tasks, on any machine.

    Args:
        env_id: goal-conditioned environment whose ``reset`` draws a task and whose ``observation`` is its state.
        kind: passed to the environment as ``task``; None: the environment has but one kind, and no such argument.
        count: number of tasks N, >= 1.
        seed: which stream of the split.
        split: ``held_out`` judges, ``validation`` selects, ``training`` is what collection draws from; the seeds of
            the three never meet.
        env_kwargs: what else to pass to the environment.
        min_distance: tasks that start nearer to their goal than this are drawn again (environment units). The default
            is the largest threshold ``evaluate`` reports, so that no task is solved before it starts.
        start: the stream's first episode to draw from; those before it are left to others.

    Returns:
        The tasks, in the order they were drawn, their seeds ascending.

    Raises:
        ValueError: ``count`` < 1, an unknown split, an environment that is not goal-conditioned or has no ``task``
            argument, or (almost) no task is as far as ``min_distance``.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    if split not in _SPANS:
        raise ValueError(f"split must be one of {sorted(_SPANS)}, got {split!r}")
    kwargs = dict(env_kwargs or {})
    world = without_noise(kwargs) | ({} if kind is None else {"task": kind})
    states: list[NDArray[np.float32]] = []
    goals: list[NDArray[np.float32]] = []
    kept_seeds: list[NDArray[np.int64]] = []
    kept = drawn = 0
    envs = _make_envs(env_id, count, world)
    try:
        while kept < count:
            seeds = episode_seeds(_SPANS[split], seed, count, start=start + drawn)
            drawn += count
            observation, _ = envs.reset(seed=seeds)  # type: ignore[arg-type]  # one seed per row, as all vector envs take
            # Cast before: the difference of two unsigned integers wraps around.
            apart = observation["achieved_goal"].astype(np.float64) - observation["desired_goal"]
            far = np.sqrt((apart.reshape(count, -1) ** 2).sum(axis=1)) > min_distance
            states.append(observation["observation"][far].copy())
            goals.append(observation["desired_goal"][far].copy())
            kept_seeds.append(np.asarray(seeds, np.int64)[far])
            kept += int(far.sum())
            if drawn >= 100 * count and kept < count:
                raise ValueError(
                    f"only {kept} of {drawn} {kind or 'default'} tasks of {env_id} start more than min_distance = "
                    f"{min_distance} from their goal; lower min_distance"
                )
    finally:
        envs.close()
    return Tasks(
        env_id=env_id,
        kind=kind or "default",
        states=np.concatenate(states)[:count],
        goals=np.concatenate(goals)[:count],
        seeds=np.concatenate(kept_seeds)[:count],
        env_kwargs=kwargs,
    )


def probe_tasks(
    env_id: str, kind: str | None = None, env_kwargs: dict[str, Any] | None = None, min_distance: float = 1.0
) -> Trajectories:
    """Set a few tasks in an environment and take a step in each, to see whether tasks can be set at all.

    Args:
        env_id: goal-conditioned environment.
        kind: see ``sample_tasks``.
        env_kwargs: see ``sample_tasks``; noise is left out.
        min_distance: see ``sample_tasks``.

    Returns:
        An episode of one step for each task.

    Raises:
        ValueError: the environment does not keep the contract, see :func:`gbplan.envs.offers.require_contract`.
    """
    require_contract(env_id, env_kwargs)
    tasks = sample_tasks(env_id, kind, 8, 0, "training", without_noise(env_kwargs), min_distance)
    envs = make_vector_env(env_id, len(tasks), tasks.env_kwargs)
    try:
        # Not their own seeds, from which an environment that draws its own task would draw the right ones.
        seeds = (tasks.seeds + len(tasks)).tolist()
        episodes = rollout(envs, RandomPolicy(), seeds=seeds, states=tasks.states, goals=tasks.goals, max_steps=1)
    finally:
        envs.close()
    require_begun(env_id, "state", tasks.states, episodes.observations["observation"][episodes.starts])
    return episodes


def _make_envs(env_id: str, count: int, env_kwargs: dict[str, Any]) -> gym.vector.VectorEnv:
    """Make the environment that draws, or say why it cannot draw such tasks."""
    with closing(gym.make(env_id, **{name: value for name, value in env_kwargs.items() if name != "task"})) as env:
        require_goal_conditioned(env.observation_space, env.action_space, env_id)
    try:
        return make_vector_env(env_id, count, env_kwargs)
    except TypeError as error:
        if "unexpected keyword argument 'task'" not in str(error):
            raise
        raise ValueError(
            f"{env_id} takes no argument 'task', so it has no kind of tasks called {env_kwargs['task']!r}; "
            "ask for the tasks it draws by itself: --kinds [default], in Python kind=None"
        ) from None
