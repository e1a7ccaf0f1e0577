"""Online world modelling: training on the true outcome of the model's own plans."""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Any

import lightning as L
import numpy as np
from lightning.pytorch.utilities import rank_zero_info

from gbplan import checks
from gbplan.callbacks.averaged_weights import averaged_weights
from gbplan.callbacks.figures import log_figure, round_figure
from gbplan.callbacks.online_round import Executed, execute, summarise
from gbplan.callbacks.requirements import placed_in, require_plannable, require_split, require_world_model
from gbplan.callbacks.round_tasks import RoundTasks
from gbplan.data import TRAINING_SEEDS, Trajectories, TrajectoryDataModule, episode_seeds, write_dataset
from gbplan.data.dataset_folder import require_writable
from gbplan.describe import describe, differences
from gbplan.envs.contract import env_spec
from gbplan.evaluation import Tasks, TaskSet, try_tasks
from gbplan.evaluation.planning_evaluation import gather_of
from gbplan.networks import WorldModel
from gbplan.networks.eval_mode import eval_mode
from gbplan.policies import Agent
from gbplan.untrusted import COUNT, require_form

_STATE = {
    "rounds": COUNT,
    "transitions": range(2**53),
    "seeds_used": COUNT,
    "configuration": dict,
    "seeds": [range(2**63)],
    "additions?": [COUNT],
}


class OnlineWorldModeling(L.Callback):
    """Adds the true outcome of the current model's plans to the training data, round by round.

    A gradient planner leaves the data the model was trained on, and the model is wrong where it has seen nothing. So,
    as in DAgger, the planner itself chooses the data: every few epochs it plans new training tasks with the current
    model, the plans are executed in the environment, and the true transitions join the replay buffer of the
    ``TrajectoryDataModule``, whose ``online_fraction`` is their share of each later epoch. The callback works with any
    training loss. Needs ``Trainer(reload_dataloaders_every_n_epochs=1)``. The buffer is a folder ``buffer`` in the
    trainer's ``default_root_dir``, the current folder if you name none.

    Round r = 0, 1, ... is at the end of epoch ``first_round_after + r * every_n_epochs`` (the first epoch is 1), and
    the training uses its data from the next epoch on. Its tasks are new draws from the training seeds: no validation
    task, no held-out task, and no task of another round. All draws are keyed by (tasks.seed, round), and the checkpoint
    contains the state, so a run that was stopped (even within a round) and resumed equals the uninterrupted one bit for
    bit on CPU. With several processes, each plans its share of the tasks, and all have the same buffer. In Python, give
    the trainer ``plugins=[gbplan.modules.SafeCheckpointIO()]``, as ``gbplan fit`` does: no checkpoint is half written.

    Several such callbacks, in environments with the same spaces, fill one buffer; each needs its own ``name``.

    If a callback of Lightning averages weights, the model plans with the average, see ``averaged_weights``.

    Each round logs, for plans that no training has used yet:

    - ``online/success`` with its 95 % Wilson interval ``online/success_low`` and ``online/success_high``, and
      ``online/success/<kind>/<mode>``;
    - ``online/believed_success``, if the model has a probe; ``online/final_distance``, environment units, if its goals
      are metric;
    - ``online/model_error_planned`` and, where the environment has an expert, ``online/model_error_expert`` and
      ``online/gap``: open-loop errors in environment units, if the model has a probe, and the first minus the second;
      ``online/latent_error_planned`` and ``online/latent_error_expert``: the same in latents, standardised units;
    - ``online/round``; ``online/transitions``, the total so far; ``online/buffer_transitions``;
    - ``online/seconds_planning``; ``online/seconds_training``, since the last round;
    - the figure ``online/paths`` of imagined and executed paths.

    Source: arXiv 2512.09929, Algorithm 2. There the task is a training trajectory's first and last frame, the plan is
    always executed open loop, and the data is replayed by batch index; here tasks are new draws, replanning is
    possible, and the buffer is sampled uniformly.

    Attributes:
        rounds: finished rounds.
        transitions: transitions they have collected.
    """

    def __init__(
        self,
        agent: Agent,
        tasks: TaskSet = TaskSet(count=100, split="training", seed=1),  # noqa: B008  # frozen
        kinds: Sequence[str] = (),
        every_n_epochs: int = 1,
        first_round_after: int = 1,
        max_transitions: int = 100_000,
        open_loop_fraction: float = 0.5,
        error_horizon: int = 25,
        figure_tasks: int = 8,
        write_to: str | None = None,
        write_root: str | None = None,
        overwrite: bool = False,
        name: str = "online",
        num_processes: int = 1,
    ) -> None:
        """Set the schedule, the tasks and the agent.

        Args:
            agent: plans and acts in the rounds; a yaml file of an agent, or its parts. The seed of its noise changes
                with every round and is derived from the seed of ``tasks``.
            tasks: tasks of a round. Their environment must be goal-conditioned, with a time limit, and with
                ``reset(options={"state": ..., "goal": ...})``; env_id null: the one the datasets were collected in,
                made with the same arguments except those in env_kwargs. The split must be training. The seed is in
                0..1072; choose another than the datasets', or their tasks are repeated.
            kinds: several kinds of tasks, ``tasks.count`` of each in a round; empty: the kind of ``tasks``.
            every_n_epochs: epochs from one round to the next, >= 1.
            first_round_after: epochs before the first round, >= 1.
            max_transitions: upper limit of all transitions collected, >= 1; rounds become smaller, and stop, before
                they would exceed it.
            open_loop_fraction: share of the tasks that are planned once, 0..1; their episodes end with the plan. All
                tasks, if the agent's replan_every is null.
            error_horizon: longest rollout for the model's open-loop error, model steps, >= 1.
            figure_tasks: tasks in the figure, >= 0; 0 draws none.
            write_to: Minari id of a dataset; all transitions collected are written to it when the training is complete.
            write_root: folder of all datasets, for ``write_to``; null: the data module's.
            overwrite: replace an existing dataset of that id.
            name: prefix of the logs; several such callbacks in one training need different names.
            num_processes: processes that draw a round's tasks and step its environment, beside the one that plans,
                >= 1; the data are the same.

        Raises:
            ValueError: a number is out of its range, a kind is named twice, or the tasks are not of the training split.
        """
        checks.at_least_one(
            every_n_epochs=every_n_epochs,
            first_round_after=first_round_after,
            max_transitions=max_transitions,
            error_horizon=error_horizon,
            num_processes=num_processes,
        )
        checks.count(figure_tasks=figure_tasks)
        require_split(self, tasks, "training")
        checks.share(open_loop_fraction=open_loop_fraction)
        tasks.of_kinds(kinds)
        self.agent = agent
        self.tasks = tasks
        self.kinds = list(kinds)
        self.every_n_epochs = every_n_epochs
        self.first_round_after = first_round_after
        self.max_transitions = max_transitions
        self.open_loop_fraction = 1.0 if agent.open_loop else open_loop_fraction
        self.error_horizon = error_horizon
        self._configuration = describe(self)  # the settings that decide the data; those below do not
        self.figure_tasks = figure_tasks
        self.write_to = write_to
        self.write_root = write_root
        self.overwrite = overwrite
        self.name = name
        self.num_processes = num_processes
        self._begin()

    def _begin(self) -> None:
        self.rounds = 0
        self.transitions = 0
        self._seeds_used = 0
        self._seeds: list[int] = []  # seeds of the episodes to be written
        self._additions: list[int] = []  # which additions to the buffer are this callback's
        self._restored: dict[str, Any] | None = None

    @property
    def state_key(self) -> str:
        """Name of this callback's state in a checkpoint."""
        return type(self).__qualname__ + ("" if self.name == "online" else f" {self.name}")

    # ------------------------------------------------------------------------------------------------------ before

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Refuse a setup that cannot work, before anything is computed.

        Raises:
            TypeError: not a TrajectoryDataModule, or a module without a ``world_model``.
            ValueError: the trainer would not reload its data; the environment sets no tasks, or has no time limit or
                other observations than the data; model and agent do not fit it; or a round does not fit the buffer.
            FileExistsError: the dataset to write is there already, and ``overwrite`` is False.
        """
        if stage != "fit":
            return
        if trainer.current_epoch == 0:  # else a second call of fit goes on with the training
            self._begin()  # it may have been part of another training; a resumed one restores its state after this
        data = self._data(trainer)
        model = require_world_model(self, pl_module)
        self._trial = bool(getattr(trainer, "fast_dev_run", False))
        reload = getattr(trainer, "reload_dataloaders_every_n_epochs", 1)
        if reload != 1:
            raise ValueError(
                "OnlineWorldModeling needs reload_dataloaders_every_n_epochs=1, or new transitions would not be "
                f"trained on; the trainer has {reload}"
            )
        placed = placed_in(trainer, self.tasks)
        sets = placed.of_kinds(self.kinds)
        for tasks in sets:
            data.require_fitting(try_tasks(tasks))
        time_limit = require_plannable(placed, self.agent, model, self.error_horizon)
        plan_steps = self.agent.planner.horizon * model.action_block
        self._round_tasks = RoundTasks(sets, self.open_loop_fraction, plan_steps, time_limit)
        most = self._round_tasks.most_transitions(self._round_tasks.full)
        if most > data.buffer_capacity:
            raise ValueError(
                f"a round of {self._round_tasks.full} tasks can have {most} transitions, but the replay buffer holds "
                f"{data.buffer_capacity}; raise data.buffer_capacity or lower tasks.count"
            )
        if (least := self._round_tasks.most_transitions(1)) > self.max_transitions:
            raise ValueError(
                f"max_transitions = {self.max_transitions} does not allow even one task, which can take {least}; "
                "raise it"
            )
        if self.write_to is not None and not self._trial:
            for other in getattr(trainer, "callbacks", []):
                if other is not self and getattr(other, "write_to", None) == self.write_to:
                    raise ValueError(
                        f"two callbacks write the dataset {self.write_to}; choose another write_to for one"
                    )
            data.buffer.keep_all = True
            require_writable(self.write_to, self._write_root(data), self.overwrite)

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Refuse to resume a run that was begun with another configuration.

        Raises:
            ValueError: the configuration differs; the message names the differences.
        """
        if self._restored is None:
            return
        changed = differences(self._restored, self._configuration)
        if changed:
            raise ValueError(
                f"this run was begun with another OnlineWorldModeling ({'; '.join(changed)}), so it cannot be resumed "
                "exactly; restore the old values, or begin a new run from its weights with model.init_from"
            )
        if self._data(trainer).buffer.added < self.transitions:
            raise ValueError(
                f"this run has collected {self.transitions} transitions, but the checkpoint does not name the replay "
                "buffer that holds them; use another, or begin a new run from its weights with model.init_from"
            )
        if self.write_to is not None and self.rounds and not self._seeds:
            raise ValueError(
                f"write_to = {self.write_to} was not set when this run was begun, and its first {self.rounds} rounds "
                "were not kept; leave it out, or begin a new run"
            )

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._training_since = time.perf_counter()

    # ------------------------------------------------------------------------------------------------------- round

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Run a data-collection round if one is due this epoch."""
        since = trainer.current_epoch + 1 - self.first_round_after
        if since < 0 or since % self.every_n_epochs:
            return
        count = self._round_tasks.affordable(self.max_transitions - self.transitions)
        if self._trial:
            count = min(count, len(self._round_tasks.groups(self._round_tasks.full)))
        if count == 0:
            rank_zero_info(
                f"{self.name}: {self.transitions} transitions collected, max_transitions allows no more tasks"
            )
            return
        data, model = self._data(trainer), require_world_model(self, pl_module)
        seconds_training = time.perf_counter() - self._training_since
        with averaged_weights(trainer, pl_module), eval_mode(model):
            executed = self._run_round(trainer, model, count)
        episodes = Trajectories.concatenate([part.trajectories for part in executed])
        if self.write_to is not None:
            self._additions.append(data.buffer.written)
            self._seeds += [seed for part in executed for seed in part.tasks.seeds.tolist()]
        data.extend(episodes)
        self.transitions += episodes.num_transitions
        self.rounds += 1
        self._seeds_used = self._next_seed
        logged = {
            **summarise(executed),
            "round": self.rounds,
            "transitions": self.transitions,
            "buffer_transitions": len(data.buffer),
            "seconds_training": seconds_training,
        }
        for name, value in logged.items():
            # Callbacks log through the module. All processes have the same numbers, except the seconds.
            self.log(f"{self.name}/{name}", float(value), sync_dist=True)  # type: ignore[attr-defined]
        self._draw(trainer, executed)
        self._training_since = time.perf_counter()

    def _run_round(self, trainer: L.Trainer, model: WorldModel, count: int) -> list[Executed]:
        """Plan and execute the tasks of a round; changes only ``_next_seed`` of this callback's state."""
        executed = []
        self._next_seed = self._seeds_used
        for index, group in enumerate(self._round_tasks.groups(count)):
            tasks = self._draw_tasks(group.tasks)
            agent = replace(
                self.agent,
                replan_every=None if group.open_loop else self.agent.replan_every,
                seed=int(np.random.SeedSequence((self.tasks.seed, self.rounds, index)).generate_state(1)[0]),
            )
            shows = trainer.progress_bar_callback is not None and trainer.is_global_zero
            executed.append(
                execute(
                    agent.policy(model),
                    group,
                    tasks,
                    error_horizon=self.error_horizon,
                    gather=gather_of(trainer),
                    rank=trainer.global_rank,
                    world_size=trainer.world_size,
                    keys=tuple(self._data(trainer).observation_shapes),
                    progress=f"{self.name} round {self.rounds + 1}" if shows else None,
                    num_processes=self.num_processes,
                )
            )
        return executed

    def _draw_tasks(self, tasks: TaskSet) -> Tasks:
        drawn = tasks.draw(self._next_seed, self.num_processes)
        self._next_seed = int(drawn.seeds[-1]) - episode_seeds(TRAINING_SEEDS, tasks.seed, 1)[0] + 1
        return drawn

    def _draw(self, trainer: L.Trainer, executed: Sequence[Executed]) -> None:
        if self.figure_tasks:
            log_figure(trainer, f"{self.name}/paths", partial(round_figure, executed, self.figure_tasks))

    # ------------------------------------------------------------------------------------------------------- after

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the dataset; an interrupted training does not reach this."""
        if self.write_to is None or self._trial or not self._seeds or not trainer.is_global_zero:
            return
        tasks = self._round_tasks.sets[0]
        env_id = str(tasks.env_id)
        kept = list(self._data(trainer).buffer.episodes(everything=True))
        before = self._data(trainer).buffer.written - len(kept)
        write_dataset(
            [kept[addition - before] for addition in self._additions],
            self.write_to,
            env_spec(env_id, tasks.env_kwargs or {}),
            seeds=self._seeds,
            metadata={
                "algorithm_name": f"OnlineWorldModeling({type(self.agent.planner).__name__})",
                "description": f"plans of a world model in training, executed in {env_id}, {self.rounds} rounds",
                "gbplan_version": version("gbplan"),
                "seed": self.tasks.seed,
            },
            root=self._write_root(self._data(trainer)),
            overwrite=self.overwrite,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resumed run needs, loadable with ``weights_only=True``."""
        return {
            "rounds": self.rounds,
            "transitions": self.transitions,
            "seeds_used": self._seeds_used,
            "configuration": self._configuration,
            "seeds": list(self._seeds),
            "additions": list(self._additions),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state from a checkpoint.

        Raises:
            ValueError: the state is damaged.
        """
        try:
            require_form(state_dict, _STATE, self.state_key)
        except ValueError as error:
            raise ValueError(
                f"the checkpoint is damaged ({error}); use another, or begin a new run from its weights with "
                "model.init_from"
            ) from None
        self.rounds = state_dict["rounds"]
        self.transitions = state_dict["transitions"]
        self._seeds_used = state_dict["seeds_used"]
        self._restored = state_dict["configuration"]
        self._seeds = list(state_dict["seeds"]) if self.write_to is not None else []
        # Older checkpoints do not say which; they come from trainings with one such callback.
        self._additions = list(state_dict.get("additions", range(self.rounds)))

    # ----------------------------------------------------------------------------------------------------- helpers

    def _data(self, trainer: L.Trainer) -> TrajectoryDataModule:
        data = getattr(trainer, "datamodule", None)
        if not isinstance(data, TrajectoryDataModule):
            raise TypeError(
                f"OnlineWorldModeling adds to the replay buffer of a TrajectoryDataModule, got {type(data).__name__}; "
                "pass one to trainer.fit(..., datamodule=...)"
            )
        return data

    def _write_root(self, data: TrajectoryDataModule) -> str | None:
        return data.root if self.write_root is None else self.write_root
