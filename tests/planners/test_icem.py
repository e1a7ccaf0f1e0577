import pytest
import torch
from planning_problems import Recording, TrackGoalCheaply, linear_quadratic, make_problem

from gbplan.planners import Colored, ICEMPlanner


def recorded(planner, init=None, horizon=4):
    """The samples of each iteration, ``(B, S, H, A)``, and the plan."""
    record = Recording(TrackGoalCheaply())
    plain = linear_quadratic(low=(-1.0, -1.0), high=(1.0, 1.0))
    plan = planner.plan(make_problem(4, plain.model, record, (-1.0, -1.0), (1.0, 1.0)), init)
    return [asked.reshape(4, -1, horizon, 2) for asked in record.asked], plan


def test_number_of_samples_decays_down_to_twice_the_elites():
    planner = ICEMPlanner(4, iterations=5, num_samples=20, num_elites=4, keep_elites=2, decay=1.5)
    asked, plan = recorded(planner)
    assert [samples.shape[1] for samples in asked] == [20, 14, 9, 8, 8]  # 20, 13.3, 8.9, 5.9, 4.0
    assert plan.model_calls.tolist() == [4 * (20 + 14 + 9 + 8 + 8)] * 4


def test_first_and_last_iteration_score_the_mean():
    init = torch.full((4, 4, 2), 0.3, dtype=torch.float64)
    asked, _ = recorded(ICEMPlanner(4, 2, 10, 10, keep_elites=0, momentum=0.25), init)
    torch.testing.assert_close(asked[0][:, 0], init)
    # all samples are elites here, so the mean is theirs, and a quarter of the old one
    torch.testing.assert_close(asked[1][:, 0], 0.75 * asked[0].mean(1) + 0.25 * init)


def test_kept_elites_pull_the_mean_again_without_being_rolled_out_again():
    record, plain = Recording(TrackGoalCheaply()), linear_quadratic(low=(-1.0, -1.0), high=(1.0, 1.0))
    planner = ICEMPlanner(4, 3, 10, 3, keep_elites=3, decay=1.0, momentum=0.0)
    planner.plan(make_problem(4, plain.model, record, (-1.0, -1.0), (1.0, 1.0)))
    first, second, third = (asked.reshape(4, 10, 4, 2) for asked in record.asked)
    seen = torch.cat([first, second], dim=1)
    best = plain.cost(seen).topk(3, largest=False).indices  # of both iterations together
    elites = seen.gather(1, best[..., None, None].expand(-1, -1, 4, 2))
    torch.testing.assert_close(third[:, 0], elites.mean(1))


def test_smooth_noise_makes_smooth_samples():
    rough, smooth = (
        recorded(ICEMPlanner(20, 1, 50, 5, 0, noise=Colored(exponent), init_std=0.2), horizon=20)[0][0]
        for exponent in (0.0, 3.0)
    )
    assert smooth.diff(dim=2).abs().mean() < 0.4 * rough.diff(dim=2).abs().mean()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_elites": 301}, "num_elites must not exceed num_samples, got 301 > 300"),
        ({"keep_elites": 31}, "keep_elites must not exceed num_elites, got 31 > 30"),
        ({"keep_elites": -1}, "keep_elites must be finite and not negative, got -1"),
        ({"decay": 0.9}, "decay must be at least 1, got 0.9"),
        ({"momentum": 1.0}, "momentum must lie in 0..1, 1 excluded, got 1.0"),
        ({"init_std": 0.01}, "min_std must not exceed init_std, got 0.05 > 0.01"),
        ({"iterations": 0}, "iterations must be at least 1"),
    ],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ICEMPlanner(**arguments)
