"""gbplan/PointMaze-v0: push a ball through a maze."""

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import ArrayLike, NDArray

from gbplan.envs.arguments import world_of
from gbplan.envs.native_vector import check_render_mode
from gbplan.envs.options import check_options
from gbplan.envs.planar import draw_episode
from gbplan.envs.point_maze.in_world import InWorld
from gbplan.envs.point_maze.physics import Physics
from gbplan.envs.point_maze.rendering import scene_of
from gbplan.envs.point_maze.tasks import check_goals, check_states, draw_task
from gbplan.envs.point_maze.world import ENV_ID, World

Observation = dict[str, NDArray[np.float32]]


class PointMazeEnv(InWorld, gym.Env[dict[str, Any], NDArray[Any]]):
    """A ball in a maze is pushed to a goal, by forces in the plane.

    ## Description

    The ball, the mazes and their physics are those of gymnasium-robotics' PointMaze, simulated by MuJoCo: mass 4.19 kg,
    radius 0.1 u, forces of up to 100 N per axis, damping 1 N s/u; walls push back without friction. A maze is a grid
    of cells 1 u wide around the origin, `#` is wall; u is a metre.

    | `maze`     | rows, top first                                                                                 |
    |------------|-------------------------------------------------------------------------------------------------|
    | `"umaze"`  | `#####` `#...#` `###.#` `#...#` `#####`                                                         |
    | `"medium"` | `########` `#..##..#` `#..#...#` `##...###` `#..#...#` `#.#..#.#` `#...#..#` `########`         |
    | `"large"`  | `############` `#....#.....#` `#.##.#.#.#.#` `#......#...#` `#.####.###.#` `#..#.#.....#`       |
    |            | `##.#.#.#.###` `#..#...#...#` `############`                                                    |

    Differences from gymnasium-robotics: the tasks (below); 5 simulation steps per step; and a step is a function of
    state and action alone, bit for bit, independent of earlier steps. Therefore the solver has no warm start, and the
    state is rounded to float32 after every step, as it is observed.

    ## Observation Space

    A dictionary of float32 arrays, W and H half the maze's width and height (2.5 and 2.5, 4 and 4, 6 and 4.5):

    | Key             | Num  | Meaning          | Min    | Max  | Unit |
    |-----------------|------|------------------|--------|------|------|
    | `observation`   | 0, 1 | x, y of the ball | -W, -H | W, H | u    |
    | `observation`   | 2, 3 | its velocity     | -5     | 5    | u/s  |
    | `achieved_goal` | 0, 1 | x, y of the ball | -W, -H | W, H | u    |
    | `desired_goal`  | 0, 1 | x, y of the goal | -W, -H | W, H | u    |

    ## Action Space

    `Box(-1, 1, (2,), float32)`: the force in x and y, in units of 100 N, clipped to these bounds; NaN is refused. It
    acts throughout the step.

    ## Transition Dynamics

    `frame_skip` simulation steps of 0.01 s under the same force. Then each component of the velocity is clipped to 5
    u/s; gymnasium-robotics clips it before the next step instead, which gives the same positions.

    ## Reward

    - `reward_type="sparse"`: 0 if the distance to the goal is less than `goal_threshold`, else -1;
    - `reward_type="dense"`: minus the distance to the goal (u).

    `info` contains `is_success` (bool), `distance` (float, u) and `contact` (bool: a wall was touched during the step),
    in `reset` as well, where `contact` is False.

    ## Starting State

    Start and goal are drawn uniformly among the places at least 0.2 u from every wall, the components of the velocity
    in [-`start_speed`, `start_speed`]. `task="detour"` keeps only tasks whose start and goal do not see each other.
    No task begins solved. Drawn numbers are exact in float32, so that an observed task can be set again.

    `reset(options={"state": ..., "goal": ...})` sets a task exactly. The state holds 4 numbers, or 2, which mean at
    rest. Neither may lie in a wall; a ball that overlaps one is pushed out. A missing part is drawn as above.

    ## Episode End

    1. Termination: the goal is reached (`info["is_success"]`), unless `continuing_task=True`.
    2. Truncation: after 200 steps, by `gymnasium.make`'s time limit.

    ## Arguments

    | Argument          | Default     | Range                   | Unit   | Meaning                      |
    |-------------------|-------------|-------------------------|--------|------------------------------|
    | `maze`            | `"umaze"`   | `"medium"` or `"large"` |        | see Description              |
    | `task`            | `"uniform"` | or `"detour"`           |        | which tasks are drawn        |
    | `frame_skip`      | 5           | 1..10                   | 0.01 s | simulation steps per step    |
    | `start_speed`     | 5           | [0, 5]                  | u/s    | limit of drawn velocities    |
    | `reward_type`     | `"sparse"`  | or `"dense"`            |        | see Reward                   |
    | `goal_threshold`  | 0.45        | [0.01, 1]               | u      | success below this distance  |
    | `continuing_task` | False       |                         |        | do not terminate at the goal |
    | `render_mode`     | None        | or `"rgb_array"`        |        | what `render` returns        |

    `goal_threshold` is that of gymnasium-robotics; DINO-WM (Zhou et al., 2024), whose setting arXiv 2512.09929 uses,
    has 0.5. `frame_skip` and `start_speed` are DINO-WM's.

    ```python
    >>> import gymnasium as gym
    >>> import gbplan
    >>> env = gym.make("gbplan/PointMaze-v0", maze="medium")
    >>> observation, info = env.reset(seed=0, options={"state": [-2.5, 2.5], "goal": [2.5, -2.5]})
    >>> observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
    >>> float(reward), terminated, truncated, info["is_success"]
    (-1.0, False, False, False)

    ```

    `gym.make_vec("gbplan/PointMaze-v0", num_envs=64)` makes the native vector form,
    `PointMazeVectorEnv`.

    ## Version History

    - v0: initial version.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012, Gymnasium's own form

    def __init__(self, *, render_mode: str | None = None, **world: Any) -> None:
        """Make the environment; ``world`` are the arguments above, checked by `World`.

        Raises:
            ValueError: an argument is outside its range.
            TypeError: an argument has the wrong type or an unknown name.
            gymnasium.error.DependencyNotInstalled: MuJoCo is not installed.
        """
        self.world = world_of(World, ENV_ID, world)
        check_render_mode(render_mode)
        self.render_mode = render_mode
        self.observation_space = self.world.observation_space()
        self.action_space = self.world.action_space()
        self._physics = Physics(self.world.maze, self.world.frame_skip)
        self._state = np.zeros(0)  # empty until reset
        self._goal = np.zeros(2)
        self._trail: list[tuple[float, float]] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; ``options`` may contain ``state`` and ``goal``, see Starting State."""
        given = check_options(options, ("state", "goal"))
        state = check_states(self.world, given["state"])[0] if "state" in given else None
        goal = check_goals(self.world, given["goal"])[0] if "goal" in given else None
        super().reset(seed=seed)
        self._state, self._goal = draw_task(self.world, self.np_random, state, goal)
        self._trail = [(self._state[0], self._state[1])]
        observation = self._observe()
        return observation, self._info(observation, contact=False)

    def step(self, action: ArrayLike) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Push once; see Transition Dynamics."""
        if not self._state.size:
            raise gym.error.ResetNeeded(f"{ENV_ID} was stepped before its first reset; call reset() before step()")
        states, touched = self._physics.step(self._state[None], self._clipped(action)[None])
        self._state = states[0]
        if self.render_mode is not None:
            self._trail.append((self._state[0], self._state[1]))
        observation = self._observe()
        info = self._info(observation, contact=bool(touched[0]))
        reward = -info["distance"] if self.world.reward_type == "dense" else 0.0 if info["is_success"] else -1.0
        # Never truncated here: gymnasium.make adds the time limit as a wrapper.
        return observation, reward, info["is_success"] and not self.world.continuing_task, False, info

    def render(self) -> NDArray[np.uint8] | None:
        """Return the maze seen from above, ``(256, 256, 3)``: walls, goal, trail and ball."""
        if self.render_mode is None:
            gym.logger.warn(f'render() needs gym.make("{ENV_ID}", render_mode="rgb_array")')
            return None
        if not self._trail:
            raise gym.error.ResetNeeded(f"{ENV_ID} was rendered before its first reset; call reset() before render()")
        goal = (self._goal[0], self._goal[1])
        return draw_episode(scene_of(self.world.maze), self._trail, goal, self.world.goal_threshold)

    def _clipped(self, action: ArrayLike) -> NDArray[np.float64]:
        array = np.asarray(action, np.float64)
        if array.shape != (2,):
            raise gym.error.InvalidAction(f"the action must have shape (2,), got {array.shape}")
        if np.isnan(array).any():
            raise gym.error.InvalidAction(f"the action must not be NaN, got {array}")
        return np.clip(array, -1.0, 1.0)

    def _observe(self) -> Observation:
        state = self._state.astype(np.float32)
        return {"observation": state, "achieved_goal": state[:2].copy(), "desired_goal": self._goal.astype(np.float32)}

    def _info(self, observation: Observation, contact: bool) -> dict[str, Any]:
        distance = float(self.goal_distance(observation["achieved_goal"], observation["desired_goal"]))
        return {"is_success": distance < self.world.goal_threshold, "distance": distance, "contact": contact}
