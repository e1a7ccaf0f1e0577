import gymnasium as gym
import numpy as np
import pytest
import tiny_world  # noqa: F401, registers TinyPixels-v0

from gbplan.data import make_vector_env
from gbplan.envs.door_wall.simulator import PerfectDoorWallModel
from gbplan.evaluation import Tasks, TaskSet, evaluate
from gbplan.evaluation.played import tasks_at_once
from gbplan.networks import ConvEncoder, MLPPredictor, Probe, WorldModel
from gbplan.planners import GradientPlanner
from gbplan.policies import Agent, ExpertPolicy, StraightLinePolicy


def hand_made():
    """One task straight through the door, one straight at the wall."""
    return Tasks(
        env_id="DoorWall-v0",
        kind="hand-made",
        states=np.array([[-1.0, 0.0], [-1.0, 1.5]], np.float32),
        goals=np.array([[1.0, 0.0], [1.0, 1.5]], np.float32),
        seeds=np.array([1, 2]),
    )


@pytest.fixture
def envs():
    envs = make_vector_env("DoorWall-v0", 2)
    yield envs
    envs.close()


def test_straight_line_reaches_through_the_door_and_stops_at_the_wall(envs):
    result = evaluate(StraightLinePolicy(), envs, hand_made(), thresholds=(0.1, 0.25, 0.5, 1.0))
    # 2.0 away at 0.1 per step: within 1.0 after 11 steps (at 0.9), 0.5 after 16, 0.25 after 18, 0.1 after 20; float32
    # rounding of the action leaves the distances a hair's breadth beside the multiples of 0.1
    hits = {key: column.tolist() for key, column in result.records.items() if key.startswith("first_hit")}
    assert hits["first_hit@0.25"] == [18, -1]
    assert hits["first_hit@0.1"][0] in (19, 20)
    assert hits["first_hit@0.5"][0] in (15, 16)
    assert hits["first_hit@1"][0] in (10, 11)
    assert hits["first_hit"] == hits["first_hit@0.1"]
    assert hits["first_hit"][1] == -1
    assert result.metrics["success"] == result.metrics["within"]["0.1"]
    assert result.metrics["success"]["rate"] == 0.5
    assert result.radius == pytest.approx(0.1, abs=1e-12)
    assert result.records["final_distance"][1] == pytest.approx(1.001, abs=1e-3)  # a skin before the wall
    assert result.metrics["contacts"] > 40
    assert result.metrics["believed_success"] is None
    assert result.metrics["planning"] is None
    # to the rim of the goal region, 0.1 before its centre; around the door edge it is sqrt(1 + 1) on either side
    np.testing.assert_allclose(result.records["shortest_path"], [1.9, 2 * np.sqrt(2.0) - 0.1], rtol=1e-6)
    assert result.records["path_length"][0] == pytest.approx(0.1 * hits["first_hit"][0], abs=1e-5)
    assert result.metrics["spl"] == pytest.approx(0.5 * 1.9 / (0.1 * hits["first_hit"][0]), abs=1e-5)


def test_arguments_of_another_kind_are_refused_with_the_cure(envs):
    agent, drawn = Agent(GradientPlanner(horizon=5)), hand_made()
    with pytest.raises(TypeError, match=r"policy must be a Policy, got Agent; agent\.policy\(world_model\)"):
        evaluate(agent, envs, drawn)
    with pytest.raises(TypeError, match=r"envs must be a VectorEnv, got .*; make one with gymnasium\.make_vec"):
        evaluate(StraightLinePolicy(), gym.make("DoorWall-v0"), drawn)
    with pytest.raises(TypeError, match=r"tasks must be a Tasks, got TaskSet; TaskSet\(\.\.\.\)\.draw\(\)"):
        evaluate(StraightLinePolicy(), envs, TaskSet("DoorWall-v0"))


def test_expert_reaches_every_detour_task_in_few_steps():
    tasks = TaskSet("DoorWall-v0", kind="detour", count=64, split="training", min_distance=1.0).draw()
    result = evaluate(ExpertPolicy(), make_vector_env("DoorWall-v0", 64), tasks)
    assert result.metrics["success"]["rate"] == 1.0
    assert result.metrics["spl"] > 0.85


def test_tasks_in_several_batches_give_the_same_records_as_all_at_once():
    tasks = TaskSet("DoorWall-v0", kind="uniform", count=10, split="training", min_distance=1.0).draw()
    whole = evaluate(StraightLinePolicy(), make_vector_env("DoorWall-v0", 10), tasks)
    parts = evaluate(StraightLinePolicy(), make_vector_env("DoorWall-v0", 4), tasks)  # 4 + 4 + 2
    assert parts.metrics["count"] == 10
    for name, column in whole.records.items():
        np.testing.assert_array_equal(column, parts.records[name])


def test_a_planner_on_the_perfect_model_is_right_about_what_it_believes(envs):
    agent = Agent(GradientPlanner(horizon=40, iterations=20), replan_every=None)
    result = evaluate(agent.policy(PerfectDoorWallModel()), envs, hand_made())
    np.testing.assert_array_equal(result.records["believed"], result.records["believed_distance"] < 0.1)
    np.testing.assert_array_equal(result.records["believed"], result.success)
    assert result.success[0]
    assert result.metrics["model_error"]["planned"]["open_loop"] < 1e-5
    assert result.metrics["model_error"]["expert"]["one_step"] < 1e-6
    assert result.metrics["planning"]["plans"] == 2
    assert result.imagined.shape == (2, 40, 2)
    assert "believed" in result.summary()


def test_tasks_that_start_solved_or_within_a_threshold_are_refused(envs):
    tasks = hand_made()
    tasks.states[1] = [0.5, 1.5]
    assert evaluate(StraightLinePolicy(), envs, tasks, max_steps=1).metrics["count"] == 2
    with pytest.raises(ValueError, match=r"tasks \[1\] start within 1.0 of their goal; draw tasks with min_distance"):
        evaluate(StraightLinePolicy(), envs, tasks, thresholds=(0.25, 1.0), max_steps=1)
    tasks.states[1] = [0.95, 1.5]
    with pytest.raises(ValueError, match=r"tasks \[1\] start at their goal; draw tasks with TaskSet"):
        evaluate(StraightLinePolicy(), envs, tasks, max_steps=1)


def test_threshold_that_episodes_end_before_is_refused(envs):
    tasks = hand_made()
    tasks.states[0] = [-1.05, 0.0]  # the last step but one ends 0.05 before the goal, and the episode with it
    with pytest.raises(ValueError, match=r"thresholds must not be below the distance of 0.1 at which DoorWall-v0 "):
        evaluate(StraightLinePolicy(), envs, tasks, thresholds=(0.01, 0.5))


@pytest.mark.parametrize("thresholds", [(0.5, 0.1), (0.0, 0.1), (0.1, 0.1), (float("nan"),)])
def test_thresholds_must_ascend(envs, thresholds):
    with pytest.raises(ValueError, match="thresholds must be positive and ascending"):
        evaluate(StraightLinePolicy(), envs, hand_made(), thresholds=thresholds)


def test_episodes_can_be_cut_off(envs):
    result = evaluate(StraightLinePolicy(), envs, hand_made(), max_steps=7, thresholds=[1.0])
    assert result.trajectories.lengths.tolist() == [7, 7]
    assert result.metrics["within"]["1"]["rate"] == 0.0  # within 1.0 after 10 or 11 steps only


def test_pictures_are_kept_only_if_asked_for():
    tasks = TaskSet("TinyPixels-v0", count=3, split="training").draw()
    envs = make_vector_env("TinyPixels-v0", 3)
    model = WorldModel(ConvEncoder(6, 16, width=4), MLPPredictor(6, 3, (8,)), probe=Probe(6, 4)).eval()
    policy = Agent(GradientPlanner(horizon=2, iterations=1, num_samples=2, restarts=1)).policy(model)
    state = {"observation", "achieved_goal", "desired_goal"}
    assert set(evaluate(ExpertPolicy(), envs, tasks).trajectories.observations) == state
    kept = evaluate(ExpertPolicy(), envs, tasks, keys=["desired_pixels"]).trajectories.observations
    assert set(kept) == state | {"desired_pixels"}
    result = evaluate(policy, envs, tasks, diagnostic_tasks=2, error_horizon=2)  # plans again from the goals' pictures
    assert set(result.trajectories.observations) == state
    assert result.metrics["landscape"]["tasks"] == 1


def test_tasks_run_side_by_side_as_far_as_their_pictures_fit_the_memory(monkeypatch):
    tasks = TaskSet("TinyPixels-v0", count=5, split="training").draw()
    model = WorldModel(ConvEncoder(6, 16, width=4), MLPPredictor(6, 3, (8,)))
    assert tasks_at_once(tasks, model) == 5
    frame = 16 * 16 * 3 + 4 * (4 + 4 + 4)  # a picture, state and goals
    monkeypatch.setattr("gbplan.evaluation.played.AT_ONCE", 2 * 24 * frame)
    assert tasks_at_once(tasks, model) == 2
    assert tasks_at_once(tasks, model, ["desired_pixels"]) == 1
    assert tasks_at_once(tasks, None) == 5
    monkeypatch.setattr("gbplan.evaluation.played.AT_ONCE", 1)
    assert tasks_at_once(tasks, model) == 1


def test_model_is_measured_on_some_pictures_at_a_time_with_the_same_result():
    tasks = TaskSet("TinyPixels-v0", count=5, split="training").draw()
    model = WorldModel(ConvEncoder(6, 16, width=4), MLPPredictor(6, 3, (8,)), probe=Probe(6, 4)).eval()
    policy = Agent(GradientPlanner(horizon=2, iterations=1, num_samples=2, restarts=1)).policy(model)
    seen = []

    def evaluated(at_once):
        return evaluate(policy, make_vector_env("TinyPixels-v0", at_once), tasks, error_horizon=4, diagnostic_tasks=2)

    encode = model.encoder.encode
    whole = evaluated(5)
    model.encoder.encode = lambda observations: (seen.append(observations["pixels"].numel()), encode(observations))[1]
    parts = evaluated(2)
    assert max(seen) <= 2 * 24 * 16 * 16 * 3  # no more than the frames of two tasks at once
    for name, column in whole.records.items():
        np.testing.assert_allclose(column, parts.records[name], rtol=1e-5, err_msg=name)
    for runs in ("planned", "expert"):
        for name, value in whole.metrics["model_error"][runs].items():
            np.testing.assert_allclose(value, parts.metrics["model_error"][runs][name], rtol=1e-5)
    assert whole.metrics["success"] == parts.metrics["success"]
