"""A policy that moves straight to the goal."""

from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gbplan.envs.policy import Observation, Policy
from gbplan.policies.action_bounds import action_bounds


class StraightLinePolicy(Policy):
    """Moves from ``achieved_goal`` straight to ``desired_goal``, also if a wall is in between.

    Its action is the remaining displacement, ``(desired - achieved) / step_size``, scaled down into the action box in
    the same direction: full speed at first, and the last step ends on the goal. This assumes that an action moves the
    achieved goal by ``step_size * action``, one action dimension per goal dimension, as for the displacement of a
    point; otherwise it is only a heading.
    """

    def __init__(self, step_size: float = 0.1) -> None:
        """Set the scale of the actions.

        Args:
            step_size: displacement, in goal units, of one unit of action, > 0.

        Raises:
            ValueError: ``step_size`` is not positive.
        """
        if not step_size > 0:
            raise ValueError(f"step_size must be positive, got {step_size}")
        self.step_size = step_size

    def reset(self, envs: gym.vector.VectorEnv, seeds: Sequence[int]) -> None:
        """Begin one episode per row; see ``Policy``.

        Raises:
            ValueError: the action box does not contain zero in its interior.
        """
        self._low, self._high = action_bounds(envs)
        if not ((self._low < 0) & (self._high > 0)).all():
            raise ValueError(f"the action bounds must enclose zero to scale an action, got {envs.single_action_space}")

    def act(self, observation: Observation, active: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Choose the next action of each row; see ``Policy``.

        Raises:
            ValueError: the goal and the action have different numbers of dimensions.
        """
        wanted = (observation["desired_goal"] - observation["achieved_goal"]) / self.step_size
        if wanted.shape[1:] != self._low.shape:
            raise ValueError(
                f"a straight line needs one action dimension per goal dimension, got goals of shape {wanted.shape[1:]} "
                f"and actions of shape {self._low.shape}"
            )
        excess = np.maximum(wanted / self._high, wanted / self._low).max(axis=1, keepdims=True)  # > 1: beyond the box
        return np.clip(wanted / np.maximum(excess, 1.0), self._low, self._high).astype(np.float32)
