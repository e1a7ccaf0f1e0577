"""Evaluation as a test of Lightning's Trainer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray

from gbplan.data import make_vector_env
from gbplan.envs import Policy, optional_method
from gbplan.evaluation.evaluate import EvaluationResult, conclude, require_measurable
from gbplan.evaluation.metrics import SuccessRate
from gbplan.evaluation.played import Played, play, tasks_at_once
from gbplan.evaluation.task_set import Tasks, TaskSet
from gbplan.policies import PlannerPolicy

Gather = Callable[[Any], list[Any]]
"""Sends this process's object and returns the objects of all processes, in the order of their ranks."""


def gather_of(trainer: L.Trainer) -> Gather:
    """Make the ``Gather`` among a trainer's processes."""

    def gather(item: Any) -> list[Any]:
        if trainer.world_size == 1:
            return [item]
        items = [None] * trainer.world_size
        torch.distributed.all_gather_object(items, item)
        return items

    return gather


@dataclass(frozen=True)
class TrainerOptions:
    """Devices and processes of Lightning's Trainer for an evaluation.

    Args:
        accelerator: kind of device: cpu, gpu, auto, ...
        devices: number of devices per machine, or which; auto takes all.
        strategy: how several devices share the work; ddp gives each a process.
        num_nodes: number of machines.
    """

    accelerator: str = "auto"
    devices: int | str | list[int] = 1
    strategy: str = "auto"
    num_nodes: int = 1

    def make(self) -> L.Trainer:
        """Make a Trainer that writes nothing."""
        return L.Trainer(
            accelerator=self.accelerator,
            devices=self.devices,
            strategy=self.strategy,
            num_nodes=self.num_nodes,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )


class PlanningEvaluation(L.LightningModule):
    """``evaluate`` as a LightningModule's test, with tasks as its data.

    ::

        evaluation = PlanningEvaluation(agent.policy(module.world_model), TaskSet("DoorWall-v0", kind="detour"))
        trainer.test(evaluation)
        evaluation.result.summary()

    With several processes, each runs its share of the tasks, and all get the result, which equals that of one process
    up to floating-point rounding; the first process measures the diagnostics. It logs ``test/success`` and the other
    metrics that are single numbers, see ``evaluate``.

    Attributes:
        result: result of the last test.
        background: line segments that figures draw behind paths, if the environment has any.
    """

    result: EvaluationResult
    background: NDArray | None

    def __init__(
        self,
        policy: Policy,
        tasks: Tasks | TaskSet,
        *,
        thresholds: Sequence[float] = (),
        error_horizon: int = 25,
        max_steps: int | None = None,
        diagnostic_tasks: int = 0,
        keys: Sequence[str] = (),
        progress: str | None = None,
        num_processes: int = 1,
    ) -> None:
        """Choose what to evaluate; see ``evaluate``.

        Args:
            policy: the policy; the Trainer moves the model of a ``PlannerPolicy`` to its device.
            tasks: N tasks.
            thresholds: distances to the goal at which success is reported as well.
            error_horizon: longest open-loop rollout for the model's error, model steps.
            max_steps: cut the policy's episodes off after this many steps; None: only the environment ends them.
            diagnostic_tasks: number of tasks for diagnostics of the model's gradients and smoothness.
            keys: observations to keep in addition to state and goals.
            progress: name of a progress bar of the first process; None shows none.
            num_processes: processes that step the environment for each process that plans.
        """
        super().__init__()
        # An attribute, so that Lightning moves it to the device.
        self.world_model = policy.world_model if isinstance(policy, PlannerPolicy) else None
        self.policy = policy
        self.tasks = tasks.draw() if isinstance(tasks, TaskSet) else tasks
        self.thresholds = thresholds
        self.error_horizon = error_horizon
        self.max_steps = max_steps
        self.diagnostic_tasks = diagnostic_tasks
        self.keys = keys
        self.progress = progress
        self.num_processes = num_processes
        self.success = SuccessRate()
        self._parts: list[Played] = []

    def test_dataloader(self) -> "_Shares":
        """Make batches of this process's tasks, as many at a time as their pictures fit into memory."""
        own = np.arange(self.trainer.global_rank, len(self.tasks), self.trainer.world_size)
        at_once = min(tasks_at_once(self.tasks, self.world_model, self.keys), max(len(own), 1))
        self._envs = make_vector_env(self.tasks.env_id, at_once, self.tasks.env_kwargs, self.num_processes)
        # A process without a batch would not take part in gathering.
        return _Shares([own[start : start + at_once] for start in range(0, max(len(own), 1), at_once)])

    def on_test_start(self) -> None:
        """Check the settings, and begin.

        Raises:
            ValueError: see ``evaluate``.
        """
        require_measurable(self._envs, self.thresholds, self.diagnostic_tasks)
        self._parts = []

    def test_step(self, rows: NDArray[np.int64], batch_idx: int) -> None:
        """Run the tasks ``rows``."""
        if len(rows):
            with torch.inference_mode(False):  # planners need gradients, and keep tensors
                played = play(
                    self.policy,
                    self._envs,
                    self.tasks.select(rows),
                    rows=rows,
                    world_model=self.world_model,
                    error_horizon=self.error_horizon,
                    max_steps=self.max_steps,
                    keys=self.keys,
                    progress=self.progress if self.trainer.is_global_zero else None,
                )
            self._parts.append(played)
            hits = np.add.reduceat(played.trajectories.infos["is_success"] > 0, played.trajectories.starts)
            self.success.update(torch.as_tensor(hits > 0))
        self.log("test/success", self.success, on_step=False, on_epoch=True, batch_size=max(len(rows), 1))

    def on_test_epoch_end(self) -> None:
        """Gather the outcomes of all processes, and compute the result."""
        own, self._parts = self._parts, []
        parts = [part for parts in gather_of(self.trainer)(own) for part in parts]
        with torch.inference_mode(False):
            self.result = conclude(
                Played.join(parts),
                self.policy,
                self._envs,
                self.tasks,
                thresholds=self.thresholds,
                world_model=self.world_model,
                diagnostic_tasks=self.diagnostic_tasks if self.trainer.is_global_zero else 0,
            )
        metrics = self.result.metrics
        logged = {
            "believed_success": (metrics["believed_success"] or {}).get("rate"),
            "final_distance": (metrics["final_distance"] or {}).get("mean"),
            "steps_to_success": metrics["steps_to_success"],
            "spl": metrics["spl"],
            "contacts": metrics["contacts"],
        }
        # All processes have the same numbers.
        self.log_dict({f"test/{name}": value for name, value in logged.items() if value is not None}, sync_dist=True)
        draw = optional_method(self._envs, "background")
        self.background = None if draw is None else draw()

    def teardown(self, stage: str) -> None:
        """Close the environments."""
        if stage == "test":
            self._envs.close()


class _Shares:
    """Batches of task indices; not a ``DataLoader``, whose sampler Lightning would replace, repeating tasks."""

    def __init__(self, batches: list[NDArray[np.int64]]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        return iter(self.batches)
