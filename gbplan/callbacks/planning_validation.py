"""Judging a model in training by what its plans achieve."""

from typing import Any

import lightning as L

from gbplan.callbacks.online_round import Group, execute, gather_of, summarise
from gbplan.callbacks.requirements import environment_of, require_time_limit, require_world_model
from gbplan.describe import describe, differences
from gbplan.evaluation import probe_tasks, sample_tasks
from gbplan.networks.eval_mode import eval_mode
from gbplan.objectives import Objective, ReachGoal
from gbplan.planners import Planner
from gbplan.policies import PlannerPolicy


class PlanningValidation(L.Callback):
    """Plans validation tasks with the model as it is, executes the plans, and logs how many succeed.

    A lower prediction loss is not a better model to plan through, so a checkpoint is better chosen by success::

        checkpoint: {monitor: val/success, mode: max, every_n_epochs: 10, save_on_train_epoch_end: true}

    The tasks are always the same ones of the validation seeds, with the same planner noise; neither training nor the
    held-out tasks share one with them. The training itself is not touched: with and without this callback the weights
    of an epoch are the same. Of several processes each plans its share of the tasks.

    Logged at the end of every ``every_n_epochs``-th epoch: ``val/success`` with its 95 % Wilson interval
    ``val/success_low`` and ``val/success_high``, ``val/believed_success``, ``val/final_distance`` in environment units,
    ``val/model_error_planned`` and, where the environment has an expert, ``val/model_error_expert`` and ``val/gap``,
    open-loop errors in goal space, and ``val/seconds_planning``.
    """

    def __init__(
        self,
        planner: Planner,
        objective: Objective | None = None,
        env_id: str | None = None,
        env_kwargs: dict[str, Any] | None = None,
        kind: str | None = "detour",
        count: int = 128,
        task_seed: int = 0,
        every_n_epochs: int = 10,
        replan_every: int | None = 5,
        threshold: float = 0.1,
        error_horizon: int = 25,
        seed: int = 0,
    ) -> None:
        """Choose the tasks and the planner.

        Args:
            planner: finds the actions; the one the model is meant for.
            objective: what the planner minimises; ReachGoal if not given.
            env_id: environment to execute in: goal-conditioned, with a time limit, and with
                ``reset(options={"state": ..., "goal": ...})``; null: the one the datasets were collected in, made with
                the same arguments.
            env_kwargs: arguments of the environment; with ``env_id`` null, those to change.
            kind: kind of tasks, as the environment's ``task`` argument names it; null: it has no such argument.
            count: number of tasks.
            task_seed: which of the validation tasks.
            every_n_epochs: epochs from one validation to the next; that of the checkpoint should be a multiple of it,
                or it would choose by an old number.
            replan_every: steps between plans; null plans once.
            threshold: goal distance that counts as success, environment units; tasks start farther away.
            error_horizon: longest rollout for the model's open-loop error, steps.
            seed: of the planner's noise.

        Raises:
            ValueError: a number is out of its range.
        """
        counts = {"count": count, "every_n_epochs": every_n_epochs, "error_horizon": error_horizon}
        for name, value in (counts | {"replan_every": replan_every or 1}).items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        for name, value in {"task_seed": task_seed, "seed": seed}.items():
            if value < 0:
                raise ValueError(f"{name} must not be negative, got {value}")
        if not threshold > 0:
            raise ValueError(f"threshold must be positive, got {threshold}")
        self.planner = planner
        self.objective = objective or ReachGoal()
        self.env_id = env_id
        self.env_kwargs = dict(env_kwargs or {})
        self.kind = kind
        self.count = count
        self.task_seed = task_seed
        self.every_n_epochs = every_n_epochs
        self.replan_every = replan_every
        self.threshold = threshold
        self.error_horizon = error_horizon
        self.seed = seed
        self._configuration = describe(self)
        self._restored: dict[str, Any] | None = None

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Draw the tasks, and refuse, before anything is computed, what could not work.

        Raises:
            TypeError: a module without a ``world_model``.
            ValueError: the environment sets no tasks, has no time limit, or one below the planner's horizon.
        """
        if stage != "fit":
            return
        require_world_model(self, pl_module)
        self._env_id, self._env_kwargs = environment_of(trainer, self.env_id, self.env_kwargs)
        require_time_limit(self._env_id, self._env_kwargs, self.planner)
        probe_tasks(self._env_id, self.kind, self._env_kwargs, self.threshold)
        self._tasks = sample_tasks(
            self._env_id, self.kind, self.count, self.task_seed, "validation", self._env_kwargs, self.threshold
        )

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
        """Plan, execute and log, if it is time."""
        if (trainer.current_epoch + 1) % self.every_n_epochs:
            return
        model = require_world_model(self, pl_module)
        policy = PlannerPolicy(
            model,
            self.objective,
            self.planner,
            replan_every=self.replan_every or self.planner.horizon,
            seed=self.seed,
        )
        shows = trainer.progress_bar_callback is not None and trainer.is_global_zero
        with eval_mode(model):
            executed = execute(
                policy,
                Group(self.kind, self.replan_every is None, self.count),
                self._tasks,
                threshold=self.threshold,
                error_horizon=self.error_horizon,
                gather=gather_of(trainer),
                rank=trainer.global_rank,
                world_size=trainer.world_size,
                progress="validation" if shows else None,
            )
        for name, value in summarise([executed]).items():
            if "/" not in name:
                self.log(f"val/{name}", value, sync_dist=True)  # type: ignore[attr-defined]
