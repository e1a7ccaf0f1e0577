import gymnasium as gym
import numpy as np
import pytest
from jsonargparse import ArgumentParser
from point_world import STEP, PointWorld, PointWorldWithExpert, draw_tasks, observe, play

from gbplan.envs import Policy
from gbplan.policies import ConstantPolicy, ExpertPolicy, MixedPolicy, RandomPolicy, StraightLinePolicy


def test_random_actions_fill_the_box_evenly():
    actions, _ = play(RandomPolicy(), PointWorld(50), *draw_tasks(50), 40)
    np.testing.assert_allclose(actions.mean((0, 1)), [0, 0], atol=0.05)
    np.testing.assert_allclose(actions.std((0, 1)), np.array([1, 0.5]) / np.sqrt(3), rtol=0.05)


@pytest.mark.parametrize("action", [[0.0], [0.0, 0.6], [np.nan, 0.0]])
def test_a_constant_action_must_fit_the_action_space(action):
    with pytest.raises(ValueError, match="action must lie in Box"):
        ConstantPolicy(action).reset(PointWorld(), range(4))


def test_straight_line_keeps_its_direction_at_the_bounds_and_lands_on_the_goal():
    position, goal = np.zeros((3, 2), np.float32), np.float32([[4, 1], [-0.4, 4], [0.1, -0.1]])
    policy = StraightLinePolicy(step_size=STEP)
    actions, reached = play(policy, PointWorld(3), position, goal, 1)
    np.testing.assert_allclose(actions[0], [[1, 0.25], [-0.05, 0.5], [0.2, -0.2]], rtol=1e-6)
    np.testing.assert_allclose(reached[2], goal[2], rtol=1e-6)
    _, reached = play(policy, PointWorld(3), position, goal, 20)
    np.testing.assert_allclose(reached, goal, atol=1e-5)


def test_straight_line_refuses_what_it_cannot_scale():
    with pytest.raises(ValueError, match="must enclose zero"):
        StraightLinePolicy().reset(PointWorld(low=(0.0, -1.0)), range(4))
    policy = StraightLinePolicy()
    policy.reset(PointWorld(low=(-1.0,), high=(1.0,)), range(4))
    with pytest.raises(ValueError, match=r"goals of shape \(2,\) and actions of shape \(1,\)"):
        policy.act(observe(*draw_tasks(4)))
    with pytest.raises(ValueError, match="step_size must be positive"):
        StraightLinePolicy(0.0)


def test_expert_is_that_of_the_environment_with_its_noise():
    policy = ExpertPolicy(action_noise=0.3)
    actions, _ = play(policy, PointWorldWithExpert(3), *draw_tasks(3), 2)
    np.testing.assert_allclose(actions[0], [[1.0, 0.5]] * 3)
    assert policy._expert.action_noise == 0.3


def test_an_environment_without_expert_is_refused_with_a_remedy():
    with pytest.raises(
        ValueError,
        match=r"PointWorld has no expert for these observations and actions; give its environment .* a method expert",
    ):
        ExpertPolicy().reset(PointWorld(), range(4))
    with pytest.raises(ValueError, match="Pendulum-v1 has no expert"):
        ExpertPolicy().reset(gym.make_vec("Pendulum-v1", 2, vectorization_mode="sync"), range(2))


@pytest.mark.parametrize("mode", ["vector_entry_point", "sync"])
def test_expert_solves_door_wall_in_either_vector_form(mode):
    envs = gym.make_vec("DoorWall-v0", 4, vectorization_mode=mode, task="detour", continuing_task=True)
    observation, _ = envs.reset(seed=0)
    policy = ExpertPolicy()
    policy.reset(envs, range(4))
    solved = np.zeros(4, dtype=bool)
    for _ in range(99):
        observation, _, _, _, info = envs.step(policy.act(observation))
        solved |= info["is_success"]
    assert solved.all()


def test_mixture_follows_one_policy_per_episode_as_often_as_weighted():
    policy = MixedPolicy([ConstantPolicy([0.0, 0.1]), ConstantPolicy([0.0, 0.2])], weights=[3, 1])
    actions, _ = play(policy, PointWorld(2000), *draw_tasks(2000), 2)
    np.testing.assert_array_equal(actions[0], actions[1])
    assert (actions[0, :, 1] < 0.15).mean() == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, np.nan]])
def test_mixture_refuses_weights_that_are_none(weights):
    with pytest.raises(ValueError, match="as many weights >= 0, not all zero"):
        MixedPolicy([RandomPolicy(), RandomPolicy()], weights)


def test_mixture_refuses_no_policies():
    with pytest.raises(ValueError, match="got 0 policies"):
        MixedPolicy([])


def test_policies_can_be_named_in_a_config():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--policy", type=Policy)
    noisy = {"class_path": "ExpertPolicy", "init_args": {"action_noise": 0.2}}
    config = {"class_path": "MixedPolicy", "init_args": {"policies": [noisy, "RandomPolicy"], "weights": [1, 2]}}
    policy = parser.instantiate_classes(parser.parse_object({"policy": config})).policy
    assert [type(p) for p in policy.policies] == [ExpertPolicy, RandomPolicy]
    assert policy.policies[0].action_noise == 0.2
