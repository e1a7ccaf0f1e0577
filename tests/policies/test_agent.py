import pytest
from jsonargparse import ArgumentParser
from point_world import point_model

from gbplan.objectives import GoalMSE, ReachGoal
from gbplan.planners import GradientPlanner
from gbplan.policies import Agent


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"replan_every": 0}, "replan_every must be at least 1, got 0"), ({"seed": -1}, "seed must be .* got -1")],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Agent(GradientPlanner(), **arguments)


def test_an_agent_is_open_loop_exactly_if_it_never_replans():
    assert Agent(GradientPlanner(horizon=3), replan_every=None).open_loop
    assert not Agent(GradientPlanner(horizon=3), replan_every=3).open_loop


def test_it_acts_through_a_model_and_its_default_objective_is_reaching_the_goal():
    agent = Agent(GradientPlanner())
    assert isinstance(agent.objective, ReachGoal)
    model = point_model()
    policy = agent.policy(model)
    assert (policy.world_model, policy.agent) == (model, agent)


def test_it_is_a_file_that_names_its_planner_by_another_relative_to_itself(tmp_path):
    (tmp_path / "agents").mkdir()
    (tmp_path / "planners").mkdir()
    (tmp_path / "planners" / "mine.yaml").write_text("class_path: GradientPlanner\ninit_args: {horizon: 7}")
    (tmp_path / "agents" / "mine.yaml").write_text("planner: ../planners/mine.yaml\nreplan_every: null")
    (tmp_path / "all.yaml").write_text("agent: agents/mine.yaml")

    def command(agent: Agent | None = None) -> None: ...

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--config", action="config")
    parser.add_function_arguments(command, sub_configs=True)
    for way in (f"--agent={tmp_path}/agents/mine.yaml", f"--config={tmp_path}/all.yaml"):
        parsed = parser.parse_args([way, "--agent.objective=GoalMSE", "--agent.planner.iterations=2"])
        agent = parser.instantiate(parsed).agent
        assert (agent.planner.horizon, agent.planner.iterations, agent.open_loop) == (7, 2, True)
        assert isinstance(agent.objective, GoalMSE)
        assert "GradientPlanner" in parser.dump(parsed)  # by which it can be made again without the files
