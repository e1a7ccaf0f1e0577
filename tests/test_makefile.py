"""``make reproduce``: what it makes, makes again and goes on with, told by a stand-in for ``gbplan``."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

# Writes down how it was called and makes the files that the real one would; dies in the training of $DIES.
GBPLAN = """#!/bin/sh
echo "$*" >> calls
stage=$1
while test $# -gt 0; do
    case $1 in --trainer.default_root_dir | --output) out=$2 ;; --config) last=$2 ;; esac
    shift
done
case $stage in
    collect) out=runs/datasets/$(sed -n 's/^dataset_id: //p' "$last")/data made=main_data.hdf5 ;;
    fit) made="last.ckpt best.ckpt" ;;
    evaluate) made=result.json ;;
    report) exit ;;
esac
mkdir -p "$out" && cd "$out" && touch $made
test "$stage" != fit || test "$last" != "configs/door_wall/$DIES.yaml"
"""
PYTHON = """#!/bin/sh
echo "python $*" >> calls
"""
METHODS = ["base", "finetune", "noise", "adversarial", "pgd", "online", "online_noise", "online_adversarial"]


class Checkout:
    """A copy of what ``make reproduce`` reads, in which it seems to be installed."""

    def __init__(self, folder: Path):
        self.folder = folder

    def make(self, *variables: str, dies: str = "", goal: str = "reproduce") -> list[str]:
        """Run ``make reproduce``, or another goal, and return the calls of ``gbplan``, in order."""
        # Not what a surrounding make was told.
        environment = {name: value for name, value in os.environ.items() if "MAKE" not in name and name != "MFLAGS"}
        calls = self.folder / "calls"
        calls.write_text("")
        done = subprocess.run(
            ["make", goal, "VENV=.venv", "SEEDS=0", "FULL=", "JOBS=2", *variables],
            cwd=self.folder,
            env=environment | {"DIES": dies},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode == 0) == (not dies), done.stderr
        return calls.read_text().splitlines()

    def edit(self, path: str) -> None:
        """Change a file an hour after all that has happened so far."""
        for file in filter(Path.is_file, self.folder.rglob("*")):
            stat = file.stat()
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns - 3600 * 10**9))
        (self.folder / path).touch()


@pytest.fixture
def fresh(tmp_path):
    folder = tmp_path / "fresh"
    shutil.copytree("configs", folder / "configs")
    shutil.copy("Makefile", folder)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, text in {"gbplan": GBPLAN, "python": PYTHON}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    for name in ("pyproject.toml", "constraints.txt", ".venv/.installed"):
        (folder / name).touch()
    return Checkout(folder)


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    """A folder for the checkout in which all is done; made once."""
    return tmp_path_factory.mktemp("reproduced")


@pytest.fixture
def done(fresh, reproduced, tmp_path):
    if not any(reproduced.iterdir()):
        fresh.make()
        shutil.copytree(fresh.folder, reproduced, dirs_exist_ok=True)
    return Checkout(Path(shutil.copytree(reproduced, tmp_path / "done")))


def trained(calls):
    """Folders and call of each training."""
    fits = [call for call in calls if call.startswith("fit ")]
    return {re.search(r"default_root_dir runs/(\S+)", call)[1]: call for call in fits}


def evaluated(calls):
    """Names of the results."""
    return [re.search(r"--output runs/evaluate/\d+-(\S+)", call)[1] for call in calls if call.startswith("evaluate ")]


def test_from_nothing_all_is_made_once_and_in_order(fresh):
    calls = fresh.make()
    assert sum(call.startswith("collect --config configs/door_wall/collect.yaml") for call in calls) == 1
    fits = trained(calls)
    assert sorted(fits) == sorted(METHODS)
    assert next(iter(fits)) == "base"
    assert calls.index(fits["base"]) > [call.split()[0] for call in calls].index("collect")
    for method, call in fits.items():
        assert call.startswith("fit --config configs/door_wall/base.yaml ")
        assert f"--config configs/door_wall/{method}.yaml --seed_everything 0 --data.seed 0 " in call
        assert ("--model.init_args.init_from runs/base/best.ckpt" in call) == (method != "base")
        results = [place for place, other in enumerate(calls) if f"--ckpt_path runs/{method}/best.ckpt" in other]
        assert len(results) >= 4
        assert min(results) > calls.index(call)
    names = evaluated(calls)
    assert len(names) == len(set(names))
    assert {"expert", "random", "perfect-gradient-mpc", "base-cem-mpc"} < set(names)
    assert calls[-1] == "report runs/evaluate --output runs/results.md"


def test_where_all_is_done_only_the_report_is_written(done):
    assert [call.split()[0] for call in done.make()] == ["report"]


def test_interrupted_training_goes_on_from_its_last_checkpoint(fresh):
    assert "finetune" in trained(fresh.make(dies="finetune"))
    fits = trained(fresh.make())
    assert "base" not in fits
    assert "--ckpt_path runs/finetune/last.ckpt" in fits["finetune"]
    assert "--overwrite" not in fits["finetune"]


def test_interrupted_training_begins_again_if_what_it_is_made_from_has_changed(fresh):
    fresh.make(dies="finetune")
    fresh.edit("runs/base/.done")
    call = trained(fresh.make())["finetune"]
    assert "--overwrite" in call
    assert "--ckpt_path" not in call


@pytest.mark.parametrize(
    "path", ["configs/door_wall/base.yaml", "runs/datasets/door-wall/expert-v0/data/main_data.hdf5"]
)
def test_base_model_and_all_that_begins_with_it_are_trained_again_where_its_making_has_changed(done, path):
    done.edit(path)
    calls = done.make()
    assert sorted(trained(calls)) == sorted(METHODS)
    assert all("--overwrite" in call and "--ckpt_path" not in call for call in trained(calls).values())
    assert not any(call.startswith("collect") for call in calls)


def test_retraining_that_is_interrupted_is_not_taken_for_done(done):
    done.edit("configs/door_wall/pgd.yaml")
    assert list(trained(done.make(dies="pgd"))) == ["pgd"]
    calls = done.make()
    assert "--ckpt_path runs/pgd/last.ckpt" in trained(calls)["pgd"]
    assert sorted(evaluated(calls)) == [
        f"pgd-{planner}" for planner in ("cem-mpc", "cem-open", "gradient-mpc", "gradient-open")
    ]


def test_another_seed_trains_its_own_models_on_the_same_data(done):
    calls = done.make("SEEDS=1")
    fits = trained(calls)
    assert sorted(fits) == sorted(f"seed1/{method}" for method in METHODS)
    for run, call in fits.items():
        assert "--seed_everything 1 --data.seed 1 " in call
        assert ("init_from runs/seed1/base/best.ckpt" in call) == (run != "seed1/base")
    assert not any(call.startswith("collect") for call in calls)
    assert len(evaluated(calls)) == 4 * len(METHODS)
    assert all(name.endswith("-seed1") for name in evaluated(calls))


def test_several_seeds_bring_the_ablations_and_all_planners(done):
    calls = done.make("SEEDS=0 1")
    ablations = ["finetune-rollout_loss", "online-teacher_forcing", "online_noise-unperturbed"]
    others = {name: call for name, call in trained(calls).items() if not name.startswith("seed1/")}
    assert sorted(others) == [*(f"ablations/{name}" for name in ablations), "init_network"]
    for name, change in zip(ablations, ("rollout_steps 10", "rollout_steps 1", "attack NoAttack"), strict=True):
        call = others[f"ablations/{name}"]
        assert f"--config configs/door_wall/{name.split('-')[0]}.yaml " in call
        assert "--model.init_args.init_from runs/base/best.ckpt " in call
        assert f"--model.init_args.{change} " in call
    evaluations = [re.search(r"--output runs/ablations/(\S+)", call) for call in calls if call.startswith("evaluate ")]
    assert sorted(found[1] for found in evaluations if found) == sorted(
        [f"{name}-gradient-{how}" for name in ablations for how in ("mpc", "open")]
        + [f"online_adversarial-draw-{draw}" for draw in range(4)]
    )
    assert calls[-2:] == [
        "python benchmarks/planner_comparison.py --jobs 2",
        "report runs/evaluate --output runs/results.md",
    ]
    assert [call.split()[0] for call in done.make("SEEDS=0 1")] == ["report"]
    done.edit("configs/door_wall/online.yaml")
    again = done.make("SEEDS=0 1")
    assert sorted(trained(again)) == ["ablations/online-teacher_forcing", "online", "seed1/online"]
    assert "python benchmarks/planner_comparison.py --jobs 2" in again


def test_full_adds_the_fields_cem_for_every_method_and_more_model_calls_for_base_and_online(done):
    calls = done.make("FULL=1")
    assert trained(calls) == {}
    field = [f"{method}-cem-300x30-{how}" for method in METHODS for how in ("open", "mpc")]
    more = [f"{m}-{p}-mpc-384" for m in METHODS if m == "base" or "online" in m for p in ("gradient", "cem")]
    assert sorted(evaluated(calls)) == sorted(field + more)


@pytest.mark.parametrize("path", ["configs/planners/gradient.yaml", "configs/agents/gradient_mpc.yaml"])
def test_results_of_an_agent_are_made_again_where_its_configuration_has_changed(done, path):
    done.edit(path)
    calls = done.make()
    assert trained(calls) == {}
    assert sorted(evaluated(calls)) == sorted(f"{model}-gradient-mpc" for model in [*METHODS, "perfect"])


STUDIED = ("base", "adversarial", "online", "online_adversarial")


def studied(calls):
    """Names of the results of ``make robustness``."""
    return [re.search(r"--output runs/robustness/(\S+)", call)[1] for call in calls if call.startswith("evaluate ")]


def test_robustness_evaluates_studied_models_in_every_world(done):
    worlds = [path.stem for path in (done.folder / "configs" / "worlds").glob("*.yaml")]
    calls = done.make(goal="robustness")
    assert sorted(studied(calls)) == sorted(
        [f"{world}-{m}-{p}-mpc" for world in [*worlds, "velocity"] for m in STUDIED for p in ("gradient", "cem")]
        + [f"small_steps-{m}-{p}-open" for m in STUDIED for p in ("gradient", "cem")]
        + ["small_steps-expert", "small_steps-straight-line"]
    )
    assert calls[-1] == "report runs/robustness --output runs/robustness/results.md"
    done.edit("configs/door_wall/evaluate.yaml")
    again = done.make(goal="robustness")
    assert trained(again) == {}
    assert sorted(studied(again)) == sorted(studied(calls))


def test_robustness_trains_again_on_data_of_the_other_world(done):
    calls = done.make(goal="robustness")
    fits = trained(calls)
    assert sorted(fits) == sorted(f"{world}/{m}" for world in ("velocity", "small_steps") for m in STUDIED)
    for run, call in fits.items():
        world, method = run.split("/")
        assert f"--config configs/door_wall/{method}.yaml --config configs/retrained/{world}/fit.yaml" in call
        assert (f"--model.init_args.init_from runs/{world}/base/" in call) == (method != "base")
        collecting = f"collect --config configs/door_wall/collect.yaml --config configs/retrained/{world}/collect"
        assert [other.startswith(collecting) for other in calls[: calls.index(call)]].count(True) == 1
    done.edit("configs/retrained/velocity/fit.yaml")
    again = done.make(goal="robustness")
    assert sorted(trained(again)) == sorted(f"velocity/{m}" for m in STUDIED)
    assert not any(call.startswith("collect") for call in again)


def test_robustness_makes_what_is_missing(fresh):
    fits = trained(fresh.make("SEEDS=1", goal="robustness"))
    assert set(fits) == {*STUDIED, *(f"{world}/{m}" for world in ("velocity", "small_steps") for m in STUDIED)}


def test_figures_are_of_the_results_that_are_there(done):
    calls = done.make(goal="figures")
    assert [call.split()[0] for call in calls] == ["report", "report"]
    assert "--figures runs/figures" in calls[0]
    assert "--html runs/report.html" in calls[1]
