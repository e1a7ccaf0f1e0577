"""gbplan/Granular-v0: push discs into a shape."""

from gbplan.envs.granular.in_world import InWorld
from gbplan.envs.simulated import SimulatedEnv


class GranularEnv(InWorld, SimulatedEnv):
    """A bar pushes 30 discs on a table into a shape.

    ## Description

    Discs of radius 0.015 m and equal mass lie on a table, seen from above. A bar, 0.12 m long, 0.01 m thick and with
    round ends, comes down, pushes along a straight line, across which it lies, and is lifted. The dynamics are
    pymunk's. The environment stands in for the granular task of DINO-WM (Zhou et al., 2024), whose simulator is Nvidia
    Flex. It keeps that setting: one push an action, goals that are configurations, Chamfer distance.

    Lengths are in metres; the origin is the middle of the table.

    ## Observation Space

    A dictionary of float32 arrays. `observation` is the whole state, so that it can be set again, and the input for a
    model: `IdentityEncoder(dim=60, goal_indices=[0, ..., 59])`.

    | Key             | Num   | Meaning                                                       | Min  | Max | Unit |
    |-----------------|-------|---------------------------------------------------------------|------|-----|------|
    | `observation`   | 0..59 | x, y of the discs, one disc after the other                   | -1.5 | 1.5 | m    |
    | `achieved_goal` | 0..59 | the same                                                      | -1.5 | 1.5 | m    |
    | `desired_goal`  | 0..59 | x, y of the discs of the goal; the order of discs is ignored  | -1.5 | 1.5 | m    |

    ## Action Space

    `Box(-1, 1, (4,), float32)`: x and y of the start of a push, then x and y of its end, in units of 0.4 m from the
    middle of the table. Clipped to its bounds; NaN is refused.

    ## Transition Dynamics

    The bar moves at 0.3 m/s, in simulation steps of 5 ms. It and the discs push, and rub against each other by Coulomb
    friction with the coefficient `friction`. In place of friction with the table, a free disc keeps the share `damping`
    of its velocity in a second; with 0, discs stop at once. After the push the simulation continues until the discs are
    at rest. Then the state is rounded to float32, the precision in which it is observed. Each push begins in a new
    simulation, so a step is a function of state and action alone, bit for bit.

    If discs lie at the start, the bar comes down behind them, at the first clear place back along the push. A push of
    no length, or one that touches no disc, changes nothing.

    ## Reward

    The Chamfer distance of two shapes is the distance from a disc to the nearest disc of the other shape, averaged over
    the discs of both.

    - `reward_type="sparse"`: 0 if the Chamfer distance to the goal is less than `goal_threshold`, else -1;
    - `reward_type="dense"`: minus the Chamfer distance (m).

    `info` has `is_success` (bool), `distance` (float, m) and `contact` (bool: the bar touched a disc during the push);
    also in `reset`, where `contact` is False.

    ## Starting State

    The discs are scattered over a square of 0.3 m near the middle of the table, and do not touch.

    - `task="segment"`: the goal is the shape after a pusher's next `segment_steps` pushes, at least 0.02 m away
      (Chamfer). Every goal can be reached, and the expert repeats the pusher's actions.
    - `task="shape"`: the goal is another scatter, at least as far away. There is no expert.

    A drawn task is a function of the seed. `reset(options={"state": ..., "goal": ...})` sets a task exactly, by 60
    numbers each; a missing part is drawn as above. `reset` refuses discs off the table, and discs that overlap by more
    than 1 mm.

    ## Episode End

    1. Termination: the goal is reached (`info["is_success"]`), unless `continuing_task=True`.
    2. Truncation: after 20 steps, by `gymnasium.make`'s time limit.

    ## Arguments

    | Argument          | Default     | Range            | Unit | Meaning                                              |
    |-------------------|-------------|------------------|------|------------------------------------------------------|
    | `friction`        | 0.5         | [0, 10]          |      | Coulomb coefficient between discs, and with the bar  |
    | `damping`         | 0.0         | [0, 0.1]         |      | share of its velocity that a free disc keeps in 1 s  |
    | `task`            | `"segment"` | or `"shape"`     |      | which tasks are drawn                                |
    | `segment_steps`   | 3           | 1..50            |      | pushes to the goal                                   |
    | `reward_type`     | `"sparse"`  | or `"dense"`     |      | see Reward                                           |
    | `goal_threshold`  | 0.015       | [0.002, 0.1]     | m    | success below this Chamfer distance                  |
    | `continuing_task` | False       |                  |      | do not terminate at the goal                         |
    | `render_mode`     | None        | or `"rgb_array"` |      | what `render` returns                                |

    DINO-WM and the paper report the Chamfer distance and no success rate; the threshold here is a disc's radius.
    Friction and damping are our choices: the paper does not give Flex's.

    ```python
    >>> import gymnasium as gym
    >>> import gbplan
    >>> env = gym.make("gbplan/Granular-v0")
    >>> observation, info = env.reset(seed=0)
    >>> for push in env.unwrapped.segment_actions():
    ...     observation, reward, terminated, truncated, info = env.step(push)
    >>> len(env.unwrapped.segment_actions()), terminated, info["distance"]
    (3, True, 0.0)

    ```

    `gym.make_vec("gbplan/Granular-v0", num_envs=64)` makes the native vector form, `GranularVectorEnv`.

    ## Version History

    - v0: initial version.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012, Gymnasium's own form
