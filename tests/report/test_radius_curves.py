import json

import numpy as np

from gbplan.report.figures import drawings
from gbplan.report.radius_curves import radius_curves

FGSM = {"class_path": "gbplan.attacks.FGSM", "init_args": {"step_size": 1.25}}
NONE = {"class_path": "gbplan.attacks.NoAttack"}


def result(name, rate, attack=FGSM, radius=0.05, extra=None, **settings):
    """The entries of a result file that these curves need."""
    radii = {"latent_factor": radius, "action_factor": 2 / 3 * radius}
    training = {"class": "AdversarialWorldModelModule", "attack": attack} | radii
    data = {"datasets": ["door-wall/expert-v0", *([extra] if extra else [])]}
    success = {"rate": rate, "low": rate - 0.1, "high": rate + 0.05}
    return {
        "name": name,
        "method": {"model": f"runs/{name}/last.ckpt", "model_sha256": name, "planner": {"class": "GradientPlanner"}},
        "training": training | {"init_from": "runs/base/best.ckpt", "data": data} | settings,
        "environment": {},
        "tasks": {"detour": {"count": 10, "success": success, "within": None}},
    }


def curves(*results):
    """By panel and line, x, y, low and high."""
    found = radius_curves([(each["name"], each, each["tasks"]["detour"]) for each in results])
    return {
        title: {name: [line.x, *map(list, (line.y, line.low, line.high))] for name, line in lines.items()}
        for title, lines in found.items()
    }


def test_radii_of_an_attack_make_a_line_and_no_attack_a_level():
    large, small, plain = result("large", 0.4, radius=0.15), result("small", 0.9), result("plain", 0.75, NONE, 0.0)
    (lines,) = curves(large, small, plain).values()
    assert set(lines) == {"FGSM, step_size 1.25", "no attack"}
    np.testing.assert_allclose(lines["FGSM, step_size 1.25"], [[0.05, 0.15], [0.9, 0.4], [0.8, 0.3], [0.95, 0.45]])
    x, *rate = lines["no attack"]
    assert x is None
    np.testing.assert_allclose(rate, [[0.75], [0.65], [0.8]])


def test_finetuning_by_the_plain_module_is_no_attack():
    plain = result("plain", 0.75)
    plain["training"] = {"class": "WorldModelModule"} | {
        key: value for key, value in plain["training"].items() if key in ("init_from", "data")
    }
    (lines,) = curves(result("large", 0.4, radius=0.15), result("small", 0.9), plain).values()
    assert set(lines) == {"FGSM, step_size 1.25", "no attack"}


def test_other_data_is_another_panel_and_one_radius_makes_none():
    walk = "door-wall/random-walk-v0"
    two = [result("large", 0.4, radius=0.15, extra=walk), result("small", 0.9, extra=walk)]
    assert list(curves(result("alone", 0.5), result("plain", 0.5, NONE), *two)) == [
        "expert-v0 + random-walk-v0\nfrom base"
    ]


def test_results_that_differ_in_more_than_attack_and_data_are_separated_by_name():
    two = [result("large", 0.4, radius=0.15), result("small", 0.9)]
    long = [result("large-long", 0.4, radius=0.15, rollout_steps=10), result("small-long", 0.9, rollout_steps=10)]
    assert list(curves(*two, *long)) == ["expert-v0\nfrom base", "expert-v0\nfrom base\nlarge-long"]
    (lines,) = curves(*two, result("wide", 0.8, action_factor=0.2)).values()
    assert set(lines) == {"FGSM, step_size 1.25", "FGSM, step_size 1.25 (wide)"}
    (lines,) = curves(*two, result("states-only", 0.8, action_factor=0.0)).values()
    assert set(lines) == {"FGSM, step_size 1.25", "FGSM, step_size 1.25, latents only"}


def test_results_that_do_not_say_how_they_were_trained_are_left_out():
    old, policy = result("old", 0.4, radius=0.15), result("policy", 0.4, radius=0.15)
    del old["training"]
    policy["training"] = None
    assert curves(old, policy, result("small", 0.9)) == {}


def test_figure_has_the_mean_of_training_seeds_and_ticks_at_the_radii(tmp_path, beside):
    results = [result("large", 0.4, radius=0.15), result("small", 0.9), result("plain", 0.75, NONE)]
    second = json.loads(json.dumps(results[0]).replace("runs/", "runs/seed1/"))
    second["method"]["model_sha256"] = "second"
    second["tasks"]["detour"]["success"]["rate"] = 0.6
    for each in (*results, second):
        each["tasks"]["detour"] |= {"believed_success": None, "model_error": None, "planning": None}
    drawn = drawings([(tmp_path, beside(each)) for each in (*results, second)], [])
    axis = drawn["radius-detour"]().axes[0]
    attack, level = axis.lines
    np.testing.assert_allclose(attack.get_data(), [[0.05, 0.15], [0.9, 0.5]])
    assert level.get_label() == "no attack"
    assert set(level.get_ydata()) == {0.75}
    assert [label.get_text() for label in axis.get_xticklabels()] == ["0.05", "0.15"]
    assert axis.get_title() == "expert-v0\nfrom base"


def test_attack_on_actions_alone_is_not_none():
    actions = [result(f"{factor}", 0.5, radius=0.0, action_factor=factor) for factor in (0.02, 0.05)]
    (lines,) = curves(*actions, result("plain", 0.75, NONE)).values()
    assert lines["FGSM, step_size 1.25, actions only"][0] == [0.02, 0.05]
    assert lines["no attack"][1] == [0.75]


def test_attack_that_is_not_known_is_left_out():
    made_in_python = result("python", 0.1, attack=None)
    (lines,) = curves(result("large", 0.4, radius=0.15), result("small", 0.9), made_in_python).values()
    assert list(lines) == ["FGSM, step_size 1.25"]


def test_trainings_with_another_trainer_are_not_compared():
    online = {"trainer": {"reload_dataloaders_every_n_epochs": 1}}
    assert curves(result("large", 0.4, radius=0.15), result("small", 0.9, **online)) == {}
