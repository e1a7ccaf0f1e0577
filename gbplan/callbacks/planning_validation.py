"""Judging a model in training by what its plans achieve."""

from typing import Any

import lightning as L

from gbplan import checks
from gbplan.callbacks.averaged_weights import averaged_weights
from gbplan.callbacks.online_round import Group, execute, summarise
from gbplan.callbacks.requirements import placed_in, require_plannable, require_split, require_world_model
from gbplan.describe import describe, differences
from gbplan.evaluation import TaskSet, try_tasks
from gbplan.evaluation.planning_evaluation import gather_of
from gbplan.networks.eval_mode import eval_mode
from gbplan.policies import Agent


class PlanningValidation(L.Callback):
    """Plans validation tasks with the model as it is, executes the plans, and logs how many succeed.

    A lower prediction loss is not a better model to plan through, so a checkpoint is better chosen by success::

        checkpoint: {monitor: val/success, mode: max, every_n_epochs: 10, save_on_train_epoch_end: true}

    The tasks are always the same ones of the validation seeds, with the same planner noise; neither training nor the
    held-out tasks share one with them. The training itself is not touched: with and without this callback the weights
    of an epoch are the same. Of several processes each plans its share of the tasks. Where a callback of Lightning
    averages weights, the average is judged: a ``WeightAveraging`` keeps it in the checkpoints, but a
    ``StochasticWeightAveraging`` does not before the training ends, so choose no checkpoint by its success.

    Logged at the end of every ``every_n_epochs``-th epoch: ``val/success`` with its 95 % Wilson interval
    ``val/success_low`` and ``val/success_high``, ``val/believed_success``, ``val/final_distance``,
    ``val/model_error_planned``, ``val/latent_error_planned`` and, where the environment has an expert,
    ``val/model_error_expert``, ``val/latent_error_expert`` and ``val/gap``; and ``val/seconds_planning``. What cannot
    be told is left out, see ``OnlineWorldModeling``. Several of them, in different environments say, each need a
    ``name`` of their own.
    """

    def __init__(
        self,
        agent: Agent,
        tasks: TaskSet = TaskSet(count=128, split="validation"),  # noqa: B008  # frozen
        every_n_epochs: int = 10,
        error_horizon: int = 25,
        name: str = "val",
    ) -> None:
        """Choose the tasks and the agent.

        Args:
            agent: the one the model is meant for; a yaml file of one, or its parts.
            tasks: validation tasks. Their environment must be goal-conditioned, with a time limit, and with
                ``reset(options={"state": ..., "goal": ...})``; env_id null: the one the datasets were collected in,
                made with the same arguments but for those in env_kwargs. The split must be validation.
            every_n_epochs: epochs from one validation to the next; that of the checkpoint should be a multiple of it,
                or it would choose by an old number.
            error_horizon: longest rollout for the model's open-loop error, model steps.
            name: what the logs begin with.

        Raises:
            ValueError: a number is out of its range, or the tasks are not of the validation split.
        """
        checks.at_least_one(every_n_epochs=every_n_epochs, error_horizon=error_horizon)
        require_split(self, tasks, "validation")
        self.agent = agent
        self.tasks = tasks
        self.every_n_epochs = every_n_epochs
        self.error_horizon = error_horizon
        self._configuration = describe(self)
        self.name = name
        self._restored: dict[str, Any] | None = None

    @property
    def state_key(self) -> str:
        """The name of its state in a checkpoint."""
        return type(self).__qualname__ + ("" if self.name == "val" else f" {self.name}")

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Draw the tasks, and refuse, before anything is computed, what could not work.

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
        self._tasks = placed.draw()

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Refuse to compare with a best model that was found in another way.

        Raises:
            ValueError: the run that is resumed was begun with other tasks or another planner; says what has changed.
        """
        changed = [] if self._restored is None else differences(self._restored, self._configuration)
        if changed:
            raise ValueError(
                f"this run was begun with another PlanningValidation ({'; '.join(changed)}), so its best model would "
                "be compared with others by another measure; restore the old values, or begin a new run from its "
                "weights with model.init_from"
            )

    def state_dict(self) -> dict[str, Any]:
        """Return how models are judged."""
        return {"configuration": self._configuration}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember how the models of a resumed run were judged."""
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
            )
        for name, value in summarise([executed]).items():
            if "/" not in name:
                self.log(f"{self.name}/{name}", value, sync_dist=True)  # type: ignore[attr-defined]
