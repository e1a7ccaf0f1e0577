"""What an environment or a dataset must look like to be planned in."""

import gymnasium as gym
from gymnasium.spaces import Box, Dict

GOAL_KEYS = ("observation", "achieved_goal", "desired_goal")


def require_goal_conditioned(observation_space: gym.Space, action_space: gym.Space, name: str) -> tuple[Dict, Box]:
    """Check that observations are goal-conditioned and actions continuous vectors.

    Args:
        observation_space: must be a Dict of Boxes with ``observation``, ``achieved_goal`` and ``desired_goal``.
        action_space: must be a Box of shape ``(A,)``.
        name: what has these spaces, for the message.

    Returns:
        The two spaces, with their types known.

    Raises:
        ValueError: they are something else.
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
