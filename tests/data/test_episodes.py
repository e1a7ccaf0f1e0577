import gymnasium as gym
import numpy as np
import pytest
from drift_env import Chase, DriftEnv, Script
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from gbplan.data import make_vector_env, run_episodes
from gbplan.seeds import policy_seeds


def drift(num_envs, vector=SyncVectorEnv, **kwargs):
    return vector(
        [lambda: gym.make("Drift-v0", **kwargs) for _ in range(num_envs)], autoreset_mode=AutoresetMode.DISABLED
    )


def alone(seed, policy_seed, policy, **kwargs):
    """The reference: one episode by Gymnasium's own loop."""
    env = gym.make("Drift-v0", **kwargs)
    envs = drift(1, **kwargs)
    policy.reset(envs, [policy_seed])
    observation, _ = env.reset(seed=seed)
    frames, actions, rewards, over = [observation["observation"]], [], [], False
    while not over:
        action = policy.act({key: value[None] for key, value in observation.items()}, np.ones(1, np.bool_))[0]
        observation, reward, terminated, truncated, _ = env.step(action)
        frames.append(observation["observation"])
        actions.append(action)
        rewards.append(reward)
        over = terminated or truncated
    return np.array(frames), np.array(actions), np.array(rewards)


def test_scripted_episode_is_recorded_frame_by_frame():
    trajectories = run_episodes(
        drift(2), Script([1, 0]), seeds=[0, 1], states=[[0, 0], [0, 5]], goals=[[0.8, 0], [9, 9]], max_steps=4
    )
    assert trajectories.lengths.tolist() == [3, 4]  # at step 2 the distance is 0.3, which is not below 0.3
    first = trajectories.select([0])
    np.testing.assert_allclose(first.observations["observation"][:, 0], [0, 0.25, 0.5, 0.75])
    np.testing.assert_allclose(first.actions, [[1, 0], [1, 0], [1, 0], [0, 0]])
    np.testing.assert_allclose(first.rewards, [-0.55, -0.3, -0.05, 0], atol=1e-6)
    np.testing.assert_allclose(first.infos["distance"], [0.8, 0.55, 0.3, 0.05], atol=1e-6)
    assert first.infos["is_success"].tolist() == [False, False, False, True]
    assert trajectories.terminated.tolist() == [True, False]


class NumpyBools(gym.Wrapper):
    """Says things in NumPy's own bools, ``right`` only where the second coordinate exceeds 1."""

    def _said(self, info):
        x, y = self.env.unwrapped.position
        return info | {"is_success": np.bool_(info["is_success"])} | ({"right": x > 1} if y > 1 else {})

    def reset(self, **arguments):
        observation, info = self.env.reset(**arguments)
        return observation, self._said(info)

    def step(self, action):
        *rest, info = self.env.step(action)
        return *rest, self._said(info)


@pytest.mark.parametrize("goals", [None, [[0.8, 0], [9, 9]]], ids=["drawn", "given"])
def test_bools_of_numpy_are_recorded_as_those_of_python(goals):
    tasks = {} if goals is None else {"states": [[0, 0], [0, 5]], "goals": goals}
    wrapped = SyncVectorEnv([lambda: NumpyBools(gym.make("Drift-v0"))] * 2, autoreset_mode=AutoresetMode.DISABLED)
    found, expected = (run_episodes(envs, Chase(), seeds=[0, 1], **tasks) for envs in (wrapped, drift(2)))
    assert found.infos["is_success"].dtype == np.bool_
    assert np.array_equal(found.infos["is_success"], expected.infos["is_success"])
    if goals is not None:  # the first row never says it
        right = found.infos["right"]
        assert right.dtype == np.bool_
        assert not right[: found.starts[1]].any()
        assert right[-1]


def test_only_the_observations_asked_for_are_recorded():
    some, whole = (run_episodes(drift(2), Chase(), seeds=[0, 1], keys=keys) for keys in (["achieved_goal"], None))
    assert set(some.observations) == {"achieved_goal"}
    assert np.array_equal(some.observations["achieved_goal"], whole.observations["achieved_goal"])
    assert np.array_equal(some.actions, whole.actions)


@pytest.mark.parametrize("vector", [SyncVectorEnv, AsyncVectorEnv])
def test_rows_equal_single_episodes_with_their_seed(vector):
    seeds = [5, 99, 3, 2**30 - 1]
    envs = drift(4, vector, noise=0.05)
    trajectories = run_episodes(envs, Chase(0.3), seeds=seeds)
    envs.close()
    for row, (seed, policy_seed) in enumerate(zip(seeds, policy_seeds(seeds), strict=True)):
        frames, actions, rewards = alone(seed, policy_seed, Chase(0.3), noise=0.05)
        episode = trajectories.select([row])
        assert np.array_equal(episode.observations["observation"], frames)
        assert np.array_equal(episode.actions[:-1], actions)
        assert np.array_equal(episode.rewards[:-1], rewards)


@pytest.mark.parametrize("vector", [SyncVectorEnv, AsyncVectorEnv])
def test_every_row_gets_its_own_state_and_goal_also_when_reset_again(vector):
    # Row 0 is over after one step and has to be reset while row 1 goes on.
    states, goals = np.array([[0, 0], [-3, 1], [2, 2]]), np.array([[0.4, 0], [3, 1], [2, 4]])
    envs = drift(3, vector)
    trajectories = run_episodes(envs, Chase(), seeds=[1, 2, 3], states=states, goals=goals)
    envs.close()
    starts = trajectories.starts
    np.testing.assert_allclose(trajectories.observations["observation"][starts], states)
    for row, frames in enumerate(trajectories.episodes()):
        np.testing.assert_allclose(
            trajectories.observations["desired_goal"][frames],
            np.broadcast_to(goals[row], (frames.stop - frames.start, 2)),
        )
    assert trajectories.lengths.tolist() == [1, 20, 7]
    assert trajectories.terminated.tolist() == [True, False, True]
    np.testing.assert_allclose(trajectories.infos["distance"][starts], [0.4, 6, 2], rtol=1e-6)


def test_native_vector_env_equals_single_envs_row_by_row():
    seeds = [4, 8, 15]
    native = run_episodes(make_vector_env("DoorWall-v0", 3), Script([1, 0.3], [-1, 1]), seeds=seeds)
    single = SyncVectorEnv([lambda: gym.make("DoorWall-v0")] * 3, autoreset_mode=AutoresetMode.DISABLED)
    reference = run_episodes(single, Script([1, 0.3], [-1, 1]), seeds=seeds)
    assert native.lengths.tolist() == reference.lengths.tolist()
    for key, array in reference.observations.items():
        assert np.array_equal(native.observations[key], array)


def test_an_episode_does_not_depend_on_the_other_rows():
    together = run_episodes(drift(3, noise=0.1), Chase(0.2), seeds=[7, 8, 9])
    apart = run_episodes(drift(1, noise=0.1), Chase(0.2), seeds=[9])
    assert np.array_equal(together.select([2]).observations["observation"], apart.observations["observation"])


def test_infos_absent_at_reset_are_zero_there_and_nested_ones_left_out():
    trajectories = run_episodes(
        drift(2), Script([0, 0]), seeds=[0, 1], states=[[5, 5]] * 2, goals=[[0, 0]] * 2, max_steps=2
    )
    assert sorted(trajectories.infos) == ["distance", "is_success", "stepped"]
    assert trajectories.infos["stepped"].tolist() == [0, 1, 1, 0, 1, 1]


def test_policy_receives_which_rows_are_over_and_on_step_sees_them():
    policy, seen = Script([1, 0]), []
    run_episodes(
        drift(2),
        policy,
        seeds=[0, 1],
        states=[[0, 0], [0, 0]],
        goals=[[0.5, 0], [1, 0]],
        on_step=lambda step, active: seen.append((step, active.tolist())),
    )
    assert [active.tolist() for active in policy.seen_active] == [[True, True], [False, True], [False, True]]
    assert seen == [(1, [False, True]), (2, [False, True]), (3, [False, False])]


def test_an_environment_that_writes_into_its_own_buffers_is_recorded_right():
    envs = SyncVectorEnv([lambda: gym.make("Drift-v0")], autoreset_mode=AutoresetMode.DISABLED, copy=False)
    trajectories = run_episodes(envs, Script([1, 0]), seeds=[0], states=[[0, 0]], goals=[[9, 9]], max_steps=3)
    np.testing.assert_allclose(trajectories.observations["observation"][:, 0], [0, 0.25, 0.5, 0.75])


def test_make_vector_env_disables_autoreset_in_every_form_of_environment():
    for env_id in ("Drift-v0", "DoorWall-v0", "CartPole-v1"):  # CartPole's own vector form resets by itself
        envs = make_vector_env(env_id, 2)
        assert envs.metadata["autoreset_mode"] == AutoresetMode.DISABLED
        envs.close()


def test_autoreset_is_refused_with_the_remedy():
    envs = gym.make_vec("Drift-v0", num_envs=2, vectorization_mode="sync")
    with pytest.raises(
        ValueError,
        match=r"without autoreset, got .*NEXT_STEP; make one with gbplan.data",
    ):
        run_episodes(envs, Chase(), seeds=[0, 1])


def test_discrete_or_goalless_environments_are_refused():
    with pytest.raises(ValueError, match="the environment is not goal-conditioned"):
        run_episodes(make_vector_env("CartPole-v1", 1), Chase(), seeds=[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seeds": [0]}, r"seeds must have one entry per row of the environment \(2\), got shape \(1,\)"),
        ({"states": [[0, 0]]}, r"states must have one entry per row .* got shape \(1, 2\)"),
        ({"goals": 3.0}, r"goals must have one entry per row .* got shape \(\)"),
        ({"max_steps": 0}, "max_steps must be at least 1, got 0"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        run_episodes(drift(2), Chase(), **({"seeds": [0, 1]} | arguments))


def test_an_environment_that_ignores_its_options_is_found_out():
    with pytest.raises(ValueError, match=r"ignores reset\(options=\{'goal': ...\}\)"):
        run_episodes(drift(2, heed_options=False), Chase(), seeds=[0, 1], goals=[[9, 9], [9, 9]])


class Obedient(DriftEnv):
    """Repeats a given action, however large."""

    def step(self, action):
        self.position += 0.25 * action
        observation, info = self._observe()
        return observation, 0.0, False, False, info


def test_actions_outside_the_space_are_clipped_and_stored_as_executed():
    envs = SyncVectorEnv([Obedient], autoreset_mode=AutoresetMode.DISABLED)
    policy = Script([3, -0.5], [-1.2, 2001])  # 2000 beyond its bound is a thousand widths of the box
    trajectories = run_episodes(envs, policy, seeds=[0], states=[[0, 0]], goals=[[9, 9]], max_steps=2)
    assert trajectories.actions.tolist() == [[1, -0.5], [-1, 1], [0, 0]]
    assert trajectories.observations["observation"].tolist() == [[0, 0], [0.25, -0.125], [0, 0.125]]


@pytest.mark.parametrize("action", [2001.5, -2001.5, 1e30, np.inf, np.nan])
def test_actions_that_no_noise_explains_are_refused(action):
    with pytest.raises(ValueError, match=r"Script returned the action \[.*\] in row 0, step 1; .* lie in Box\(-1"):
        run_episodes(drift(2), Script([0, 0], [0, action]), seeds=[0, 1], max_steps=2)


def test_rows_that_are_over_may_get_any_finite_action():
    class Reckless(Script):
        def act(self, observation, active=None):
            return np.where(active[:, None], super().act(observation, active), np.float32(1e30))

    trajectories = run_episodes(
        drift(2), Reckless([1, 0]), seeds=[0, 1], states=[[0, 0]] * 2, goals=[[0.3, 0], [9, 9]], max_steps=3
    )
    assert trajectories.lengths.tolist() == [1, 3]
    assert trajectories.select([0]).actions.tolist() == [[1, 0], [0, 0]]


def test_wrong_actions_are_refused():
    with pytest.raises(ValueError, match=r"Script.act must return actions of shape \(2, 2\), got \(2, 3\)"):
        run_episodes(drift(2), Script([0, 0, 0]), seeds=[0, 1])
    with pytest.raises(ValueError, match=r"Script returned the action \[nan  0.\] in row 0, step 1"):
        run_episodes(drift(2), Script([0, 0], [np.nan, 0]), seeds=[0, 1], max_steps=2)
