"""gbplan/FetchPush-v0: push a cube across a table with a robot's gripper."""

from gbplan.envs.fetch_push.in_world import InWorld
from gbplan.envs.simulated import SimulatedEnv


class FetchPushEnv(InWorld, SimulatedEnv):
    """A robot's arm pushes a cube across a table to a goal.

    ## Description

    Robot, table, cube and their physics are those of gymnasium-robotics' FetchPush, simulated by MuJoCo (Plappert et
    al., Multi-Goal Reinforcement Learning, 2018): a Fetch arm of seven joints, whose shut gripper points down, and a
    cube 5 cm wide of 2 kg on a table that is 0.4 m high and spans 1.05..1.55 m in x and 0.4..1.1 m in y.

    Differences from gymnasium-robotics: the tasks (below); and a step is a function of state and action alone, bit for
    bit, whatever came before. Therefore the solver has no warm start, and the state is rounded to float32 after every
    step, as it is observed.

    ## Observation Space

    A dictionary of float32 arrays. `observation` is the whole state, so that it can be set again; `features` are
    gymnasium-robotics' 25 numbers, a function of it, which a model is meant to see:
    `IdentityEncoder(dim=25, goal_indices=[3, 4, 5], key="features")`. Velocities in `features` are per step of 0.04 s.

    | Key             | Num    | Meaning                                        | Min        | Max      | Unit       |
    |-----------------|--------|------------------------------------------------|------------|----------|------------|
    | `observation`   | 0..14  | positions of the robot's joints                | -4         | 4        | m, rad     |
    | `observation`   | 15..17 | x, y, z of the cube's middle                   | -1 -1 -0.1 | 3 2.5 3  | m          |
    | `observation`   | 18..21 | its orientation, a unit quaternion             | -1         | 1        |            |
    | `observation`   | 22..36 | velocities of the robot's joints               | -50        | 50       | m/s, rad/s |
    | `observation`   | 37..39 | velocity of the cube                           | -20        | 20       | m/s        |
    | `observation`   | 40..42 | its spin                                       | -500       | 500      | rad/s      |
    | `features`      | 0..2   | x, y, z of the gripper                         | -20        | 20       | m          |
    | `features`      | 3..5   | x, y, z of the cube's middle                   | -20        | 20       | m          |
    | `features`      | 6..8   | the cube's place less the gripper's            | -20        | 20       | m          |
    | `features`      | 9, 10  | positions of the two fingers: 0                | -20        | 20       | m          |
    | `features`      | 11..13 | the cube's orientation, as angles about x, y, z | -20       | 20       | rad        |
    | `features`      | 14..16 | the cube's velocity less the gripper's         | -20        | 20       | m/step     |
    | `features`      | 17..19 | the cube's spin                                | -20        | 20       | rad/step   |
    | `features`      | 20..22 | velocity of the gripper                        | -20        | 20       | m/step     |
    | `features`      | 23, 24 | velocities of the two fingers                  | -20        | 20       | m/step     |
    | `achieved_goal` | 0..2   | x, y, z of the cube's middle                   | -1 -1 -0.1 | 3 2.5 3  | m          |
    | `desired_goal`  | 0..2   | where it should be                             | -1 -1 -0.1 | 3 2.5 3  | m          |

    ## Action Space

    `Box(-1, 1, (4,), float32)`, clipped to these bounds; NaN is refused.

    | Num  | Meaning                                                                     |
    |------|-----------------------------------------------------------------------------|
    | 0..2 | target of the gripper relative to its position, in x, y, z, in units of 5 cm   |
    | 3    | nothing: the gripper stays shut, as in gymnasium-robotics                   |

    ## Transition Dynamics

    A step is 0.04 s, 20 steps of MuJoCo, in which the gripper is pulled to the action's target, and turned downward.

    ## Reward

    - `reward_type="sparse"`: 0 if the cube's middle is less than `goal_threshold` from the goal, else -1;
    - `reward_type="dense"`: minus the distance (m).

    `info` contains `is_success` (bool), `distance` (float, m) and `contact` (bool: robot and cube touched during the
    step, looked at every 8 ms), in `reset` as well, where `contact` is False.

    ## Starting State

    The gripper begins low over the table, at x, y = (1.34, 0.75). The cube lies on the table, within 0.15 m of that in
    x and y and at least 0.1 m away, as in gymnasium-robotics, whose goals are drawn from the same square. No task
    begins solved. `task="far"` keeps only tasks in which cube and goal are at least 0.2 m apart. Drawn numbers are
    exact in float32, so that an observed task can be set again.

    `reset(options={"state": ..., "goal": ...})` sets a task exactly. A state is given by its 43 numbers; or by 2, x and
    y of the cube, with all others as an episode begins. A goal is given by its 3 numbers, or 2, on the table. `reset`
    refuses goals, and cubes given by 2 numbers, that are not wholly on the table; cubes in the table; and numbers
    outside the bounds above. The cube of a whole state may have fallen off, as in episodes. A missing part is drawn as
    above.

    ## Episode End

    1. Termination: the goal is reached (`info["is_success"]`), unless `continuing_task=True`, as in gymnasium-robotics.
    2. Truncation: after 50 steps, by `gymnasium.make`'s time limit.

    ## Arguments

    | Argument          | Default     | Range            | Unit | Meaning                      |
    |-------------------|-------------|------------------|------|------------------------------|
    | `task`            | `"uniform"` | or `"far"`       |      | which tasks are drawn        |
    | `reward_type`     | `"sparse"`  | or `"dense"`     |      | see Reward                   |
    | `goal_threshold`  | 0.05        | [0.005, 0.1]     | m    | success below this distance  |
    | `continuing_task` | False       |                  |      | do not terminate at the goal |
    | `render_mode`     | None        | or `"rgb_array"` |      | what `render` returns        |

    `render` shows the goal as a red ball, as gymnasium-robotics does. `render_state` shows no goal; `render_goal` shows
    the cube upright at the goal and no robot, because a goal does not say where the robot is. Pictures are MuJoCo's
    own, so they need OpenGL: without a screen, libosmesa6 and `MUJOCO_GL=osmesa`.

    ```python
    >>> import gymnasium as gym
    >>> import gbplan
    >>> env = gym.make("gbplan/FetchPush-v0")
    >>> observation, info = env.reset(seed=0, options={"state": [1.3, 0.6], "goal": [1.4, 0.8]})
    >>> expert = env.unwrapped.expert()
    >>> while not info["is_success"]:
    ...     observation, reward, terminated, truncated, info = env.step(expert.act(observation))
    >>> terminated, truncated, info["distance"] < 0.05
    (True, False, True)

    ```

    `gym.make_vec("gbplan/FetchPush-v0", num_envs=64)` makes the native vector form,
    `FetchPushVectorEnv`.

    ## Version History

    - v0: initial version.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 25}  # noqa: RUF012, Gymnasium's own form
