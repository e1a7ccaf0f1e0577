"""experiments/*.yaml and the Snakefile that runs them."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import yaml
from snakemake.cli import args_to_api, parse_args

SNAKEFILE = Path("experiments/Snakefile").absolute()
EXPERIMENTS = sorted(path.stem for path in SNAKEFILE.parent.glob("*.yaml"))
TINY = """
runs: FOLDER/runs
data:
  door/tiny-v0: --env_id DoorWall-v0 --dataset_id door/tiny-v0 --root FOLDER/runs/datasets --policy ExpertPolicy
    --episodes 12
trainings:
  base:
    data: [door/tiny-v0]
    configs: [configs/door_wall/base.yaml]
    args: --data.datasets [door/tiny-v0] --data.root FOLDER/runs/datasets --trainer.max_epochs EPOCHS
      --checkpoint.every_n_epochs 1 --data.batch_size 32 --data.validation_steps 2
      --model.init_args.validation_horizons [1,2]
  noise:
    from: base
    configs: [configs/door_wall/base.yaml, configs/door_wall/noise.yaml]
    args: --data.datasets [door/tiny-v0] --data.root FOLDER/runs/datasets --trainer.max_epochs 2
      --validation.tasks.count 4 --validation.every_n_epochs 1 --data.validation_steps 2
      --model.init_args.validation_horizons [1,2]
policies: {straight-line: --policy StraightLinePolicy}
agents: {gradient-mpc: --agent configs/agents/gradient_mpc.yaml}
tables:
  evaluate:
    args: --config configs/door_wall/evaluate.yaml --tasks.count 4 --kinds [detour] --diagnostic_tasks 0
    rows:
      - {policies: [straight-line]}
      - {models: [base, noise], agents: [gradient-mpc]}
"""


def snakemake(*args, task="door_wall", settings=(), programs=(), **options):
    folders = [*map(str, programs), str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = os.environ | {"PATH": ":".join(folders)}
    command = ["snakemake", "--snakefile", SNAKEFILE, "--cores", "2", "--nolock", *args]
    command += ["--config", f"task={task}", *settings]
    return subprocess.run(command, env=environment, capture_output=True, text=True, **options)


def planned(task, *settings):
    """How often each rule would run; in this process, because most of the command's time is its start."""
    command = ["--snakefile", str(SNAKEFILE), "--cores", "2", "--nolock", "--dry-run", "--quiet", "rules", "--forceall"]
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        parser, args = parse_args([*command, "--config", f"task={task}", *settings])
        assert args_to_api(args, parser), said.getvalue()
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", said.getvalue(), re.MULTILINE)}


def tiny(folder, epochs=3, **changes):
    """Write a small experiment with some of its parts changed."""
    experiment = yaml.safe_load(TINY.replace("FOLDER", str(folder)).replace("EPOCHS", str(epochs)))
    for part, change in changes.items():
        experiment[part] = experiment.get(part, {}) | change if isinstance(change, dict) else change
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(experiment))
    return path


RECORDER = """#!/bin/sh
for word in "$@"; do printf '%s\\n' "$word"; done > {folder}/$$
"""


def commands(folder, **changes):
    """The words of all commands of a small experiment, run in a folder where nothing but them is recorded."""
    programs, recorded = folder / "programs", folder / "recorded"
    programs.mkdir()
    recorded.mkdir()
    (programs / "gbplan").write_text(RECORDER.format(folder=recorded))
    (programs / "gbplan").chmod(0o755)
    (folder / "configs").symlink_to(Path("configs").absolute())
    done = snakemake("--quiet", "all", task=tiny(folder, **changes), programs=[programs], cwd=folder)
    assert done.returncode == 0, done.stderr
    return [path.read_text().splitlines() for path in recorded.iterdir()]


def successes(folder):
    return {
        path.parent.name: json.loads(path.read_text())["tasks"]["detour"]
        for path in (folder / "runs" / "evaluate").glob("*/result.json")
    }


SLOW = pytest.mark.slow


COUNTS = {  # collect, fit, evaluate, report
    "ablations": (1, 5, 10, 1),
    "attack_sweep": (2, 96, 90, 1),
    "door_layouts": (1, 4, 10, 1),
    "door_wall": (1, 8, 40, 1),
    "door_wall_pixels": (1, 12, 29, 1),
    "door_wall_pixels_radii": (1, 21, 18, 1),
    "door_wall_radii": (1, 6, 5, 1),
    "fetch_push": (1, 7, 24, 1),
    "granular": (1, 7, 32, 1),
    "planners": (1, 3, 50, 1),
    "point_maze": (1, 7, 36, 1),
    "push_t": (1, 7, 54, 3),
    "push_t_pixels": (1, 15, 27, 1),
    "push_t_radii": (1, 12, 24, 1),
    "robustness": (3, 12, 82, 1),
    "rope": (1, 7, 32, 1),
}


@pytest.mark.parametrize(
    ("task", "settings", "counts"),
    [
        *(pytest.param(task, (), COUNTS[task], id=task) for task in EXPERIMENTS),
        pytest.param("door_wall", ("seeds=0 1",), (1, 16, 72, 1), marks=SLOW),
        pytest.param("door_wall", ("full=1",), (1, 8, 64, 1), marks=SLOW),
        pytest.param("attack_sweep", ("seeds=0",), (2, 32, 30, 1), marks=SLOW),
    ],
)
def test_an_experiment_is_all_combinations_of_what_its_tables_list(task, settings, counts):
    found = planned(task, *settings)
    assert (found["collect"], found["fit"], found["evaluate"], found["report"]) == counts


@pytest.mark.end_to_end
def test_arguments_reach_the_command_as_they_are_written(tmp_path):
    (tmp_path / "d").touch()  # [detour] would match it
    policies = {
        "straight-line": """--policy '{"class_path": "StraightLinePolicy"}' --kinds [detour] --name 'a  $HOME'"""
    }
    tables = {"evaluate": {"args": "--tasks.count 4", "rows": [{"policies": ["straight-line"]}]}}
    (words,) = (words for words in commands(tmp_path, policies=policies, tables=tables) if words[0] == "evaluate")
    assert words == [
        *("evaluate", "--tasks.count", "4", "--policy", '{"class_path": "StraightLinePolicy"}', "--kinds", "[detour]"),
        *("--name", "a  $HOME", "--name", "straight-line", "--output", f"{tmp_path}/runs/evaluate/00-00-straight-line"),
        *("--keep", "--overwrite"),
    ]


@pytest.mark.end_to_end
def test_a_training_in_braces_is_its_checkpoint_and_its_name_stands_for_its_variants(tmp_path):
    swept = {"from": "base", "configs": [], "args": "--z 3", "variants": {"x-0.1": "--x 0.1", "y": "--y {next_seed}"}}
    rows = [
        {"models": ["swept*"], "agents": ["*"]},
        {"models": ["base"]},
        {"models": ["swept-y"], "agents": ["guess"], "args": "--more"},
    ]
    made = commands(
        tmp_path,
        trainings={"swept": swept, "other": {"configs": [], "checkpoint": "last"}},
        agents={"guess": "--init {other}"},
        tables={"evaluate": {"args": "", "rows": rows}},
        seeds=2,
    )
    runs = f"{tmp_path}/runs"
    fits = {words[words.index("--trainer.default_root_dir") + 1]: words for words in made if words[0] == "fit"}
    assert set(fits) == {f"{runs}/seed2/{name}" for name in ("base", "other", "swept-x-0.1", "swept-y")}
    after = fits[f"{runs}/seed2/swept-y"][3:]
    start = ["--model.init_args.init_from", f"{runs}/seed2/base/best.ckpt"]
    assert after[:8] == ["--y", "3", "--z", "3", *start, "--seed_everything", "2"]
    evaluated = {words[words.index("--output") + 1]: words for words in made if words[0] == "evaluate"}
    assert {Path(folder).name for folder in evaluated} == {
        *("00-00-swept-x-0.1-gradient-mpc-seed2", "00-01-swept-x-0.1-guess-seed2", "01-00-swept-y-gradient-mpc-seed2"),
        *("01-01-swept-y-guess-seed2", "01-02-swept-y-guess-seed2", "02-00-base-seed2"),
    }
    words = evaluated[f"{runs}/evaluate/01-02-swept-y-guess-seed2"]
    checkpoints = ["--ckpt_path", f"{runs}/seed2/swept-y/best.ckpt", "--init", f"{runs}/seed2/other/last.ckpt"]
    assert words[1:6] == [*checkpoints, "--more"]


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"data": {"door/tiny-v0": "--config nowhere.yaml"}}, "nowhere.yaml", marks=SLOW),
        pytest.param({"trainings": {"noise": {"from": "bass", "configs": []}}}, "no 'bass' among the trainings"),
        pytest.param(
            {"trainings": {"base": {"data": ["door/x-v0"], "configs": []}}}, "no 'door/x-v0' among the data", marks=SLOW
        ),
        pytest.param({"trainings": {"base": {"from": "noise", "configs": []}}}, "start from each other: "),
        pytest.param(
            {"tables": {"t": {"args": "", "rows": [{"models": ["base"], "agents": ["cem"]}]}}}, "'cem'", marks=SLOW
        ),
        pytest.param({"tables": {"t": {"args": "", "rows": [{"models": ["bass"]}]}}}, "no 'bass' among", marks=SLOW),
        pytest.param({"training": {}}, "('training' was unexpected); known are like, runs,", marks=SLOW),
        pytest.param(
            {"trainings": {"mine": {"form": "base", "configs": []}}},
            "at $.trainings.mine: Additional properties are not allowed ('form' was unexpected); a training has",
        ),
        pytest.param({"trainings": {"mine": {"from": "base"}}}, "'configs' is a required property", marks=SLOW),
        pytest.param({"trainings": {"a b": {"configs": []}}}, "'a b' does not match", marks=SLOW),
        pytest.param(
            {"tables": {"t": {"args": "", "rows": [{"model": ["base"]}]}}}, "('model' was unexpected)", marks=SLOW
        ),
        pytest.param({"tables": {"t": {"rows": []}}}, "'args' is a required property", marks=SLOW),
        pytest.param({"resources": {"fit": {}, "fits": {}}}, "('fits' was unexpected)", marks=SLOW),
        pytest.param({"agents": {"mine": ["--agent", "x"]}}, "is not of type 'string'; arguments of", marks=SLOW),
        pytest.param(
            {"data": {"door/tiny-v0": "--policy 'Expert"}}, "No closing quotation in the arguments", marks=SLOW
        ),
        pytest.param({"trainings": {"base": {"configs": [], "args": "--x {bass}"}}}, "no 'bass' among the", marks=SLOW),
    ],
)
def test_a_mistake_in_an_experiment_is_one_line_before_anything_is_computed(tmp_path, changes, message):
    done = snakemake("--quiet", "rules", task=tiny(tmp_path, **changes))
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_what_is_not_yaml_is_one_line(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("agents: [a\nb: c\n")
    done = snakemake("--quiet", "rules", task=path)
    assert done.returncode == 1
    assert "broken.yaml is not yaml: while parsing" in done.stderr
    assert done.stderr.strip().count("\n") == 0


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [("nothing", (), "there is no experiment 'nothing'"), ("door_wall", ("seeds=a",), "seeds must be numbers")],
)
def test_a_mistake_in_what_to_run_is_one_line(task, settings, message):
    done = snakemake("--quiet", "rules", task=task, settings=settings)
    assert (done.returncode, done.stderr.strip().count("\n")) == (1, 0)
    assert message in done.stderr


@pytest.mark.slow
def test_what_is_done_is_kept_and_what_an_overlay_decides_is_made_again(tmp_path):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("data: {batch_size: 32}\n")
    noise = yaml.safe_load(TINY.replace("FOLDER", str(tmp_path)))["trainings"]["noise"]
    path = tiny(tmp_path, trainings={"noise": {**noise, "configs": [*noise["configs"], str(overlay)]}})
    assert snakemake("--quiet", "rules", task=path).returncode == 0
    results = {each: os.stat(each).st_mtime_ns for each in (tmp_path / "runs").rglob("result.json")}
    assert len(results) == 3
    again = snakemake(task=path)
    assert "Nothing to be done" in again.stderr + again.stdout
    overlay.write_text("data: {batch_size: 16}\n")
    assert snakemake("--quiet", "rules", task=path).returncode == 0
    changed = {each.parent.name for each, before in results.items() if os.stat(each).st_mtime_ns != before}
    assert changed == {"02-00-noise-gradient-mpc"}


@pytest.mark.slow
def test_a_failed_job_says_where_its_log_is(tmp_path):
    path = tiny(tmp_path, policies={"straight-line": "--policy Nobody"})
    done = snakemake("--keep-going", task=path)
    assert done.returncode == 1
    log = tmp_path / "runs" / "logs" / "evaluate" / "evaluate" / "00-00-straight-line.log"
    assert str(log) in done.stderr
    assert "Nobody" in log.read_text()
    assert len(successes(tmp_path)) == 2  # the others are made


SUBMIT = """#!{python}
# A cluster of two nodes: each a working directory and a process group, given jobs in turn.
import os, subprocess, sys
from pathlib import Path
cluster, script = Path({cluster!r}), sys.argv[-1]
count = len(list(cluster.glob("job*")))
job, node = cluster / f"job{{count}}", cluster / f"node{{count % 2}}"
node.mkdir(exist_ok=True)
job.mkdir()
run = f"bash {{script}}; echo $? > {{job}}/code"
with open(job / "out", "w") as out:
    process = subprocess.Popen(["bash", "-c", run], cwd=node, stdout=out, stderr=out, start_new_session=True)
(job / "pid").write_text(f"{{process.pid}} {{node.name}}")
print(job.name)
"""
STATUS = """#!{python}
import os, sys
from pathlib import Path
job = Path({cluster!r}, sys.argv[1])
if (job / "code").exists():
    print("success" if (job / "code").read_text().strip() == "0" else "failed")
else:
    try:
        os.kill(int((job / "pid").read_text().split()[0]), 0)
        print("running")
    except ProcessLookupError:
        print("failed")
"""


@pytest.mark.slow
def test_a_cluster_that_loses_a_node_makes_the_results_of_one_machine(tmp_path):
    local, shared = tiny(tmp_path / "local", epochs=40), tiny(tmp_path / "shared", epochs=40)
    assert snakemake("--quiet", "rules", task=local).returncode == 0
    cluster = tmp_path / "cluster"
    cluster.mkdir()
    for name, text in (("submit", SUBMIT), ("status", STATUS)):
        script = tmp_path / name
        script.write_text(text.format(python=sys.executable, cluster=str(cluster)))
        script.chmod(0o755)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = ["snakemake", "--snakefile", SNAKEFILE, "--nolock", "--executor", "cluster-generic", "--jobs", "2"]
    command += [
        "--cluster-generic-submit-cmd",
        tmp_path / "submit",
        "--cluster-generic-status-cmd",
        tmp_path / "status",
    ]
    command += ["--retries", "2", "--seconds-between-status-checks", "1", "--latency-wait", "5"]
    command += ["--config", f"task={shared}"]
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    last = tmp_path / "shared" / "runs" / "base" / "last.ckpt"
    for _ in range(600):
        time.sleep(0.2)
        if last.exists() or running.poll() is not None:
            break
    killed = 0
    for pid in cluster.glob("job*/pid"):  # the node that trains is lost, in the middle of it
        if not (pid.parent / "code").exists():
            os.killpg(int(pid.read_text().split()[0]), signal.SIGKILL)
            killed += 1
    output, _ = running.communicate(timeout=600)
    assert running.returncode == 0, output[-3000:]
    assert killed >= 1
    assert {pid.read_text().split()[1] for pid in cluster.glob("job*/pid")} == {"node0", "node1"}
    one, other = successes(tmp_path / "local"), successes(tmp_path / "shared")
    for result in (*one.values(), *other.values()):
        for key in [key for key in result if "seconds" in key or key == "planning"]:
            result.pop(key)
    assert len(one) == 3
    assert one == other
