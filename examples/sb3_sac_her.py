"""Train SAC with hindsight experience replay (Stable-Baselines3) on DoorWall-v0 or PointMaze.

Both are ordinary goal-conditioned Gymnasium environments, so any library that supports such environments can train on
them. Success is measured on held-out uniform and detour tasks, all stepped together in the native vector environment.

    python examples/sb3_sac_her.py                             # writes docs/figures/sb3_sac_her.csv and .png
    python examples/sb3_sac_her.py --env gbplan/PointMaze-v0   # writes sb3_sac_her_point_maze.csv and .png there

Each run takes about 10 minutes.
"""

import argparse
import csv
from pathlib import Path

import gymnasium as gym
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from stable_baselines3 import SAC, HerReplayBuffer

import gbplan

gym.register_envs(gbplan)

FIGURES = Path(__file__).resolve().parent.parent / "docs" / "figures"
TOTAL_STEPS = 20_000
EVALUATE_EVERY = 2_000
TASKS = 500
NAMES = {"DoorWall-v0": "sb3_sac_her", "gbplan/PointMaze-v0": "sb3_sac_her_point_maze"}
HELD_OUT_SEED = 1_000_000  # far from the seeds used in training
SEED = 0


def success(agent: SAC, env_id: str, task: str) -> float:
    """Return the fraction of held-out tasks in which the agent, using its mean action, reaches the goal in time."""
    envs = gym.make_vec(env_id, num_envs=TASKS, task=task, continuing_task=True)
    observation, _ = envs.reset(seed=HELD_OUT_SEED)
    reached = np.zeros(TASKS, np.bool_)
    for _ in range(gym.spec(env_id).max_episode_steps):
        action, _ = agent.predict(observation, deterministic=True)
        observation, *_, infos = envs.step(action)
        reached |= infos["is_success"]
    return float(reached.mean())


def learning_curve(
    total_steps: int, evaluate_every: int, env_id: str = "DoorWall-v0", seed: int = SEED
) -> list[dict[str, float]]:
    """Train an agent; return one row per evaluation: environment steps so far, success on uniform and detour tasks."""
    agent = SAC(
        "MultiInputPolicy",
        gym.make(env_id),
        replay_buffer_class=HerReplayBuffer,
        replay_buffer_kwargs={"n_sampled_goal": 4, "goal_selection_strategy": "future"},
        learning_starts=1_000,
        learning_rate=1e-3,
        gamma=0.95,
        batch_size=256,
        policy_kwargs={"net_arch": [128, 128]},
        seed=seed,
        device="cpu",
    )
    rows = []
    while True:
        row = {"steps": agent.num_timesteps, **{task: success(agent, env_id, task) for task in ("uniform", "detour")}}
        rows.append(row)
        print(f"{row['steps']:>6} steps: uniform {row['uniform']:.3f}, detour {row['detour']:.3f}", flush=True)
        if agent.num_timesteps >= total_steps:
            return rows
        agent.learn(evaluate_every, reset_num_timesteps=False)


def draw(rows: list[dict[str, float]], env_id: str) -> plt.Figure:
    figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
    for task, marker in (("uniform", "o"), ("detour", "s")):
        axes.plot([row["steps"] for row in rows], [row[task] for row in rows], marker=marker, markersize=3, label=task)
    axes.set(xlabel="environment steps", ylabel="success", ylim=(-0.02, 1.02))
    axes.set_title(f"SAC + HER on {env_id} ({TASKS} held-out tasks per kind, seed {SEED})", fontsize=9)
    axes.grid(alpha=0.3)
    axes.legend(title="tasks")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="DoorWall-v0", choices=NAMES)
    env_id = parser.parse_args().env
    rows = learning_curve(TOTAL_STEPS, EVALUATE_EVERY, env_id)
    FIGURES.mkdir(parents=True, exist_ok=True)
    with (FIGURES / f"{NAMES[env_id]}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, env_id).savefig(FIGURES / f"{NAMES[env_id]}.png", dpi=150)


if __name__ == "__main__":
    main()
