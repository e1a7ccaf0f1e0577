"""What ``gbplan evaluate`` does: a model and planner, or a policy, on the held-out tasks, with files on disk."""

import hashlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from numpy.typing import NDArray

from gbplan.data import make_vector_env
from gbplan.describe import describe
from gbplan.envs import Policy, offer
from gbplan.envs.offers import require_contract
from gbplan.evaluation.drawable import drawable
from gbplan.evaluation.evaluate import THRESHOLDS, EvaluationResult, evaluate
from gbplan.evaluation.paths_figure import paths_figure
from gbplan.evaluation.provenance import provenance
from gbplan.evaluation.task_set import Split, sample_tasks
from gbplan.files import require_writable_folder
from gbplan.modules import InitNetworkModule, WorldModelModule, read_checkpoint, world_model_weights
from gbplan.networks import WorldModel
from gbplan.objectives import Objective, ReachGoal
from gbplan.planners import Planner
from gbplan.plots import plot_filmstrip, plot_landscape
from gbplan.policies import PlannerPolicy
from gbplan.report.result_files import RESULT_FILE, write_result
from gbplan.report.table import results_table


def run_evaluation(
    output: str,
    env_id: str,
    ckpt_path: str | None = None,
    simulator: bool = False,
    policy: Policy | None = None,
    planner: Planner | None = None,
    objective: Objective | None = None,
    replan_every: int | None = 5,
    shrink_horizon: bool = False,
    planner_seed: int = 0,
    env_kwargs: dict[str, Any] | None = None,
    kinds: Sequence[str] = ("uniform", "detour"),
    count: int = 512,
    task_seed: int = 0,
    split: Split = "held_out",
    thresholds: Sequence[float] = THRESHOLDS,
    error_horizon: int = 25,
    diagnostic_tasks: int = 64,
    name: str | None = None,
    device: str = "cpu",
    num_threads: int | None = None,
    overwrite: bool = False,
) -> None:
    """Evaluate a trained model with a planner, or a policy, on fixed held-out tasks.

    Give a checkpoint (or the simulator) and a planner, or a policy. Writes result.json, per kind one CSV of single
    tasks and one NPZ of some episodes, TensorBoard scalars and a figure of paths into the output folder, and prints a
    line per task kind.

    Args:
        output: folder for the results; its name is the result's name unless ``name`` is given.
        env_id: a registered goal-conditioned environment whose reset takes options state and goal.
        ckpt_path: checkpoint of a world model trained with ``gbplan fit``.
        simulator: plan through the environment's own differentiable simulator instead of a model.
        policy: a policy that needs no planner: StraightLinePolicy, ConstantPolicy, RandomPolicy, ExpertPolicy.
        planner: finds the actions, e.g. GradientPlanner or CEMPlanner.
        objective: what the planner minimises; ReachGoal if not given.
        replan_every: steps between plans (model predictive control); null plans once and executes it all (open loop).
        shrink_horizon: plan no further than the end of the episode's first horizon.
        planner_seed: seed of the planner's noise, which all tasks share.
        env_kwargs: passed to the environment.
        kinds: kinds of tasks, as the environment's ``task`` argument names them; ``default``, for environments that
            have no such argument, are the tasks it draws by itself.
        count: tasks of each kind.
        task_seed: which stream of the split's tasks.
        split: held_out judges; tune on validation.
        thresholds: goal distances at which success is reported, ascending; the first should be the environment's.
        error_horizon: longest rollout for the model's open-loop error, steps.
        diagnostic_tasks: on how many tasks of each kind to compare the model's gradients with the true ones, and to
            measure how much it amplifies its inputs; 0 leaves that out.
        name: name in tables; the output folder's name if not given.
        device: where the model runs: cpu, cuda, ...
        num_threads: CPU threads of torch; null leaves it to torch. On a busy machine one thread is many times faster
            than two that wait for each other.
        overwrite: replace results that are in the output folder.

    Raises:
        ValueError: not exactly one of checkpoint, simulator and policy; a model without a planner, or a policy with
            one; a checkpoint that is broken, of another class, or of another environment; an environment without a
            simulator, or one that does not keep the contract of ``gbplan.envs.offers.require_contract``.
        FileExistsError: the output folder holds a result, and ``overwrite`` is false.
        FileNotFoundError: there is no such checkpoint.
        PermissionError: the output folder cannot be written to.
    """
    if num_threads is not None:
        if num_threads < 1:
            raise ValueError(f"num_threads must be at least 1, got {num_threads}")
        torch.set_num_threads(num_threads)
    if error_horizon < 1:
        raise ValueError(f"error_horizon must be at least 1, got {error_horizon}")
    if diagnostic_tasks < 0:
        raise ValueError(f"diagnostic_tasks must not be negative, got {diagnostic_tasks}")
    if not kinds or len(set(kinds)) != len(kinds):
        raise ValueError(f"kinds must name at least one kind of tasks, and none twice, got {list(kinds)}")
    if not thresholds:
        raise ValueError("thresholds must hold at least one distance to the goal, got none")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {device!r} cannot be used ({str(error).splitlines()[0]}); try cpu") from None
    folder = Path(output)
    if (folder / RESULT_FILE).exists() and not overwrite:
        raise FileExistsError(f"{folder} already holds a result; choose another --output or pass --overwrite")
    given = {"ckpt_path": ckpt_path, "simulator": simulator or None, "policy": policy}
    chosen = [key for key, value in given.items() if value is not None]
    if len(chosen) != 1:
        got = " and ".join(chosen) or "none"
        raise ValueError(f"give exactly one of --ckpt_path, --simulator and --policy, got {got}")
    if policy is None:
        if planner is None:
            raise ValueError("a world model needs a planner; add --planner GradientPlanner or --planner CEMPlanner")
        model = load_world_model(ckpt_path) if ckpt_path is not None else _simulator(env_id, env_kwargs)
        policy = PlannerPolicy(
            model.to(device),
            objective or ReachGoal(),
            planner,
            replan_every=planner.horizon if replan_every is None else replan_every,
            shrink_horizon=shrink_horizon,
            seed=planner_seed,
        )
    elif planner is not None:
        raise ValueError(f"{type(policy).__name__} does not plan; leave --planner out, or give a --ckpt_path")
    require_contract(env_id, env_kwargs)
    # Of every kind before anything is computed, so that a bad one does not cost the results of the others.
    sampled = {
        kind: sample_tasks(
            env_id,
            None if kind == "default" else kind,
            count,
            task_seed,
            split,
            env_kwargs,
            min_distance=max(thresholds),
        )
        for kind in kinds
    }
    require_writable_folder(folder)

    label = name or folder.name
    # Now, while the checkpoint is the one that was loaded.
    method, training = _method(policy, ckpt_path), None if ckpt_path is None else _training(ckpt_path)
    results: dict[str, EvaluationResult] = {}
    drawn: dict[str, dict[str, NDArray]] = {}
    overwritten = list(folder.glob("events.out.tfevents*"))
    logger = TensorBoardLogger(folder, name="", version="", default_hp_metric=False)
    for kind, tasks in sampled.items():
        envs = make_vector_env(env_id, count, tasks.env_kwargs)
        try:
            result = evaluate(
                policy,
                envs,
                tasks,
                thresholds=thresholds,
                error_horizon=error_horizon,
                diagnostic_tasks=diagnostic_tasks,
                progress=label,
            )
            background = offer(envs, "background")
            walls = None if background is None else background()
        finally:
            envs.close()
        results[kind] = result
        drawn[kind] = drawable(result, tasks.goals, walls)
        print(f"{label}, {kind}: {result.summary()}", flush=True)
        logger.log_metrics({f"{kind}/{key}": value for key, value in _scalars(result.metrics).items()}, step=0)
        success = result.records[f"first_hit@{thresholds[0]:g}"] >= 0
        figure = paths_figure(result.trajectories, result.imagined, tasks.goals, success, walls, thresholds[0])
        logger.experiment.add_figure(f"{kind}/paths", figure)
        path, imagined = drawn[kind]["executed"][0], drawn[kind].get("imagined")
        if path.shape[1:] == (2,):
            path, plan = path[~np.isnan(path[:, 0])], None if imagined is None else imagined[0]
            strip = plot_filmstrip(path, tasks.goals[0], plan, drawn[kind]["walls"], thresholds[0])
            logger.experiment.add_figure(f"{kind}/first_episode", strip)
        if result.landscape is not None:
            around = result.landscape
            logger.experiment.add_figure(f"{kind}/landscape", plot_landscape(around.alpha, around.beta, around.loss))
    rates = {kind: next(iter(result.metrics["success"].values()))["rate"] for kind, result in results.items()}
    logger.log_hyperparams(method, {f"success/{kind}": rate for kind, rate in rates.items()})
    logger.finalize("success")
    summary = {
        "name": label,
        "method": method,
        "training": training,
        "environment": {"env_id": env_id, "env_kwargs": env_kwargs or {}, "split": split, "task_seed": task_seed},
        "tasks": {kind: result.metrics for kind, result in results.items()},
        "provenance": provenance(),
    }
    for path in overwritten:
        path.unlink()
    write_result(folder, summary, {kind: result.records for kind, result in results.items()}, drawn)
    print(results_table([summary], notes=False))
    print(f"results are in {folder}; `gbplan report {folder.parent}` prints all results in {folder.parent} as a table")


def load_world_model(path: str) -> WorldModel:
    """Rebuild the world model of a checkpoint that ``gbplan fit`` wrote, in eval mode.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is broken, its weights are not finite, or it was not made by a WorldModelModule.
    """
    hparams = read_checkpoint(path).get("hyper_parameters", {})
    world_model_weights(path)
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
    return WorldModelModule.load_from_checkpoint(path, map_location="cpu").world_model.eval()


def _simulator(env_id: str, env_kwargs: dict[str, Any] | None) -> WorldModel:
    with closing(gym.make(env_id, **(env_kwargs or {}))) as env:
        make = offer(env, "simulator")
        if make is None:
            raise ValueError(
                f"{env_id}, made with {env_kwargs or 'no arguments'}, offers no differentiable simulator; give "
                "--ckpt_path or --policy instead of --simulator"
            )
        model: WorldModel = make()
    return model


def _method(policy: Policy, ckpt_path: str | None) -> dict[str, Any]:
    """Describe what was evaluated, in plain data."""
    if not isinstance(policy, PlannerPolicy):
        described = describe(policy)
        return {"policy": described.pop("class"), **described}
    return {
        "model": ckpt_path or type(policy.world_model).__name__,
        "model_sha256": hashlib.sha256(Path(ckpt_path).read_bytes()).hexdigest() if ckpt_path else None,
        "objective": describe(policy.objective),
        "planner": describe(policy.planner),
        "mode": "open loop" if policy.replan_every >= policy.planner.horizon else "MPC",
        **{name: getattr(policy, name) for name in ("replan_every", "warm_start", "shrink_horizon", "seed")},
    }


def _training(ckpt_path: str) -> dict[str, Any]:
    """Settings of the training behind a checkpoint: of module, data and trainer, but for the network."""
    checkpoint = read_checkpoint(ckpt_path)
    module = checkpoint["hyper_parameters"]
    settings = {"class": module.get("_class_path", "").rsplit(".", 1)[-1], **module}
    settings["data"] = _public(checkpoint.get("datamodule_hyper_parameters", {}))
    settings["trainer"] = checkpoint.get("trainer_arguments", {})
    return {key: value for key, value in _public(settings).items() if key != "world_model"}


def _public(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if not key.startswith("_")}


def _scalars(metrics: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Flatten nested metrics to ``a/b`` names, leaving out what does not apply."""
    flat: dict[str, float] = {}
    for key, value in metrics.items():
        if isinstance(value, dict):
            flat |= _scalars(value, f"{prefix}{key}/")
        elif value is not None and not isinstance(value, list):
            flat[f"{prefix}{key}"] = float(value)
    return flat
