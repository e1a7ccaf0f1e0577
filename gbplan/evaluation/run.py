"""``gbplan evaluate``: evaluates a model with a planner, or a policy, on held-out tasks, and writes the results."""

import io
import os
import sys
from collections.abc import Sequence
from contextlib import closing, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from lightning.pytorch import Trainer
from numpy.typing import NDArray

from gbplan import checks
from gbplan.data import make_vector_env
from gbplan.describe import describe
from gbplan.envs import Policy, optional_method
from gbplan.envs.contract import require_contract, without_noise
from gbplan.evaluation.diagnostics.model_error import require_within_episodes
from gbplan.evaluation.drawable import drawable
from gbplan.evaluation.environment_model import EnvironmentDynamics, simulate
from gbplan.evaluation.evaluate import EvaluationResult, evaluate
from gbplan.evaluation.events import write_events
from gbplan.evaluation.imagination import imagined_frames
from gbplan.evaluation.paths_figure import paths_figure
from gbplan.evaluation.planning_evaluation import PlanningEvaluation, TrainerOptions
from gbplan.evaluation.played import tasks_at_once
from gbplan.evaluation.provenance import provenance
from gbplan.evaluation.task_set import Tasks, TaskSet
from gbplan.files import locked_folder
from gbplan.modules import InitNetworkModule
from gbplan.modules.checkpoints import (
    CheckpointFile,
    open_checkpoint,
    require_imported_classes,
    weight_differences,
    weights_in,
)
from gbplan.networks import WorldModel
from gbplan.networks.build import build_world_model
from gbplan.networks.pretrained import load_pretrained
from gbplan.plots import animate_frames, plot_frames
from gbplan.policies import Agent, PlannerPolicy
from gbplan.policies.fitting import require_fitting
from gbplan.report.result_files import RESULT_FILE, write_result
from gbplan.report.table import results_table

EVENTS = "events.out.tfevents*"


def run_evaluation(
    output: str,
    ckpt_path: str | None = None,
    pretrained: str | None = None,
    simulator: bool = False,
    policy: Policy | None = None,
    agent: Agent | None = None,
    tasks: TaskSet = TaskSet(),  # noqa: B008  # frozen
    kinds: Sequence[str] = (),
    thresholds: Sequence[float] = (),
    error_horizon: int = 25,
    diagnostic_tasks: int = 64,
    name: str | None = None,
    device: str = "cpu",
    num_threads: int | None = None,
    num_processes: int = 1,
    modules: Sequence[str] = (),
    overwrite: bool = False,
    trainer: TrainerOptions | None = None,
) -> bool:
    """Evaluate a trained model with a planner, or a policy, on fixed held-out tasks.

    Give a checkpoint (or a pretrained model, or the simulator) and an agent, or a policy. Writes result.json, for each
    kind of tasks a CSV of single tasks and an NPZ of some episodes, and for TensorBoard a line in HPARAMS, a table and
    figures, into the output folder, and prints a line per kind. For a model with a decoder it also writes
    filmstrip-<kind>.png and .gif: the first episode's frames, beside the model's imagination of the same actions.

    Args:
        output: folder for the results; its name is the result's name unless ``name`` is given.
        ckpt_path: checkpoint of a world model trained with ``gbplan fit``.
        pretrained: name of a world model that comes with the package, such as door-wall/base.
        simulator: plan through the environment instead of a model: through its differentiable simulator or, where it
            has none, by steps of the environment itself, which only planners that sample can use.
        policy: a policy that needs no model: StraightLinePolicy, ConstantPolicy, RandomPolicy, ExpertPolicy.
        agent: planner, objective and replanning, or a yaml file of them.
        tasks: the tasks; report success on held-out ones, and tune on validation ones.
        kinds: several kinds of tasks, with ``tasks.count`` tasks of each; by default only the kind of ``tasks``.
        thresholds: further distances to the goal, ascending, at which success is reported; only for metric goals, and
            below ``tasks.min_distance``.
        error_horizon: longest rollout for the model's open-loop error, model steps.
        diagnostic_tasks: number of tasks of each kind on which to compare the model's gradients with the true ones, and
            to measure how much it amplifies its inputs; 0 leaves this out.
        name: name in tables; the output folder's name if not given.
        device: where the model runs: cpu, cuda, ...
        num_threads: CPU threads of torch, and processes that step an environment for --simulator; null: as many as this
            machine has. On a busy machine one thread is many times faster than two that wait for each other.
        num_processes: processes that draw the tasks and step the environment, beside the one that plans; the results
            are the same.
        modules: your own modules, whose classes the checkpoint may name; they are imported first.
        overwrite: replace results that are in the output folder.
        trainer: evaluate with Lightning's Trainer, for example on several devices (``--trainer.devices 2
            --trainer.strategy ddp``), in place of ``device``.

    Returns:
        Whether this process has written the results: one of several does.

    Raises:
        ValueError: not exactly one of checkpoint, pretrained, simulator and policy; a model without an agent, or a
            policy with one; a checkpoint that is broken, of another class, or of another environment; an environment
            without a simulator, or one that does not keep the contract of ``gbplan.envs.contract.require_contract``.
        FileExistsError: the output folder contains a result, and ``overwrite`` is false.
        FileNotFoundError: the checkpoint does not exist.
        PermissionError: the output folder cannot be written to.
        BlockingIOError: another command writes into it.
        WriteError: the results could not be written; older ones are unchanged.
    """
    checks.thread_count(num_threads=num_threads)
    if num_threads is not None:
        torch.set_num_threads(num_threads)
    checks.at_least_one(error_horizon=error_horizon, num_processes=num_processes)
    checks.count(diagnostic_tasks=diagnostic_tasks)
    for module in modules:
        import_module(module)
    sets = tasks.of_kinds(kinds)
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {device!r} cannot be used ({str(error).splitlines()[0]}); try cpu") from None
    if trainer is not None and device != "cpu":
        raise ValueError(f"the trainer chooses the devices, got --device {device}; leave out that or the trainer")
    if not output:
        raise ValueError("output must name a folder for the results, got an empty name")
    folder = Path(output)
    _require_free(folder, overwrite)
    given = {"ckpt_path": ckpt_path, "pretrained": pretrained, "simulator": simulator or None, "policy": policy}
    chosen = [key for key, value in given.items() if value is not None]
    if len(chosen) != 1:
        got = " and ".join(chosen) or "none"
        raise ValueError(f"give exactly one of --ckpt_path, --pretrained, --simulator and --policy, got {got}")
    # Before the model is loaded and before tasks are drawn, because both may take long.
    limit = require_contract(tasks.require_env_id(), tasks.env_kwargs)
    for each in sets:
        each.require_kind()
    checkpoint = None
    if policy is None:
        if agent is None:
            raise ValueError("a world model needs an agent; add --agent FILE or --agent.planner GradientPlanner")
        checkpoint = None if ckpt_path is None else open_checkpoint(ckpt_path)
        if pretrained is not None:
            loaded = load_pretrained(pretrained)
        else:
            loaded = _simulator(tasks, num_threads) if checkpoint is None else _world_model(checkpoint)
        policy = agent.policy(loaded.to(device))
        if isinstance(loaded.predictor, EnvironmentDynamics):  # it has no gradients, and is the truth
            diagnostic_tasks = 0
    elif agent is not None:
        raise ValueError(f"{type(policy).__name__} does not plan; leave --agent out, or give a --ckpt_path")
    if isinstance(policy, PlannerPolicy):
        with closing(make_vector_env(tasks.require_env_id(), 1, tasks.env_kwargs)) as envs:
            require_fitting(policy.world_model, policy.agent, envs, limit)
        require_within_episodes(error_horizon, limit, policy.world_model.action_block)
    # Draw every kind before anything is computed, so that a bad one does not cost the results of the others.
    drawn = {each.name: each.draw(num_processes=num_processes) for each in sets}
    loop = None if trainer is None else trainer.make()
    writes = loop is None or loop.is_global_zero  # one process of several
    with locked_folder(folder) if writes else nullcontext():
        _require_free(folder, overwrite)  # another command may have been faster
        label, method = name or folder.name, _method(policy, checkpoint, pretrained)
        # Not whole results, whose episodes may contain many pictures.
        metrics: dict[str, dict[str, Any]] = {}
        records: dict[str, dict[str, NDArray]] = {}
        arrays: dict[str, dict[str, NDArray]] = {}
        figures: dict[str, Any] = {}
        pictures: dict[str, bytes] = {}
        for kind, of_kind in drawn.items():
            result, background = _evaluated(
                policy,
                of_kind,
                loop,
                thresholds=thresholds,
                error_horizon=error_horizon,
                diagnostic_tasks=diagnostic_tasks,
                progress=label if sys.stderr.isatty() else None,  # a log needs no bar
                num_processes=num_processes,
            )
            if not writes:
                continue
            metrics[kind], records[kind] = result.metrics, result.records
            arrays[kind] = drawable(result, of_kind.goals, background)
            print(f"{label}, {kind}: {result.summary()}", flush=True)
            paths = paths_figure(
                result.trajectories, result.imagined, of_kind.goals, result.success, background, result.radius
            )
            if paths is not None:
                figures[kind] = paths
            if isinstance(policy, PlannerPolicy):
                frames = imagined_frames(policy.world_model, of_kind, result.trajectories, error_horizon)
                if frames is not None:
                    arrays[kind] |= {f"frames {name}": array for name, array in vars(frames).items()}
                    figures[f"{kind}/filmstrip"] = strip = plot_frames({"": frames})
                    strip.savefig(png := io.BytesIO(), format="png", dpi=160)
                    pictures[f"filmstrip-{kind}.png"] = png.getvalue()
                    pictures[f"filmstrip-{kind}.gif"] = animate_frames(frames)
            del result
        if not writes:
            return False
        summary = {
            "name": label,
            "method": method,
            "training": None if checkpoint is None else _training(checkpoint),
            "environment": {
                "env_id": tasks.env_id,
                "env_kwargs": tasks.env_kwargs or {},
                "split": tasks.split,
                "task_seed": tasks.seed,
                "min_distance": tasks.min_distance,
            },
            "tasks": metrics,
            "provenance": provenance(),
        }
        # Events to be removed: the old result's, or the new ones if writing fails. Without a result in the folder, old
        # events are a training's.
        before = {*folder.glob(EVENTS)}
        events = before if (folder / RESULT_FILE).exists() else set()
        try:
            write_events(folder, summary, figures)
            write_result(folder, summary, records, arrays, pictures)
        except BaseException:
            events = {*folder.glob(EVENTS)} - before
            raise
        finally:
            for path in events:
                path.unlink()
        print(results_table([summary], notes=False))
        print(
            f"results are in {folder}; `gbplan report {folder.parent}` prints all results in {folder.parent} as a table"
        )
    return True


def _evaluated(
    policy: Policy, tasks: Tasks, loop: Trainer | None, num_processes: int, **how: Any
) -> tuple[EvaluationResult, NDArray | None]:
    """Evaluate on some tasks, and get the background of figures from the environment."""
    if loop is not None:
        test = PlanningEvaluation(policy, tasks, num_processes=num_processes, **how)
        loop.test(test, verbose=False)
        return test.result, test.background
    model = policy.world_model if isinstance(policy, PlannerPolicy) else None
    at_once = tasks_at_once(tasks, model)
    with closing(make_vector_env(tasks.env_id, at_once, tasks.env_kwargs, num_processes)) as envs:
        result = evaluate(policy, envs, tasks, **how)
        background = optional_method(envs, "background")
        return result, None if background is None else background()


def _require_free(folder: Path, overwrite: bool) -> None:
    if (folder / RESULT_FILE).exists() and not overwrite:
        raise FileExistsError(f"{folder} already holds a result; choose another --output or pass --overwrite")


def load_world_model(path: str) -> WorldModel:
    """Rebuild the world model of a checkpoint that ``gbplan fit`` wrote, in eval mode.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is broken, its weights are not finite, it was not made by a WorldModelModule, or it names
            a class of a module that is not imported.
    """
    return _world_model(open_checkpoint(path))


def _world_model(checkpoint: CheckpointFile) -> WorldModel:
    hparams, path = checkpoint.contents.get("hyper_parameters", {}), checkpoint.path
    weights = weights_in(checkpoint)
    if hparams.get("_class_path", "").rsplit(".", 1)[-1] == InitNetworkModule.__name__:
        raise ValueError(
            f"{path} holds a network that guesses plans, and an untrained world model; give it to a planner with "
            "--planner InitializedPlanner --planner.ckpt_path, and a trained world model to --ckpt_path"
        )
    if "world_model" not in hparams:
        raise ValueError(
            f"{path} does not say how its world model is built, because it was trained from Python; load it there with "
            "WorldModelModule.load_from_checkpoint(path, world_model=...) and call gbplan.evaluation.evaluate"
        )
    require_imported_classes(hparams, path)
    try:
        model = build_world_model(hparams["world_model"])
    except RuntimeError as error:
        raise ValueError(
            f"{path} describes a model that cannot be built ({str(error).splitlines()[0]}); it is damaged, use another "
            "checkpoint"
        ) from None
    if different := weight_differences(model, weights):
        more = f"; and {len(different) - 3} more" if len(different) > 3 else ""
        raise ValueError(
            f"{path} does not have the weights of the model that it describes ({'; '.join(different[:3])}{more}); it "
            "is damaged, use another checkpoint"
        )
    model.load_state_dict(weights)
    return model.eval()


def _simulator(tasks: TaskSet, workers: int | None) -> WorldModel:
    env_id, env_kwargs = tasks.require_env_id(), without_noise(tasks.require_env_id(), tasks.env_kwargs)
    with closing(gym.make(env_id, **env_kwargs)) as env:
        make = optional_method(env, "simulator")
        if make is not None:
            model: WorldModel = make()
            return model
    return simulate(env_id, env_kwargs, workers or os.cpu_count() or 1).eval()


def _method(policy: Policy, checkpoint: CheckpointFile | None, pretrained: str | None = None) -> dict[str, Any]:
    """Describe the evaluated method, in plain data."""
    if not isinstance(policy, PlannerPolicy):
        return {"policy": type(policy).__name__, **_settings(policy)}
    agent, block = policy.agent, policy.world_model.action_block
    # A plan shorter than the interval is executed whole, so its end is when the next one is made.
    every = None if agent.replan_every is None else min(agent.replan_every, agent.planner.horizon) * block
    return {
        "model": str(checkpoint.path) if checkpoint else pretrained or type(policy.world_model).__name__,
        "model_sha256": checkpoint.sha256 if checkpoint else None,
        "action_block": block,
        "history": policy.world_model.history,
        "mode": "open loop" if agent.open_loop else "MPC",
        "horizon": agent.planner.horizon,
        "horizon_environment_steps": agent.planner.horizon * block,
        **_settings(agent),
        "replan_every_environment_steps": every,
    }


def _settings(thing: Any) -> dict[str, Any]:
    return {key: value for key, value in describe(thing).items() if key != "class"}


def _training(checkpoint: CheckpointFile) -> dict[str, Any]:
    """Settings of the training behind a checkpoint: module, data and trainer, without the network."""
    module = checkpoint.contents["hyper_parameters"]
    settings = {"class": module.get("_class_path", "").rsplit(".", 1)[-1], **module}
    settings["data"] = _public(checkpoint.contents.get("datamodule_hyper_parameters", {}))
    settings["trainer"] = checkpoint.contents.get("trainer_arguments", {})
    return {key: value for key, value in _public(settings).items() if key != "world_model"}


def _public(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if not key.startswith("_")}
