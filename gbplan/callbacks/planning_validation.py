"""Validation by planning: the success rate of a model's plans during training."""

from functools import partial
from typing import Any

import lightning as L

from gbplan import checks
from gbplan.callbacks.averaged_weights import averaged_weights
from gbplan.callbacks.figures import log_figure
from gbplan.callbacks.online_round import execute, summarise
from gbplan.callbacks.requirements import placed_in, require_plannable, require_split, require_world_model
from gbplan.callbacks.round_tasks import Group
from gbplan.describe import describe, differences
from gbplan.evaluation import TaskSet, try_tasks
from gbplan.evaluation.imagination import imagination_figure
from gbplan.evaluation.planning_evaluation import gather_of
from gbplan.networks.eval_mode import eval_mode
from gbplan.policies import Agent


class PlanningValidation(L.Callback):
    """Plans validation tasks with the current model, executes the plans, and logs the success rate.

    A model with a lower prediction loss is not a better one to plan through, so choose checkpoints by success::

        checkpoint: {monitor: val/success, mode: max, every_n_epochs: 10, save_on_train_epoch_end: true}

    The tasks are always the same draws from the validation seeds, with the same planner noise; none is a training task
    or a held-out task. The callback does not change the training: the weights of an epoch are the same without it. With
    several processes, each plans its share of the tasks. If a callback of Lightning averages weights, the average is
    validated: a ``WeightAveraging`` keeps it in the checkpoints, but a ``StochasticWeightAveraging`` does not before
    the training ends, so choose no checkpoint by its success.

    At the end of every ``every_n_epochs``-th epoch it logs ``val/success`` with its 95 % Wilson interval
    ``val/success_low`` and ``val/success_high``, ``val/believed_success``, ``val/final_distance``,
    ``val/model_error_planned``, ``val/latent_error_planned`` and, where the environment has an expert,
    ``val/model_error_expert``, ``val/latent_error_expert`` and ``val/gap``; and ``val/seconds_planning``. Metrics that
    are not known are left out, see ``OnlineWorldModeling``. For a model with a decoder it also logs the picture
    ``val/filmstrip`` to TensorBoard: the first task's frames as executed, above the model's imagination of the same
    actions.
    """

    def __init__(
        self,
        agent: Agent,
        tasks: TaskSet = TaskSet(count=128, split="validation"),  # noqa: B008  # frozen
        every_n_epochs: int = 10,
        error_horizon: int = 25,
        name: str = "val",
        num_processes: int = 1,
    ) -> None:
        """Choose the tasks and the agent.

        Args:
            agent: plans and acts; a yaml file of an agent, or its parts.
            tasks: validation tasks. Their environment must be goal-conditioned, with a time limit, and with
                ``reset(options={"state": ..., "goal": ...})``; env_id null: the one the datasets were collected in,
                made with the same arguments except those in env_kwargs. The split must be validation.
            every_n_epochs: epochs from one validation to the next, >= 1; the checkpoint's own interval should be a
                multiple of it, or checkpoints would be compared by an old number.
            error_horizon: longest rollout for the model's open-loop error, model steps, >= 1.
            name: prefix of the logs; several such callbacks in one training need different names.
            num_processes: processes that draw the tasks and step the environment, beside the one that plans, >= 1; the
                numbers are the same.

        Raises:
            ValueError: a number is out of its range, or the tasks are not of the validation split.
        """
        checks.at_least_one(every_n_epochs=every_n_epochs, error_horizon=error_horizon, num_processes=num_processes)
        require_split(self, tasks, "validation")
        self.agent = agent
        self.tasks = tasks
        self.every_n_epochs = every_n_epochs
        self.error_horizon = error_horizon
        self._configuration = describe(self)
        self.name = name
        self.num_processes = num_processes
        self._restored: dict[str, Any] | None = None

    @property
    def state_key(self) -> str:
        """Name of this callback's state in a checkpoint."""
        return type(self).__qualname__ + ("" if self.name == "val" else f" {self.name}")

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Draw the tasks, and refuse a setup that cannot work, before anything is computed.

        Raises:
            TypeError: a module without a ``world_model``.
            ValueError: the environment sets no tasks or has no time limit, or model and agent do not fit it.
        """
        if stage != "fit":
            return
        self._restored = None  # it may have been part of another training
        model = require_world_model(self, pl_module)
        placed = placed_in(trainer, self.tasks)
        try_tasks(placed)
        require_plannable(placed, self.agent, model, self.error_horizon)
        self._tasks = placed.draw(num_processes=self.num_processes)

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Refuse to resume a run whose best model was chosen by another measure.

        Raises:
            ValueError: the resumed run was begun with other tasks or another planner; the message names the difference.
        """
        changed = [] if self._restored is None else differences(self._restored, self._configuration)
        if changed:
            raise ValueError(
                f"this run was begun with another PlanningValidation ({'; '.join(changed)}), so its best model would "
                "be compared with others by another measure; restore the old values, or begin a new run from its "
                "weights with model.init_from"
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the settings by which models are compared."""
        return {"configuration": self._configuration}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember the settings by which the models of a resumed run were compared."""
        self._restored = state_dict["configuration"]

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Plan, execute and log if a planning validation is due this epoch."""
        if (trainer.current_epoch + 1) % self.every_n_epochs:
            return
        model = require_world_model(self, pl_module)
        shows = trainer.progress_bar_callback is not None and trainer.is_global_zero
        with averaged_weights(trainer, pl_module), eval_mode(model):
            executed = execute(
                self.agent.policy(model),
                Group(self.tasks, self.agent.open_loop),
                self._tasks,
                error_horizon=self.error_horizon,
                gather=gather_of(trainer),
                rank=trainer.global_rank,
                world_size=trainer.world_size,
                progress=f"{self.name} validation" if shows else None,
                num_processes=self.num_processes,
            )
            if model.decoder is not None:
                show = partial(imagination_figure, model, executed.tasks, executed.trajectories, self.error_horizon)
                log_figure(trainer, f"{self.name}/filmstrip", show)
        for name, value in summarise([executed]).items():
            if "/" not in name:
                self.log(f"{self.name}/{name}", value, sync_dist=True)  # type: ignore[attr-defined]
