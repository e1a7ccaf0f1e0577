"""Base training: predict the next latent."""

import warnings
from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.nn import functional as F

from gbplan.data import TrajectoryDataModule
from gbplan.modules.checkpoints import load_world_model_weights
from gbplan.networks import WorldModel

Batch = dict[str, Any]


class WorldModelModule(L.LightningModule):
    """Trains a world model by teacher forcing: mean squared error of the next latent, in standardised units.

    B windows, T steps per window, *D latent shape. The network is ``self.world_model``, a plain ``nn.Module`` that
    works without Lightning.

    Logged: ``train/loss``; ``val/loss``; ``val/one_step_error`` (mean squared error of one step, standardised units)
    and ``val/one_step_distance`` (mean Euclidean distance in goal space, environment units); for every horizon h,
    ``val/rollout_error/h`` and ``val/rollout_distance/h``, the same two for step h of an open-loop rollout.
    """

    def __init__(
        self,
        world_model: WorldModel,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        scheduler: LRSchedulerCallable | None = None,
        rollout_steps: int = 1,
        validation_horizons: Sequence[int] = (5, 10, 25),
        init_from: str | None = None,
    ) -> None:
        """Set up the training.

        Args:
            world_model: the network to train.
            optimizer: makes the optimiser from the parameters.
            scheduler: makes the learning-rate scheduler from the optimiser; stepped every epoch. None: constant rate.
            rollout_steps: 1 trains teacher-forced steps; n > 1 trains open-loop rollouts of n steps from each
                window's first frame instead. The datamodule's ``steps`` must be at least as large.
            validation_horizons: steps of the open-loop rollout at which validation reports errors, each >= 1.
            init_from: checkpoint whose world model (weights and normaliser) the training starts from. Ignored when a
                run is resumed, which restores its own weights.

        Raises:
            ValueError: ``rollout_steps`` or a horizon is below 1.
        """
        super().__init__()
        if rollout_steps < 1:
            raise ValueError(f"rollout_steps must be at least 1, got {rollout_steps}")
        if not validation_horizons or min(validation_horizons) < 1:
            raise ValueError(f"validation_horizons must be one or more steps >= 1, got {list(validation_horizons)}")
        self._save_plain_hyperparameters()
        self.world_model = world_model
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.rollout_steps = rollout_steps
        self.validation_horizons = sorted(set(validation_horizons))
        self.init_from = init_from
        self._losses: list[Tensor] = []
        self._samples = 0

    def _save_plain_hyperparameters(self) -> None:
        """Keep what a checkpoint can hold under ``weights_only``.

        The CLI hands over the recipe (class path and arguments) of every object, so all is kept and
        ``load_from_checkpoint`` needs nothing else. Objects made in Python have no recipe: they are left out, and
        ``load_from_checkpoint(path, world_model=...)`` takes them again.
        """
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*is an instance of `nn.Module`")
            self.save_hyperparameters()
        plain = (str, int, float, bool, list, tuple, dict, type(None))
        self.remove_ignored_hparams([name for name, value in self.hparams.items() if not isinstance(value, plain)])

    def configure_optimizers(self) -> Any:
        """Make the optimiser and, if asked for, the scheduler."""
        optimizer = self.optimizer(self.world_model.parameters())
        if self.scheduler is None:
            return optimizer
        scheduler = {"scheduler": self.scheduler(optimizer), "monitor": "val/loss"}
        return {"optimizer": optimizer, "lr_scheduler": scheduler}

    def on_fit_start(self) -> None:
        """Check that data and model fit each other, and give the model its starting point."""
        datamodule = getattr(self.trainer, "datamodule", None)
        if isinstance(datamodule, TrajectoryDataModule):
            self._check_data(datamodule)
        if self.trainer.ckpt_path is not None:
            return  # resumed: weights and normaliser have just been restored
        if self.init_from is not None:
            load_world_model_weights(self.world_model, self.init_from)
        elif not self.world_model.has_statistics:
            if not isinstance(datamodule, TrajectoryDataModule):
                raise ValueError(
                    "the world model has no normalisation statistics yet; train with a TrajectoryDataModule, call "
                    "world_model.set_statistics(...) first, or start from a checkpoint with init_from"
                )
            statistics = datamodule.statistics
            key = self.world_model.encoder.observation_key
            self.world_model.set_statistics(
                statistics.observation_mean[key].to(self.device),
                statistics.observation_std[key].to(self.device),
                statistics.action_mean.to(self.device),
                statistics.action_std.to(self.device),
            )

    def _check_data(self, datamodule: TrajectoryDataModule) -> None:
        """Raise ValueError unless the data's observations, actions and goals are those the model is sized for."""
        model, shapes = self.world_model, datamodule.observation_shapes
        with torch.no_grad():
            blank = {key: torch.zeros(1, *shape, device=self.device) for key, shape in shapes.items()}
            goal, latent = model.encode_goal(blank["desired_goal"]), model.encoder(blank[model.encoder.observation_key])
            sizes = {
                "latents": (tuple(latent.shape[1:]), model.latent_shape),
                "actions": ((datamodule.action_dim,), (model.action_dim,)),
            }
            if latent.shape[1:] == model.latent_shape:
                sizes["goals"] = (tuple(goal.shape[1:]), tuple(model.achieved_goal(latent).shape[1:]))
        for name, (data, own) in sizes.items():
            if data != own:
                raise ValueError(
                    f"the data's {name} have shape {data}, the world model's {own}; set the sizes of its encoder and "
                    f"predictor to the data's, or name datasets of the environment it was made for"
                )

    def on_train_epoch_start(self) -> None:
        """Begin the epoch's mean loss."""
        self._losses = []
        self._samples = 0

    def on_train_epoch_end(self) -> None:
        """Log the epoch's mean loss, and stop a training that has diverged before it replaces a good checkpoint."""
        if not self._losses:
            return  # resumed from a checkpoint saved after the epoch's last step, only its end was left
        loss = torch.stack(self._losses).sum() / self._samples
        self.log("train/loss", loss, prog_bar=True, sync_dist=True)
        if not torch.isfinite(loss):
            raise ValueError(
                f"the training loss became {float(loss)} in epoch {self.current_epoch}; lower the learning rate, or "
                "resume from best.ckpt, which was saved before"
            )

    def loss(self, batch: Batch) -> Tensor:
        """Loss of one batch of windows.

        Args:
            batch: ``observations`` (dict, entries ``(B, T + 1, ...)``) and ``actions`` ``(B, T, A)``.

        Returns:
            Mean squared error in standardised units, a scalar.

        Raises:
            ValueError: the windows are shorter than ``rollout_steps``.
        """
        return self.prediction_loss(*self.training_pairs(batch))

    def training_pairs(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """What a batch of windows teaches: from which latents and actions to predict what.

        Args:
            batch: see ``loss``.

        Returns:
            Latents the predictions start from, ``(B, K, *D)``; actions ``(B, N, A)`` in environment units; and the
            latents to predict, ``(B, N, *D)``, detached. Teacher forcing starts each of the N = T steps from its true
            latent, K = T; a rollout of N = ``rollout_steps`` starts from the first, K = 1.

        Raises:
            ValueError: the windows are shorter than ``rollout_steps``.
        """
        latents = self.world_model.encode(batch["observations"])
        actions = batch["actions"]
        steps = self.rollout_steps
        if actions.shape[1] < steps:
            raise ValueError(
                f"rollout_steps = {steps} needs windows of at least {steps} steps, got {actions.shape[1]}; "
                f"set the datamodule's steps (--data.steps) to {steps}"
            )
        if steps == 1:
            return latents[:, :-1], actions, latents[:, 1:].detach()
        return latents[:, :1], actions[:, :steps], latents[:, 1 : steps + 1].detach()

    def prediction_loss(self, latents: Tensor, actions: Tensor, target: Tensor) -> Tensor:
        """Mean squared error of predicting ``target``, a scalar in standardised units; see ``training_pairs``."""
        if self.rollout_steps == 1:
            predicted = self.world_model.step(latents, actions)
        else:
            predicted = self.world_model.rollout(latents, actions[:, :0], actions)
        return F.mse_loss(predicted, target)

    def training_loss(self, batch: Batch, batch_idx: int) -> Tensor:
        """What a training step minimises: the loss of the batch. For subclasses to make harder."""
        return self.loss(batch)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compute the loss; its mean is logged at the end of the epoch."""
        loss = self.training_loss(batch, batch_idx)
        # Kept, not logged: self.log at every step costs a small model a tenth of its training speed.
        self._losses.append(loss.detach() * len(batch["actions"]))
        self._samples += len(batch["actions"])
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss, and one-step and open-loop errors in standardised and in environment units."""
        model, size = self.world_model, len(batch["actions"])
        latents, actions = model.encode(batch["observations"]), batch["actions"]
        one_step = model.step(latents[:, :-1], actions)
        rollout = model.rollout(latents[:, :1], actions[:, :0], actions)
        metrics = {
            "val/loss": self.loss(batch),
            "val/one_step_error": F.mse_loss(one_step, latents[:, 1:]),
            "val/one_step_distance": self._goal_distance(one_step, latents[:, 1:]),
        }
        for horizon in self.validation_horizons:
            if horizon > actions.shape[1]:
                raise ValueError(
                    f"validation horizon {horizon} exceeds the validation windows' {actions.shape[1]} steps; "
                    f"lower model.validation_horizons or set data.validation_steps to {horizon}"
                )
            predicted, true = rollout[:, horizon - 1], latents[:, horizon]
            metrics[f"val/rollout_error/{horizon}"] = F.mse_loss(predicted, true)
            metrics[f"val/rollout_distance/{horizon}"] = self._goal_distance(predicted, true)
        self.log_dict(metrics, batch_size=size, sync_dist=True)

    def _goal_distance(self, predicted: Tensor, true: Tensor) -> Tensor:
        """Mean Euclidean distance between two sets of latents in goal space."""
        difference = self.world_model.achieved_goal(predicted) - self.world_model.achieved_goal(true)
        return difference.flatten(true.dim() - len(self.world_model.latent_shape)).norm(dim=-1).mean()
