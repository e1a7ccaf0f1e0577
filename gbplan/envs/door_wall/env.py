"""DoorWall-v0: reach a goal beyond a wall with a door."""

import math
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.door_wall.contact import slide, stop
from gbplan.envs.door_wall.in_world import InWorld
from gbplan.envs.door_wall.rendering import scene_of
from gbplan.envs.door_wall.tasks import check_goals, check_states, draw_task
from gbplan.envs.door_wall.world import NOISE_CUT, World
from gbplan.envs.native_vector import check_render_mode
from gbplan.envs.options import check_options
from gbplan.envs.planar import draw_episode

Observation = dict[str, NDArray[np.float32]]


class DoorWallEnv(InWorld, gym.Env[dict[str, Any], NDArray[Any]]):
    """A point agent in a square room, a wall across the room, a door in the wall, a goal.

    ## Description

    The world is the square [-2, 2] x [-2, 2]. A wall without thickness stands on x = 0 from border to border; it is
    open where |y - door_center| <= door_half_width (by default |y| <= 0.5, edges included). The borders are walls too.
    Start and goal lie on opposite sides, so the agent must find the door. The wall stops a planner that walks straight
    to the goal whenever the straight line misses the door.

    Lengths are in world units (u), time in steps.

    ## Observation Space

    A dictionary of float32 arrays:

    | Key             | Num | Meaning                                      | Min        | Max       | Unit   |
    |-----------------|-----|----------------------------------------------|------------|-----------|--------|
    | `observation`   | 0   | x of the agent                               | -2         | 2         | u      |
    | `observation`   | 1   | y of the agent                               | -2         | 2         | u      |
    | `observation`   | 2   | velocity in x (`dynamics="velocity"` only)   | -max_speed | max_speed | u/step |
    | `observation`   | 3   | velocity in y (`dynamics="velocity"` only)   | -max_speed | max_speed | u/step |
    | `achieved_goal` | 0   | x of the agent, without noise                | -2         | 2         | u      |
    | `achieved_goal` | 1   | y of the agent, without noise                | -2         | 2         | u      |
    | `desired_goal`  | 0   | x of the goal                                | -2         | 2         | u      |
    | `desired_goal`  | 1   | y of the goal                                | -2         | 2         | u      |

    Observation noise widens the bounds of `observation` by 6 `observation_noise`, and is cut there. `achieved_goal` is
    always exact: reward, success and hindsight relabelling use the true position, and `reward ==
    compute_reward(achieved_goal, desired_goal, info)` holds to the last bit. An agent that may only use its sensors
    must read `observation` alone.

    ## Action Space

    `Box(-1, 1, (2,), float32)`, clipped to these bounds; NaN is refused.

    | Num | Meaning                                                        |
    |-----|----------------------------------------------------------------|
    | 0   | displacement (position) or acceleration (velocity) in x        |
    | 1   | displacement (position) or acceleration (velocity) in y        |

    ## Transition Dynamics

    With the clipped action a, and w drawn from a standard normal in every step:

    - `dynamics="position"`, state (x, y):
      *d = step_size * a + process_noise * w*
    - `dynamics="velocity"`, state (x, y, vx, vy):
      *v' = clip((1 - damping) * v + acceleration * a, -max_speed, max_speed)*, per axis;
      *d = v' + process_noise * w*

    The agent moves by d unless the wall or a border blocks it. The segment from its position to its position + d is
    tested exactly, at any speed: the agent changes sides only if the segment, with y held at the borders, crosses x = 0
    inside the door. A blocked move ends on the agent's own side, a skin of 0.001 u before the wall or border, and

    - `contact="slide"`: slides along it, to the move's own end on the other axis;
    - `contact="stop"`: stops there, at the first contact.

    The velocity component of a blocked axis becomes 0. The agent never stands on x = 0, not even in float32; in the
    doorway it may stand inside the skin, and if it leaves the doorway along y it is moved out to the skin.

    ## Reward

    - `reward_type="sparse"`: 0 if the distance to the goal is less than `goal_threshold`, else -1;
    - `reward_type="dense"`: minus the distance to the goal (u).

    `info` contains `is_success` (bool), `distance` (float, u) and `contact` (bool: wall or border met in this step), in
    `reset` as well.

    ## Starting State

    Start and goal are drawn uniformly on opposite sides of the wall, at least 0.3 u from it; the agent is at rest.
    `task="detour"` keeps only those whose straight segment crosses x = 0 more than 0.1 u outside the door and whose
    goal lies more than 0.2 u beyond the door's edge in y. Drawn numbers are exact in float32, so that an observed task
    can be set again.

    `reset(options={"state": ..., "goal": ...})` sets a task exactly. The state has 2 numbers, or 4 under velocity
    dynamics (2 mean at rest); it must lie outside the skins, and the goal in the world. A part that is missing is
    drawn as above.

    ## Episode End

    1. Termination: the goal is reached (`info["is_success"]`), unless `continuing_task=True`.
    2. Truncation: after 100 steps, by `gymnasium.make`'s time limit.

    ## Arguments

    | Argument            | Default      | Range               | Unit     | Meaning                                |
    |---------------------|--------------|---------------------|----------|----------------------------------------|
    | `step_size`         | 0.1          | (0, 4]              | u        | displacement at full action (position) |
    | `dynamics`          | `"position"` | or `"velocity"`     |          | what the action does                   |
    | `contact`           | `"slide"`    | or `"stop"`         |          | what a blocked move does               |
    | `door_center`       | 0.0          | door within borders | u        | y of the door's middle                 |
    | `door_half_width`   | 0.5          | [0.05, 2]           | u        | half the width of the door             |
    | `process_noise`     | 0.0          | [0, 2]              | u        | std of the displacement's noise        |
    | `observation_noise` | 0.0          | [0, 2]              | u,u/step | std of each entry of `observation`     |
    | `reward_type`       | `"sparse"`   | or `"dense"`        |          | see Reward                             |
    | `goal_threshold`    | 0.1          | [0.01, 0.6)         | u        | success below this distance            |
    | `continuing_task`   | False        |                     |          | do not terminate at the goal           |
    | `task`              | `"uniform"`  | or `"detour"`       |          | which tasks are drawn                  |
    | `acceleration`      | 0.02         | (0, 4]              | u/step^2 | change of speed at full action         |
    | `damping`           | 0.1          | [0, 1]              | 1/step   | part of the velocity lost per step     |
    | `max_speed`         | 0.15         | (0, 4]              | u/step   | limit per axis                         |
    | `render_mode`       | None         | or `"rgb_array"`    |          | what `render` returns                  |

    With the default speeds, `env.unwrapped.expert()` reaches the goal of every drawn task within the 100 steps.

    ```python
    >>> import gymnasium as gym
    >>> import gbplan
    >>> env = gym.make("DoorWall-v0", task="detour", door_center=1.0, door_half_width=0.3)
    >>> observation, info = env.reset(seed=0, options={"state": [-1.0, -1.0], "goal": [1.0, -1.0]})
    >>> observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
    >>> float(reward), terminated, truncated, info["is_success"]
    (-1.0, False, False, False)

    ```

    `gym.make_vec("DoorWall-v0", num_envs=64)` makes the native vector form,
    `DoorWallVectorEnv`.

    ## Version History

    - v0: initial version.
    """

    metadata = {  # noqa: RUF012, Gymnasium's own form
        "render_modes": ["rgb_array"],
        "render_fps": 10,
        "noise_arguments": ("observation_noise", "process_noise"),
    }

    def __init__(self, *, render_mode: str | None = None, **world: Any) -> None:
        """Make the environment; ``world`` are the arguments above, checked by `World`."""
        self.world = World.from_arguments(world)
        check_render_mode(render_mode)
        self.render_mode = render_mode
        self.observation_space = self.world.observation_space()
        self.action_space = self.world.action_space()
        self._move = slide if self.world.contact == "slide" else stop
        self._state: list[float] = []  # empty until reset
        self._goal = np.zeros(2, np.float32)
        self._trail: list[tuple[float, float]] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; ``options`` may contain ``state`` and ``goal``, see Starting State."""
        given = check_options(options, ("state", "goal"))
        state = check_states(self.world, given["state"])[0].tolist() if "state" in given else None
        goal = check_goals(given["goal"])[0].tolist() if "goal" in given else None
        super().reset(seed=seed)
        self._state, goal = draw_task(self.world, self.np_random, state, goal)
        self._goal = np.array(goal, np.float32)
        self._trail = [(self._state[0], self._state[1])]
        observation = self._observe()
        return observation, self._info(observation, contact=False)

    def step(self, action: ArrayLike) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Move once; see Transition Dynamics."""
        if not self._state:
            raise gym.error.ResetNeeded("DoorWall-v0 was stepped before its first reset; call reset() before step()")
        world = self.world
        action_x, action_y = self._clipped(action)
        x, y = self._state[:2]
        if world.dynamics == "velocity":
            keep, limit = 1.0 - world.damping, world.max_speed
            dx = vx = _clip(keep * self._state[2] + world.acceleration * action_x, limit)
            dy = vy = _clip(keep * self._state[3] + world.acceleration * action_y, limit)
        else:
            dx, dy = world.step_size * action_x, world.step_size * action_y
        if world.process_noise > 0.0:
            noise_x, noise_y = self.np_random.standard_normal(2).tolist()
            dx, dy = dx + world.process_noise * noise_x, dy + world.process_noise * noise_y

        x, y, hit_x, hit_y = self._move(x, y, dx, dy, world.door_low, world.door_high)
        if world.dynamics == "velocity":
            # Noise alone may push the agent into a wall that it is leaving: then its velocity stays.
            vx = 0.0 if hit_x and vx * dx > 0.0 else vx
            vy = 0.0 if hit_y and vy * dy > 0.0 else vy
            self._state = [x, y, vx, vy]
        else:
            self._state = [x, y]
        if self.render_mode is not None:
            self._trail.append((x, y))

        observation = self._observe()
        info = self._info(observation, contact=hit_x or hit_y)
        reward = -info["distance"] if world.reward_type == "dense" else 0.0 if info["is_success"] else -1.0
        # Never truncated here: gymnasium.make adds the time limit as a wrapper.
        return observation, reward, info["is_success"] and not world.continuing_task, False, info

    def render(self) -> NDArray[np.uint8] | None:
        """Return the room seen from above, ``(256, 256, 3)``: walls, door, goal, trail and agent."""
        if self.render_mode is None:
            gym.logger.warn('render() needs gym.make("DoorWall-v0", render_mode="rgb_array")')
            return None
        if not self._trail:
            raise gym.error.ResetNeeded("DoorWall-v0 was rendered before its first reset; call reset() before render()")
        goal = (float(self._goal[0]), float(self._goal[1]))
        return draw_episode(scene_of(self.world), self._trail, goal, self.world.goal_threshold)

    def _clipped(self, action: ArrayLike) -> tuple[float, float]:
        array = np.asarray(action, np.float64)
        if array.shape != (2,):
            raise gym.error.InvalidAction(f"the action must have shape (2,), got {array.shape}")
        action_x, action_y = array.tolist()
        if action_x != action_x or action_y != action_y:
            raise gym.error.InvalidAction(f"the action must not be NaN, got {array}")
        return _clip(action_x, 1.0), _clip(action_y, 1.0)

    def _observe(self) -> Observation:
        observed = self._state
        if self.world.observation_noise > 0.0:
            noise = self.np_random.standard_normal(len(observed)).tolist()
            std = self.world.observation_noise
            observed = [value + std * _clip(n, NOISE_CUT) for value, n in zip(observed, noise, strict=True)]
        return {
            "observation": np.array(observed, np.float32),
            "achieved_goal": np.array(self._state[:2], np.float32),
            "desired_goal": self._goal.copy(),
        }

    def _info(self, observation: Observation, contact: bool) -> dict[str, Any]:
        # Computed from the float32 observation in the same way as compute_reward: the two must agree exactly.
        x, y = observation["achieved_goal"].tolist()
        goal_x, goal_y = observation["desired_goal"].tolist()
        distance = math.sqrt((x - goal_x) * (x - goal_x) + (y - goal_y) * (y - goal_y))
        return {"is_success": distance < self.world.goal_threshold, "distance": distance, "contact": contact}


def _clip(value: float, limit: float) -> float:
    return -limit if value < -limit else limit if value > limit else value
