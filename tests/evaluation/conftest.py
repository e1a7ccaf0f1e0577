import pytest

from gbplan.evaluation import run_evaluation
from gbplan.planners import GradientPlanner
from gbplan.policies import StraightLinePolicy


@pytest.fixture(scope="session")
def evaluated(base_run, tmp_path_factory):
    """A folder with the results of a model and of a policy on the same four tasks."""
    folder = tmp_path_factory.mktemp("evaluate")
    few = {"count": 4, "kinds": ["detour"], "split": "validation"}
    planner = GradientPlanner(horizon=10, iterations=2, num_samples=4, restarts=1)
    run_evaluation(str(folder / "base"), ckpt_path=str(base_run / "last.ckpt"), planner=planner, **few)
    run_evaluation(str(folder / "straight"), policy=StraightLinePolicy(), **few)
    return folder
