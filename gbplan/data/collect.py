"""Collects a policy's episodes into a dataset on disk."""

import warnings
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from gbplan import checks
from gbplan.data.dataset_folder import require_writable, writing
from gbplan.data.dataset_writer import write_dataset
from gbplan.data.episodes import make_vector_env, run_episodes
from gbplan.data.trajectories import Trajectories
from gbplan.describe import as_text, describe
from gbplan.envs.contract import require_contract, require_goal_conditioned, time_limit
from gbplan.envs.policy import Policy
from gbplan.envs.registered import require_registered
from gbplan.seeds import TRAINING_SEEDS, episode_seeds


def collect(
    env_id: str,
    dataset_id: str,
    policy: Policy,
    episodes: int,
    seed: int = 0,
    num_envs: int = 256,
    env_kwargs: dict[str, Any] | None = None,
    root: str | None = None,
    overwrite: bool = False,
    progress: bool = True,
    num_processes: int = 1,
) -> Path:
    """Run a policy in an environment and write its episodes as a Minari dataset.

    The same arguments give the same dataset, bit for bit. Episode e has the environment seed ``seed * 1_000_000 + e``,
    below 2**30, where the tasks of evaluation begin. Nothing is written before the last episode is over, so an
    interrupted collection leaves nothing behind.

    Args:
        env_id: registered Gymnasium id, or ``module:id`` to import its module first.
        dataset_id: name of the new dataset, ``name-v0`` or ``namespace/name-v0``.
        policy: the policy to run.
        episodes: number of episodes.
        seed: number of a block of a million training seeds, from which tasks are drawn, 0 to 1072; datasets with the
            same seed share tasks.
        num_envs: episodes that run at the same time.
        env_kwargs: keyword arguments of the environment.
        root: folder of all datasets; None is Minari's own (``$MINARI_DATASETS_PATH``, else ``~/.minari/datasets``).
        overwrite: replace a dataset of this name; the old one stays until the new one is complete.
        progress: show progress on stderr.
        num_processes: processes that step the environment, and share its rows; the dataset is the same.

    Returns:
        The dataset's folder.

    Raises:
        FileExistsError: the dataset exists already, and ``overwrite`` is False.
        PermissionError: its folder cannot be written into.
        BlockingIOError: another command is writing it.
        WriteError: the dataset could not be written; existing files are unchanged.
        ValueError: a number is out of range, or the environment is not registered, has no time limit, or is not
            goal-conditioned with continuous actions. Settable tasks and ``is_success`` are not needed, because a model
            learns the dynamics only; a warning says that they are missing.
    """
    if episodes < 1:
        raise ValueError(f"episodes must be at least 1, got {episodes}")
    if num_envs < 1:
        raise ValueError(f"num_envs must be at least 1, got {num_envs}")
    checks.at_least_one(num_processes=num_processes)
    seeds = episode_seeds(TRAINING_SEEDS, seed, episodes)
    require_registered(env_id)
    require_writable(dataset_id, root, overwrite)
    with closing(gym.make(env_id, **(env_kwargs or {}))) as env:
        require_goal_conditioned(env.observation_space, env.action_space, env_id)
        spec = env.spec
    assert spec is not None  # gymnasium.make sets it
    if not isinstance(spec.entry_point, str):
        raise ValueError(
            f"{env_id} was registered with the object {spec.entry_point!r}, which a dataset cannot name; register it "
            "with entry_point='module:Class'"
        )
    time_limit(env_id, env_kwargs)  # else an episode may never end
    try:
        require_contract(env_id, env_kwargs)
    except Exception as error:  # of any kind: the environment may raise it
        lacks = " ".join(str(error).split())
        still = "the dataset can train a model, but `gbplan evaluate` will refuse this environment"
        warnings.warn(f"{lacks}; {still}", stacklevel=2)
    metadata = {
        "algorithm_name": as_text(describe(policy)),
        "description": f"{episodes} episodes of {spec.id}, collected by gbplan",
        "gbplan_version": version("gbplan"),
        "seed": seed,
    }

    with writing(dataset_id, root, overwrite):
        rounds: list[Trajectories] = []
        with tqdm(total=episodes, desc=f"collecting {dataset_id}", unit="episode", disable=not progress) as bar:
            for start in range(0, episodes, num_envs):
                chunk = seeds[start : start + num_envs]

                def show(step: int, active: NDArray[np.bool_], done: int = start) -> None:
                    bar.update(done + len(active) - int(active.sum()) - bar.n)

                with closing(make_vector_env(env_id, len(chunk), env_kwargs, num_processes)) as envs:
                    rounds.append(run_episodes(envs, policy, seeds=chunk, on_step=show))
        return write_dataset(
            rounds,
            dataset_id,
            spec,
            seeds=seeds,
            metadata=metadata,
            root=root,
            overwrite=overwrite,
            progress=progress,
        )
