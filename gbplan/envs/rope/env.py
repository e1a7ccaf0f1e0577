"""gbplan/Rope-v0: push a rope into a shape."""

from gbplan.envs.rope.in_world import InWorld
from gbplan.envs.simulated import SimulatedEnv


class RopeEnv(InWorld, SimulatedEnv):
    """A tip pushes a rope on a table into a shape.

    ## Description

    The rope is MuJoCo's cable: 21 nodes, 0.02 m apart, joined by 20 capsules of radius 0.01 m and 1000 kg/m3, elastic
    (twist 1e5 Pa, bend 2e5 Pa) and damped, on a plane with friction 1. The tip is an upright cylinder of radius
    0.015 m; stiff position actuators move it along straight lines at up to 0.5 m/s. The environment stands in for the
    rope of DINO-WM (Zhou et al., 2024), whose simulator is Nvidia Flex. It keeps that setting: one push an action,
    Chamfer distance.

    Lengths are in metres; the origin is the middle of the table.

    ## Observation Space

    A dictionary of float32 arrays. `observation` is the whole state, so that it can be set again; `features` is the
    input for a model: `IdentityEncoder(dim=42, goal_indices=[0, ..., 41], key="features")`.

    | Key             | Num      | Meaning                                                  | Min  | Max | Unit  |
    |-----------------|----------|----------------------------------------------------------|------|-----|-------|
    | `observation`   | 0, 1     | x, y of the first node                                   | -1.2 | 1.2 | m     |
    | `observation`   | 2        | its height                                               | -0.5 | 0.5 | m     |
    | `observation`   | 3..82    | unit quaternions of links, relative to the previous one  | -1   | 1   |       |
    | `observation`   | 83, 84   | x, y of the tip                                          | -1.2 | 1.2 | m     |
    | `observation`   | 85..87   | velocity of the first node                               | -10  | 10  | m/s   |
    | `observation`   | 88..147  | angular velocities of links, relative to the previous    | -500 | 500 | rad/s |
    | `observation`   | 148, 149 | velocity of the tip                                      | -10  | 10  | m/s   |
    | `features`      | 0..41    | x, y of the nodes, in their order along the rope         | -1.2 | 1.2 | m     |
    | `features`      | 42, 43   | x, y of the tip; only with `action="small"`              | -1.2 | 1.2 | m     |
    | `achieved_goal` | 0..41    | x, y of the nodes                                        | -1.2 | 1.2 | m     |
    | `desired_goal`  | 0..41    | x, y of the goal shape; the order of nodes is ignored    | -1.2 | 1.2 | m     |

    ## Action Space

    Clipped to its bounds; NaN is refused.

    - `action="push"`: `Box(-1, 1, (4,), float32)`, x and y of the start of a push, then x and y of its end, in units
      of 0.4 m from the middle of the table;
    - `action="small"`: `Box(-1, 1, (2,), float32)`, the target displacement of the tip in x and y, in units of
      0.02 m. The tip lags behind: a full action moves it by 1.2 cm. It stays within 0.4 m of the middle.

    ## Transition Dynamics

    MuJoCo steps by 4 ms, without warm start. After every environment step the state is rounded to float32, the
    precision in which it is observed. A step is therefore a function of state and action alone, bit for bit.

    - A push: the tip comes down at the start of the push, moves to its end at 0.5 m/s and is lifted; the rope then has
      0.4 s to come to rest. A sharply bent rope straightens by some millimetres more. If the rope lies at the start,
      the tip comes down behind the rope, back along the push. A push of no length does nothing.
    - A small step: 0.04 s.

    ## Reward

    The Chamfer distance of two shapes is the distance from a node to the nearest node of the other shape, averaged over
    the nodes of both.

    - `reward_type="sparse"`: 0 if the Chamfer distance to the goal is less than `goal_threshold`, else -1;
    - `reward_type="dense"`: minus the Chamfer distance (m).

    `info` has `is_success` (bool), `distance` (float, m) and `contact` (bool: tip and rope touched during the step,
    checked every 20 ms); also in `reset`, where `contact` is False.

    ## Starting State

    The rope lies near the middle of the table, in a smooth random shape. With small steps, the tip starts anywhere
    beside the rope.

    - `task="segment"`: the goal is the shape after a pusher's next `segment_steps` actions, at least 0.03 m away
      (Chamfer). Every goal can be reached, and the expert repeats the pusher's actions.
    - `task="shape"`: the goal is another random shape, at least as far away. There is no expert.

    A drawn task is a function of the seed. `reset(options={"state": ..., "goal": ...})` sets a task exactly; a missing
    part is drawn as above. A state is all its 150 numbers; or the 42 of its nodes, flat and at rest; or these and the
    tip's 2. A goal is its 42 numbers. `reset` refuses nodes off the table, links whose length differs from 0.02 m by
    more than 1 mm (in goals: links that are longer, or less than half as long), and tips inside the rope or out of
    reach.

    ## Episode End

    1. Termination: the goal is reached (`info["is_success"]`), unless `continuing_task=True`.
    2. Truncation: after 20 steps, by `gymnasium.make`'s time limit; small steps need more: `max_episode_steps=100`.

    ## Arguments

    | Argument          | Default     | Range            | Unit | Meaning                                          |
    |-------------------|-------------|------------------|------|--------------------------------------------------|
    | `action`          | `"push"`    | or `"small"`     |      | see Action Space                                 |
    | `task`            | `"segment"` | or `"shape"`     |      | which tasks are drawn                            |
    | `segment_steps`   | None        | 1..200           |      | steps to the goal; None: 3 pushes, 50 small steps |
    | `reward_type`     | `"sparse"`  | or `"dense"`     |      | see Reward                                       |
    | `goal_threshold`  | 0.02        | [0.002, 0.1]     | m    | success below this Chamfer distance              |
    | `continuing_task` | False       |                  |      | do not terminate at the goal                     |
    | `render_mode`     | None        | or `"rgb_array"` |      | what `render` returns                            |

    DINO-WM and the paper report the Chamfer distance and no success rate; the threshold here is the rope's width.

    ```python
    >>> import gymnasium as gym
    >>> import gbplan
    >>> env = gym.make("gbplan/Rope-v0")
    >>> observation, info = env.reset(seed=0)
    >>> for push in env.unwrapped.segment_actions():
    ...     observation, reward, terminated, truncated, info = env.step(push)
    >>> len(env.unwrapped.segment_actions()), terminated, info["distance"]
    (3, True, 0.0)

    ```

    `gym.make_vec("gbplan/Rope-v0", num_envs=64)` makes the native vector form,
    `RopeVectorEnv`.

    ## Version History

    - v0: initial version.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 25}  # noqa: RUF012, Gymnasium's own form
