"""Base training: predict the next latent."""

import warnings
from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn import functional as F

from gbplan.data import TrajectoryDataModule
from gbplan.data.latents import LATENTS
from gbplan.data.windows import Batch
from gbplan.modules.checkpoints import load_encoder_weights, load_world_model_weights
from gbplan.modules.data_requirements import require_fitting_data
from gbplan.modules.preparation import cache_latents, fit_normalizer
from gbplan.modules.regularizers import Regularizer, require_stable_latents
from gbplan.modules.resuming import accumulating, require_resumable
from gbplan.networks import WorldModel
from gbplan.networks.compiled import require_own_names

DECODED = 64
"""Windows of a batch that a decoder learns from; batches come in random order, and pictures cost much."""


class WorldModelModule(L.LightningModule):
    """Trains a world model by teacher forcing: mean squared error of the next latent, in standardised units.

    B windows, T model steps per window, K history frames, A' model action dimensions, *D latent shape. The network is
    ``self.world_model``, a plain ``nn.Module`` that works without Lightning.

    It logs ``train/loss``; ``val/loss``; ``val/one_step_error`` (mean squared error of one step, standardised units)
    and, if the model has a probe, ``val/one_step_distance`` (mean Euclidean distance between the probe of the
    prediction and the environment's achieved goal); for every horizon h, ``val/rollout_error/h`` and
    ``val/rollout_distance/h``, the same two for step h of an open-loop rollout; and with a decoder
    ``val/decoder_loss``.

    An encoder in training needs a regulariser: the next latent is easiest to predict when all latents are alike.

    Batches come from a ``TrajectoryDataModule`` or from your own loaders. A loader of a dataset of windows, such as the
    data module's, needs ``collate_fn=gbplan.data.collate_windows``. With your own loaders, fit the model's normalizer
    before the training; ``OnlineWorldModeling`` then has no replay buffer to add to.

    Attributes:
        lr: learning rate in place of the optimiser's own; None: the optimiser's. ``Tuner(trainer).lr_find(module)``
            sets it.
    """

    def __init__(
        self,
        world_model: WorldModel,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        scheduler: LRSchedulerCallable | None = None,
        rollout_steps: int = 1,
        validation_horizons: Sequence[int] = (5, 10, 25),
        init_from: str | None = None,
        encoder_from: str | None = None,
        regularizer: Regularizer | None = None,
    ) -> None:
        """Set up the training.

        Args:
            world_model: the network to train.
            optimizer: makes the optimiser from the parameters.
            scheduler: makes the learning-rate scheduler from the optimiser; stepped every epoch. None: constant rate.
            rollout_steps: 1 trains teacher-forced steps; n > 1 trains open-loop rollouts of n steps from each
                window's first K frames instead. The datamodule's ``steps`` must be at least as large.
            validation_horizons: steps of the open-loop rollout at which validation reports errors, each >= 1.
            init_from: checkpoint whose world model (weights and normaliser) the training starts from. Ignored when a
                run is resumed, which restores its own weights.
            encoder_from: checkpoint of a world model whose encoder's weights this encoder begins with, even if it was
                trained without proprioception; nothing else is read from it. Ignored if ``init_from`` is given.
            regularizer: keeps the latents of an encoder in training from collapsing.

        Raises:
            ValueError: ``rollout_steps`` or a horizon is below 1, or an encoder in training has no regulariser.
        """
        super().__init__()
        if rollout_steps < 1:
            raise ValueError(f"rollout_steps must be at least 1, got {rollout_steps}")
        if not validation_horizons or min(validation_horizons) < 1:
            raise ValueError(f"validation_horizons must be one or more steps >= 1, got {list(validation_horizons)}")
        require_stable_latents(world_model, regularizer)
        self._save_plain_hyperparameters()
        self.world_model = world_model
        self.regularizer = regularizer
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.lr: float | None = None
        self.rollout_steps = rollout_steps
        self.validation_horizons = sorted(set(validation_horizons))
        self.init_from = init_from
        self.encoder_from = encoder_from
        self._losses: list[Tensor] = []
        self._samples = 0
        self._gradients: dict[str, Tensor] | None = None  # a checkpoint's, until the training resumes

    def _save_plain_hyperparameters(self) -> None:
        """Save hyperparameters that ``weights_only`` can load.

        The CLI passes class path and arguments of every object, so all are saved and ``load_from_checkpoint`` needs
        nothing else. Objects made in Python are left out; pass them again: ``load_from_checkpoint(path,
        world_model=...)``.
        """
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*is an instance of `nn.Module`")
            self.save_hyperparameters()
        plain = (str, int, float, bool, list, tuple, dict, type(None))
        self.remove_ignored_hparams([name for name, value in self.hparams.items() if not isinstance(value, plain)])

    def configure_optimizers(self) -> Any:
        """Make the optimiser and, if given, the scheduler."""
        optimizer = self.optimizer(self._trained())
        for group in optimizer.param_groups if self.lr is not None else ():
            group["lr"] = self.lr
        if self.scheduler is None:
            return optimizer
        scheduler = {"scheduler": self.scheduler(optimizer), "monitor": "val/loss"}
        return {"optimizer": optimizer, "lr_scheduler": scheduler}

    def _trained(self) -> list[nn.Parameter]:
        """The parameters that the optimiser trains."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def on_fit_start(self) -> None:
        """Check that data and model fit each other, and give the model its starting point."""
        require_own_names(self)
        # A frozen encoder is in eval mode on purpose.
        warnings.filterwarnings("ignore", "Found .* module.s. in eval mode at the start of training")
        datamodule = getattr(self.trainer, "datamodule", None)
        if isinstance(datamodule, TrajectoryDataModule):
            self._check_data(datamodule)
        resumed = self.trainer.ckpt_path is not None  # weights and normaliser have just been restored
        if self.init_from is not None and not resumed:
            load_world_model_weights(self.world_model, self.init_from)
        elif self.encoder_from is not None and not resumed:
            load_encoder_weights(self.world_model.encoder, self.encoder_from)
        if isinstance(datamodule, TrajectoryDataModule):
            cache_latents(self.world_model, datamodule)
        if not self.world_model.normalizer.fitted:
            if not isinstance(datamodule, TrajectoryDataModule):
                raise ValueError(
                    "the world model's normalizer has not been fitted yet; train with a TrajectoryDataModule, call "
                    "world_model.normalizer.set(...) first, or start from a checkpoint with init_from"
                )
            fit_normalizer(self.world_model, datamodule)
        for callback in () if resumed else self.trainer.callbacks:  # type: ignore[attr-defined]
            average = getattr(callback, "_average_model", None)
            if isinstance(callback, WeightAveraging) and average is not None:
                # Lightning copied the module before it had a normaliser, and saves the copy until it averages.
                average.module.load_state_dict(self.state_dict())

    def _check_data(self, datamodule: TrajectoryDataModule) -> None:
        """Check that the data are what the model is sized for. Subclasses check more."""
        require_fitting_data(datamodule, self.world_model, self.regularizer)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the state of an unfinished epoch: losses, and accumulated gradients."""
        trainer = self.trainer
        # Processes have different losses and gradients, and a checkpoint contains those of one.
        if trainer.world_size > 1 or trainer.fit_loop.epoch_loop.batch_progress.current.ready == 0:
            return
        if self._losses:
            checkpoint["epoch_so_far"] = {"losses": torch.stack(self._losses), "samples": self._samples}
        if accumulating(trainer):
            checkpoint["gradients"] = {
                name: parameter.grad for name, parameter in self.named_parameters() if parameter.grad is not None
            }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Resume an epoch in its middle."""
        so_far = checkpoint.get("epoch_so_far", {"losses": [], "samples": 0})
        self._losses = list(so_far["losses"])
        self._samples = so_far["samples"]
        self._gradients = checkpoint.get("gradients")

    def on_train_start(self) -> None:
        """Restore accumulated gradients from a checkpoint.

        Raises:
            ValueError: the training cannot go on exactly from there; see ``require_resumable``.
        """
        if self.trainer.ckpt_path is None:
            return
        require_resumable(self.trainer, self._gradients is not None)
        self._losses = [loss.to(self.device) for loss in self._losses]
        gradients, self._gradients = self._gradients or {}, None
        for name, parameter in self.named_parameters():
            if name in gradients:
                parameter.grad = gradients[name].to(parameter)

    def on_train_epoch_start(self) -> None:
        """Reset the epoch's mean loss."""
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
            batch: ``observations`` (dict, entries ``(B, T + 1, ...)``) and ``actions`` ``(B, T, A')``.

        Returns:
            Mean squared error in standardised units, a scalar.

        Raises:
            ValueError: the windows are shorter than ``rollout_steps``.
        """
        latents = self.encoded(batch)
        return self.regularized(self.prediction_loss(*self.training_pairs(latents, batch["actions"])), latents, batch)

    def regularized(self, loss: Tensor, latents: Tensor, batch: Batch) -> Tensor:
        """Add the regulariser's loss, if there is one.

        Args:
            loss: a scalar.
            latents: standardised latents of the batch's frames, ``(B, T + 1, *D)``.
            batch: see ``loss``.

        Returns:
            The sum, a scalar.
        """
        if self.regularizer is None:
            return loss
        added: Tensor = self.regularizer(latents, batch["actions"], batch["observations"])
        return loss + added

    def training_pairs(self, latents: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Select inputs and targets of the prediction from a batch of windows.

        Args:
            latents: latents of the windows' frames, ``(B, T + 1, *D)``, see ``encoded``.
            actions: actions, ``(B, T, A')``, environment units.

        Returns:
            Latents that the predictions start from, ``(B, F, *D)``; all actions that they need, ``(B, N, A')``,
            environment units; and the latents to predict, ``(B, N - K + 1, *D)``, detached. Teacher forcing predicts
            from every true frame with K - 1 frames before it, F = N = T; a rollout of ``rollout_steps`` starts from
            the first K frames, F = K.

        Raises:
            ValueError: the windows are shorter than ``rollout_steps`` with its history.
        """
        steps, history = self.rollout_steps, self.world_model.history
        needed = history - 1 + steps
        if actions.shape[1] < needed:
            raise ValueError(
                f"rollout_steps = {steps} with a history of {history} frames needs windows of at least {needed} steps, "
                f"got {actions.shape[1]}; set the datamodule's steps (--data.steps) to {steps}, not its history"
            )
        if steps == 1:
            return latents[:, :-1], actions, latents[:, history:].detach()
        return latents[:, :history], actions[:, :needed], latents[:, history : history + steps].detach()

    def _with_latents(self, batch: Batch) -> Batch:
        """Encode a batch's frames, unless they are cached, so that losses and probe read the same latents."""
        if LATENTS in batch:
            return batch
        return {**batch, LATENTS: self.world_model.encoder.encode(batch["observations"])}

    def encoded(self, batch: Batch) -> Tensor:
        """Standardised latents of a batch's frames, ``(B, T + 1, *D)``, from the cache if there is one."""
        if LATENTS in batch:
            return self.world_model.normalizer.standardize(batch[LATENTS])
        return self.world_model.encode(batch["observations"])

    def prediction_loss(self, latents: Tensor, actions: Tensor, target: Tensor) -> Tensor:
        """Mean squared error of the prediction.

        Args:
            latents: latents that the predictions start from, ``(B, F, *D)``; see ``training_pairs``.
            actions: all actions that they need, ``(B, N, A')``, environment units.
            target: latents to predict, ``(B, N - K + 1, *D)``.

        Returns:
            A scalar in standardised units.
        """
        if self.rollout_steps == 1:
            predicted = self.world_model.sequence(latents, actions)
        else:
            past = self.world_model.history - 1
            predicted = self.world_model.rollout(latents, actions[:, :past], actions[:, past:])
        return F.mse_loss(predicted, target)

    def probe_loss(self, batch: Batch) -> Tensor:
        """Mean squared error of the probe, in standard deviations of the achieved goal.

        No gradient reaches the latents; with ``gradient_clip_val`` the probe's gradients count in the norm, though.
        """
        probe = self.world_model.probe
        assert probe is not None
        guess = probe(self.encoded(batch).detach())
        return F.mse_loss(guess / probe.goal_std, batch["observations"]["achieved_goal"] / probe.goal_std)

    def decoder_loss(self, batch: Batch) -> Tensor:
        """Loss of the decoder on the last frames of some windows, see ``Decoder.loss``.

        No gradient reaches the latents.
        """
        decoder = self.world_model.decoder
        assert decoder is not None
        last = {key: values[:DECODED, -1] for key, values in batch["observations"].items()}
        return decoder.loss(self.encoded(batch)[:DECODED, -1].detach(), last)

    def training_loss(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss that a training step minimises. Subclasses override it."""
        return self.loss(batch)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compute the loss; its mean is logged at the end of the epoch."""
        batch = self._with_latents(batch)
        loss = self.training_loss(batch, batch_idx)
        # Stored, not logged: self.log at every step costs a small model a tenth of its training speed.
        self._losses.append(loss.detach() * len(batch["actions"]))
        self._samples += len(batch["actions"])
        if self._trains_probe:
            loss = loss + self.probe_loss(batch)
        if self._trains_decoder:
            loss = loss + self.decoder_loss(batch)
        return loss

    @property
    def _trains_probe(self) -> bool:
        return self.world_model.probe is not None

    @property
    def _trains_decoder(self) -> bool:
        return self.world_model.decoder is not None

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss, and one-step and open-loop errors in standardised and in environment units.

        Raises:
            ValueError: a validation horizon exceeds the windows.
        """
        model, size = self.world_model, len(batch["actions"])
        batch = self._with_latents(batch)
        latents, actions, history = self.encoded(batch), batch["actions"], model.history
        one_step = model.sequence(latents[:, :-1], actions)
        past = history - 1
        rollout = model.rollout(latents[:, :history], actions[:, :past], actions[:, past:])
        metrics = {
            "val/loss": self.loss(batch),
            "val/one_step_error": F.mse_loss(one_step, latents[:, history:]),
        }
        if model.decoder is not None:
            metrics["val/decoder_loss"] = self.decoder_loss(batch)
        if model.has_probe:
            metrics["val/one_step_distance"] = self._distance(one_step, batch, history)
        for horizon in self.validation_horizons:
            if horizon > rollout.shape[1]:
                raise ValueError(
                    f"validation horizon {horizon} exceeds the validation windows' {rollout.shape[1]} steps; "
                    f"lower model.validation_horizons or set data.validation_steps to {horizon}"
                )
            predicted = rollout[:, horizon - 1]
            metrics[f"val/rollout_error/{horizon}"] = F.mse_loss(predicted, latents[:, past + horizon])
            if model.has_probe:
                metrics[f"val/rollout_distance/{horizon}"] = self._distance(predicted[:, None], batch, past + horizon)
        self.log_dict(metrics, batch_size=size, sync_dist=True)

    def _distance(self, predicted: Tensor, batch: Batch, first: int) -> Tensor:
        """Mean Euclidean distance between predicted and true achieved goals of frames from ``first`` on."""
        true = batch["observations"]["achieved_goal"][:, first : first + predicted.shape[1]]
        return (self.world_model.achieved_goal(predicted) - true).flatten(2).norm(dim=-1).mean()
