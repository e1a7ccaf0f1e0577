"""gbplan/DoorLayouts-v0: reach a goal behind a wall with a door; wall and door move with every episode."""

from gbplan.envs.door_layouts.in_world import InWorld
from gbplan.envs.simulated import SimulatedEnv


class DoorLayoutsEnv(InWorld, SimulatedEnv):
    """A point agent in a square room; each episode draws the places of wall and door.

    ## Description

    The world of `DoorWallEnv`, with its sliding contact and its position dynamics,
    and one of 99 layouts: a wall without thickness stands on x = -1, -0.75, ... or 1, and the middle of its door is at
    y = -1.25, -1, ... or 1.25. A fifth of the layouts is held out, to evaluate models in unseen rooms:
    `layouts="unseen"` draws these 20, `layouts="seen"` the other 79. Every place of the wall and every place of the
    door occurs in some seen layout; only their combination is new in an unseen one.

    Lengths are in world units (u), time in steps.

    ## Observation Space

    A dictionary of float32 arrays. All three contain the layout, so that a state can be set again and a goal can be
    rendered as a picture of the room with the agent at the goal.

    | Key             | Num  | Meaning                       | Min         | Max        | Unit |
    |-----------------|------|-------------------------------|-------------|------------|------|
    | `observation`   | 0, 1 | x, y of the agent             | -2          | 2          | u    |
    | `observation`   | 2, 3 | x of the wall, y of its door  | -1, -1.25   | 1, 1.25    | u    |
    | `achieved_goal` | 0..3 | the same                      | -2          | 2          | u    |
    | `desired_goal`  | 0, 1 | x, y of the goal              | -2          | 2          | u    |
    | `desired_goal`  | 2, 3 | x of the wall, y of its door  | -1, -1.25   | 1, 1.25    | u    |

    ## Action Space

    `Box(-1, 1, (2,), float32)`: displacement in x and y, clipped to these bounds; NaN is refused.

    ## Transition Dynamics

    The agent moves by `step_size` times the action unless wall or border block it, as in DoorWall with
    `contact="slide"`. Then the state is rounded to float32, the precision in which it is observed. A step is therefore
    a function of state and action alone, bit for bit.

    ## Reward

    - `reward_type="sparse"`: 0 if the distance to the goal is less than `goal_threshold`, else -1;
    - `reward_type="dense"`: minus the distance to the goal (u).

    The distance is taken over all four numbers, so a goal in another layout (relabelling may produce one) is further
    away. `info` has `is_success` (bool), `distance` (float, u) and `contact` (bool: the agent met wall or border in
    this step), also in `reset`.

    ## Starting State

    The layout is drawn first; then start and goal, uniformly on opposite sides of the wall, at least 0.3 u from it.
    `task="detour"` keeps only tasks whose straight segment meets the wall more than 0.1 u outside the door and whose
    goal lies more than 0.2 u beyond the door's edge in y. A drawn task is a function of the seed.

    `reset(options={"state": ..., "goal": ...})` sets a task exactly, 4 numbers each, with the same layout, which may be
    any of the 99. A missing part is drawn as above, in the layout of the given one.

    ## Episode End

    1. Termination: the goal is reached (`info["is_success"]`), unless `continuing_task=True`.
    2. Truncation: after 100 steps, by `gymnasium.make`'s time limit.

    ## Arguments

    | Argument          | Default     | Range                   | Unit | Meaning                          |
    |-------------------|-------------|-------------------------|------|----------------------------------|
    | `layouts`         | `"all"`     | or `"seen"`, `"unseen"` |      | which layouts are drawn          |
    | `step_size`       | 0.1         | (0, 4]                  | u    | displacement at full action      |
    | `door_half_width` | 0.5         | [0.05, 0.75]            | u    | half the width of the door       |
    | `reward_type`     | `"sparse"`  | or `"dense"`            |      | see Reward                       |
    | `goal_threshold`  | 0.1         | [0.01, 0.6)             | u    | success below this distance      |
    | `continuing_task` | False       |                         |      | do not terminate at the goal     |
    | `task`            | `"uniform"` | or `"detour"`           |      | which tasks are drawn            |
    | `render_mode`     | None        | or `"rgb_array"`        |      | what `render` returns            |

    ```python
    >>> import gymnasium as gym
    >>> import gbplan
    >>> env = gym.make("gbplan/DoorLayouts-v0", layouts="unseen", task="detour")
    >>> observation, info = env.reset(seed=0)
    >>> expert = env.unwrapped.expert()
    >>> while not info["is_success"]:
    ...     observation, reward, terminated, truncated, info = env.step(expert.act(observation))
    >>> terminated, truncated
    (True, False)

    ```

    `gym.make_vec("gbplan/DoorLayouts-v0", num_envs=64)` makes the native vector form,
    `DoorLayoutsVectorEnv`; `gbplan/DoorLayoutsPixels-v0` adds pictures.

    ## Version History

    - v0: initial version.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012, Gymnasium's own form
