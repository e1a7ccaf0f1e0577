"""``gbplan/PushT-v0``: push a T to where it should be."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.arguments import world_of
from gbplan.envs.native_vector import check_render_mode
from gbplan.envs.options import check_options
from gbplan.envs.push_t import states
from gbplan.envs.push_t.in_world import InWorld
from gbplan.envs.push_t.physics import Physics
from gbplan.envs.push_t.rendering import draw_episode
from gbplan.envs.push_t.tasks import draw_task
from gbplan.envs.push_t.world import ENV_ID, World
from gbplan.envs.segments import draw_key

Observation = dict[str, NDArray[np.float32]]


class PushTEnv(InWorld, gym.Env[dict[str, Any], NDArray[Any]]):
    """A round agent pushes a block in the shape of a T to a pose on a table.

    ## Description

    The board is 512 by 512 pixels; the walls' faces are at 7 and 504 px. The agent is a disc of radius 15 px, the T a
    bar of 120 by 30 px with a stem of 30 by 90 px. The block moves only while it is pushed, and easily slips off to the
    side: its motion depends on contact to within a pixel. Numbers and physics are those of Diffusion Policy's task,
    with the relative actions of DINO-WM and of the paper.

    Lengths are in pixels of the board (px), y pointing down.

    ## Observation Space

    A dictionary of float32 arrays. `observation` is the state itself, to the last bit:

    | Key             | Num  | Meaning                                            | Min    | Max   | Unit  |
    |-----------------|------|----------------------------------------------------|--------|-------|-------|
    | `observation`   | 0, 1 | x, y of the agent                                  | 22     | 489   | px    |
    | `observation`   | 2, 3 | x, y of the block: the middle of its bar's free edge | 0    | 512   | px    |
    | `observation`   | 4, 5 | cosine and sine of the block's angle               | -1     | 1     |       |
    | `observation`   | 6, 7 | velocity of the agent in x, y                      | -500   | 500   | px/s  |
    | `observation`   | 8, 9 | velocity of the block in x, y                      | -2000  | 2000  | px/s  |
    | `observation`   | 10   | spin of the block                                  | -50    | 50    | rad/s |
    | `achieved_goal` | 0..5 | the first six of `observation`                     |        |       |       |
    | `desired_goal`  | 0..5 | what they should be                                |        |       |       |

    With `success="block"`, goals are numbers 2 to 5 alone, the block's pose. The block's velocity is that of the last
    hundredth of a second: with `damping=0` it does not last for a step, but it moves the block once more.

    ## Action Space

    `Box(-1, 1, (2,), float32)`, clipped to these bounds; NaN is refused.

    | Num | Meaning                                                                  |
    |-----|--------------------------------------------------------------------------|
    | 0   | target of the agent relative to its position, in x, units of 100 px      |
    | 1   | target of the agent relative to its position, in y, units of 100 px      |

    ## Transition Dynamics

    A step is a tenth of a second: ten steps of pymunk. In each, the agent's velocity changes by
    *(100 (target - position) - 20 velocity) / 100*; from rest it covers a quarter of the distance. The agent stops only
    at walls, and at a block that it presses against a wall: then both stand still. See `Physics`.

    The next state depends on state and action alone, to the last bit: no contact is remembered from one step to the
    next. So an episode set to a state of another one continues exactly like it.

    ## Reward

    - `reward_type="sparse"`: 0 if the goal is reached, else -1;
    - `reward_type="dense"`: minus the larger of *distance / 20 px* and *angle / (pi/9)*; the goal is reached above -1.

    The goal is reached when the positions of agent and block together, four numbers, are less than 20 px from it and
    the block's angle less than pi/9; with `success="block"`, the block's position and angle.

    `info` contains `is_success` (bool), `position_error` (px), `angle_error` (rad), `coverage` (the part of the goal's
    T that the block covers, 0 to 1) and `contact` (bool: agent and block touched in this step), in `reset` as well.

    ## Starting State

    - `task="segment"`: start and goal are two states of a noisy pusher's episode, `segment_steps` apart, between which
      the block moved by more than 20 px or pi/9. Every goal can be reached, and the expert repeats the pusher's
      actions.
    - `task="pose"`: agent and block anywhere on the table, at rest, and the goal another such state. There is no
      expert.

    A task drawn is a function of the seed. `reset(options={"state": ..., "goal": ...})` sets a task exactly; a missing
    part is drawn as above. A state is given by its 11 numbers, or by 5 (positions, angle) or 7 (and the agent's
    velocity) as in the original task, then otherwise at rest; a goal by its 6 or 4 numbers, or with an angle in place
    of cosine and sine. `reset` refuses places off the table, and an agent whose middle is inside the block. If they
    overlap by less, or a corner of the block lies up to 6 px in a wall, physics pushes them apart within a few steps.

    ## Episode End

    1. Termination: the goal is reached (`info["is_success"]`), unless `continuing_task=True`.
    2. Truncation: after 150 steps, by `gymnasium.make`'s time limit. The literature allows 50 steps for segments of 25:
       `max_episode_steps=50`.

    ## Arguments

    | Argument          | Default     | Range          | Meaning                                                       |
    |-------------------|-------------|----------------|---------------------------------------------------------------|
    | `friction`        | 0.0         | [0, 10]        | Coulomb coefficient of the block against agent and wall       |
    | `damping`         | 0.0         | [0, 1]         | share of its velocity that a free block keeps in a second     |
    | `success`         | `"both"`    | or `"block"`   | what must be at the goal                                      |
    | `task`            | `"segment"` | or `"pose"`    | which tasks are drawn                                         |
    | `segment_steps`   | 25          | [5, 500]       | steps between start and goal of a segment                     |
    | `reward_type`     | `"sparse"`  | or `"dense"`   | see Reward                                                    |
    | `continuing_task` | False       |                | do not terminate at the goal                                  |
    | `render_mode`     | None        | or `"rgb_array"` | what `render` returns                                       |

    Friction is 0 as in the original, whose code sets it where pymunk does not read it; a damping of 0 stops the block
    at once.

    ```python
    >>> import gymnasium as gym
    >>> import gbplan
    >>> env = gym.make("gbplan/PushT-v0", success="block")
    >>> options = {"state": [256, 180, 256, 200, 0.0], "goal": [256, 230, 0.0]}
    >>> observation, info = env.reset(seed=0, options=options)
    >>> terminated = False
    >>> while not terminated:  # down, against the middle of the bar
    ...     observation, reward, terminated, truncated, info = env.step([0.0, 0.2])
    >>> info["is_success"], info["position_error"] < 20.0, info["coverage"] > 0.5
    (True, True, True)

    ```

    `gym.make_vec("gbplan/PushT-v0", num_envs=64)` makes the vector form,
    `PushTVectorEnv`.

    ## Version History

    - v0: initial version.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012, Gymnasium's own form

    def __init__(self, *, render_mode: str | None = None, **world: Any) -> None:
        """Make the environment; ``world`` are the arguments above, checked by `World`."""
        self.world = world_of(World, ENV_ID, world)
        check_render_mode(render_mode)
        self.render_mode = render_mode
        self.observation_space = self.world.observation_space()
        self.action_space = self.world.action_space()
        self._physics = Physics(self.world.friction, self.world.damping)
        self._state: Sequence[float] = ()  # empty until reset
        self._goal: tuple[float, ...] = ()
        self._start: tuple[float, ...] = ()
        self._key = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; ``options`` may contain ``state`` and ``goal``, see Starting State."""
        given = check_options(options, ("state", "goal"))
        state = states.check_states(given["state"])[0] if "state" in given else None
        goal = states.check_goals(given["goal"], self.world.success)[0] if "goal" in given else None
        super().reset(seed=seed)
        self._key = draw_key(self.np_random)
        task = draw_task(self.world, self._key, state, goal)
        self._state = self._start = task.state
        self._goal = task.goal
        return self._observe(), self._judge(self._state, self._goal, contact=False)[1]

    def step(self, action: ArrayLike) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Move for a tenth of a second; see Transition Dynamics."""
        if not self._state:
            raise gym.error.ResetNeeded(f"{ENV_ID} was stepped before its first reset; call reset() before step()")
        self._state, contact = self._physics.step(self._state, *self._clipped(action))
        reward, info = self._judge(self._state, self._goal, contact)
        # Never truncated here: gymnasium.make adds the time limit as a wrapper.
        return self._observe(), reward, info["is_success"] and not self.world.continuing_task, False, info

    def segment_actions(self) -> NDArray[np.float32] | None:
        """Return actions that lead from this episode's start to its goal, ``(T, 2)``.

        None if the task is not the segment that is drawn for this episode's seed.
        """
        return self._segment(self._key, self._start, self._goal) if self._start else None

    def render(self) -> NDArray[np.uint8] | None:
        """Return the table seen from above, ``(256, 256, 3)``: block and agent over the goal."""
        if self.render_mode is None:
            gym.logger.warn(f'render() needs gym.make("{ENV_ID}", render_mode="rgb_array")')
            return None
        if not self._state:
            raise gym.error.ResetNeeded(f"{ENV_ID} was rendered before its first reset; call reset() before render()")
        return draw_episode(self._state, self._goal)

    def _clipped(self, action: ArrayLike) -> tuple[float, float]:
        array = np.asarray(action, np.float64)
        if array.shape != (2,):
            raise gym.error.InvalidAction(f"the action must have shape (2,), got {array.shape}")
        action_x, action_y = array.tolist()
        if action_x != action_x or action_y != action_y:
            raise gym.error.InvalidAction(f"the action must not be NaN, got {array}")
        return min(max(action_x, -1.0), 1.0), min(max(action_y, -1.0), 1.0)

    def _observe(self) -> Observation:
        return {
            "observation": np.array(self._state, np.float32),
            "achieved_goal": np.array(self._state[self._part], np.float32),
            "desired_goal": np.array(self._goal, np.float32),
        }
