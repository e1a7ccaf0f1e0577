"""Base training: predict the next latent."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn import functional as F

from gbplan.data import TrajectoryDataModule
from gbplan.data.latents import LATENTS
from gbplan.modules.checkpoints import load_encoder_weights, load_world_model_weights
from gbplan.modules.regularizers import Regularizer, require_stable_latents
from gbplan.networks import WorldModel
from gbplan.networks.compiled import require_own_names
from gbplan.networks.encoder import encoder_hash
from gbplan.networks.eval_mode import eval_mode
from gbplan.networks.normalizer import Moments

Batch = dict[str, Any]

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

    Batches come from a ``TrajectoryDataModule``, or from your own loaders; for a dataset of windows (such as that of
    the data module's loader) with ``collate_fn=gbplan.data.collate_windows``. With your own loaders the model's
    normalizer must be fitted before, and ``OnlineWorldModeling`` has no replay buffer.

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
        self._gradients: dict[str, Tensor] | None = None  # gradients of a checkpoint, until the training resumes

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
        """The modules that the optimiser trains."""
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
            self._cache_latents(datamodule)
        if not self.world_model.normalizer.fitted:
            if not isinstance(datamodule, TrajectoryDataModule):
                raise ValueError(
                    "the world model's normalizer has not been fitted yet; train with a TrajectoryDataModule, call "
                    "world_model.normalizer.set(...) first, or start from a checkpoint with init_from"
                )
            self._fit_normalizer(datamodule)
        for callback in () if resumed else self.trainer.callbacks:  # type: ignore[attr-defined]
            average = getattr(callback, "_average_model", None)
            if isinstance(callback, WeightAveraging) and average is not None:
                # Lightning copied the module before it had a normaliser, and saves the copy until it averages.
                average.module.load_state_dict(self.state_dict())

    def _cache_latents(self, datamodule: TrajectoryDataModule) -> None:
        """Encode each frame once, instead of once an epoch, if the encoder is frozen and has weights."""
        encoder = self.world_model.encoder
        if not encoder.frozen or not any(True for _ in encoder.parameters()):
            return

        @torch.no_grad()
        def encode(observations: dict[str, Tensor]) -> Tensor:
            return encoder.encode({key: part.to(self.device) for key, part in observations.items()}).cpu()

        shape = self.world_model.latent_shape
        # Tokens take a hundred times the place of a vector, and need no more digits than a picture's.
        dtype = torch.float16 if len(shape) > 1 else torch.float32
        datamodule.cache_latents(encode, encoder_hash(encoder), shape, dtype)

    @torch.no_grad()
    def _fit_normalizer(self, datamodule: TrajectoryDataModule) -> None:
        """Fit the normaliser to the latents of the training frames, and to the actions.

        Latents of an encoder in training are not standardised: its first moments do not predict its last ones, and its
        regulariser controls their scale.
        """
        model, statistics = self.world_model, datamodule.statistics
        if model.probe is not None:
            reached = Moments()
            for batch in datamodule.training_frames(["achieved_goal"]):
                reached.add(batch["achieved_goal"])
            model.probe.set_units(*reached.compute())
        moments = statistics.action_mean.to(self.device), statistics.action_std.to(self.device)
        if model.encoder.frozen:
            model.normalizer.fit(self._encoded_frames(datamodule), *moments)
        else:
            latent = model.normalizer.latent_mean
            model.normalizer.set(torch.zeros_like(latent), torch.ones_like(latent), *moments)

    def _encoded_frames(self, datamodule: TrajectoryDataModule) -> Iterator[Tensor]:
        """The encoder's output for all training frames, in parts."""
        encoder = self.world_model.encoder
        if any(True for _ in encoder.parameters()):
            for batch in datamodule.training_frames([LATENTS]):
                yield batch[LATENTS].to(self.device)
        else:
            for batch in datamodule.training_frames(encoder.observation_keys):
                yield encoder.encode({key: part.to(self.device) for key, part in batch.items()})

    def _check_data(self, datamodule: TrajectoryDataModule) -> None:
        """Raise ValueError unless the data's observations, actions and goals are those the model is sized for."""
        self._check_windows(datamodule)
        model, shapes = self.world_model, datamodule.observation_shapes
        encoder = model.encoder
        absent = [key for key in (*encoder.observation_keys, *encoder.goal_keys) if key not in shapes]
        if absent:
            raise ValueError(
                f"{type(encoder).__name__} reads {' and '.join(map(repr, absent))}, but the data have "
                f"{', '.join(shapes)}; collect them in an environment that shows it, or use another encoder"
            )
        with torch.no_grad(), eval_mode(model):  # an encoder must not learn from a blank batch
            blank = {  # two frames of one window: encoders must take any leading axes
                key: torch.zeros(1, 2, *shape, device=self.device, dtype=datamodule.observation_dtypes[key])
                for key, shape in shapes.items()
            }
            try:
                latent, goal = encoder.encode(blank), encoder.encode_goal(blank)
                features = encoder.goal_features(latent)
            except RuntimeError as error:  # torch's error, which has no names
                seen = ", ".join(f"{key!r} {tuple(blank[key].shape)} {blank[key].dtype}" for key in shapes)
                raise ValueError(
                    f"{type(encoder).__name__} cannot encode the data ({str(error).splitlines()[0]}); it gets (B, T, "
                    f"...) of {seen}"
                ) from None
        if tuple(latent.shape) != (1, 2, *model.latent_shape):
            raise ValueError(
                f"{type(encoder).__name__} has latent_shape {model.latent_shape}, but encodes frames (1, 2, ...) of "
                f"the data into {tuple(latent.shape)}; set its size to the data's, or name datasets of the environment "
                "it was made for"
            )
        if datamodule.action_dim != model.env_action_dim:
            raise ValueError(
                f"the data's actions have {datamodule.action_dim} numbers, so the predictor's action_dim must be "
                f"{datamodule.action_dim * model.action_block} (action_block = {model.action_block}), got "
                f"{model.action_dim}"
            )
        sizes = {"goals": (tuple(goal.shape[2:]), tuple(features.shape[2:]))}
        if model.probe is not None:
            sizes["achieved goals"] = (shapes["achieved_goal"], tuple(model.probe.goal_shape))
        for name, (data, own) in sizes.items():
            if data != own:
                raise ValueError(
                    f"the data's {name} have shape {data}, the world model's {own}; set the sizes of its encoder and "
                    f"probe to the data's, or name datasets of the environment it was made for"
                )

    def _check_windows(self, datamodule: TrajectoryDataModule) -> None:
        """Raise ValueError if the windows' settings do not fit the model."""
        model = self.world_model
        for name in ("history", "action_block"):
            given, own = getattr(datamodule, name), getattr(model, name)
            if given not in (None, own):
                raise ValueError(
                    f"data.{name} = {given}, but the world model's {name} is {own}; leave it out, so that the data "
                    "follow the model"
                )
        absent = [key for key in model.encoder.observation_keys if key not in (datamodule.keys or [key])]
        if absent:
            raise ValueError(
                f"data.keys = {datamodule.keys} lack {', '.join(absent)}, which {type(model.encoder).__name__} reads; "
                "leave them out, so that the data follow the model"
            )
        if self.regularizer is not None and datamodule.batch_size < 2:
            raise ValueError(
                f"{type(self.regularizer).__name__} needs a batch of at least 2 windows, got data.batch_size = "
                f"{datamodule.batch_size}; raise it"
            )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the state of an unfinished epoch: losses, and accumulated gradients."""
        trainer = self.trainer
        # Processes have different losses and gradients, and a checkpoint contains those of one.
        if trainer.world_size > 1 or trainer.fit_loop.epoch_loop.batch_progress.current.ready == 0:
            return
        if self._losses:
            checkpoint["epoch_so_far"] = {"losses": torch.stack(self._losses), "samples": self._samples}
        if self._accumulating():
            checkpoint["gradients"] = {
                name: parameter.grad for name, parameter in self.named_parameters() if parameter.grad is not None
            }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Resume an epoch in its middle."""
        so_far = checkpoint.get("epoch_so_far", {"losses": [], "samples": 0})
        self._losses = list(so_far["losses"])
        self._samples = so_far["samples"]
        self._gradients = checkpoint.get("gradients")

    def _accumulating(self) -> bool:
        """Whether gradients of the last batches wait for those of the next."""
        trainer = self.trainer
        done = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        return done % trainer.accumulate_grad_batches > 0 and done < trainer.num_training_batches

    def on_train_start(self) -> None:
        """Restore accumulated gradients from a checkpoint.

        Raises:
            ValueError: the checkpoint lacks them, or was saved in the middle of a batch, or after an epoch's last one
                but before the epoch's end.
        """
        if self.trainer.ckpt_path is None:
            return
        batches: Any = self.trainer.fit_loop.epoch_loop.batch_progress
        progress = batches.current
        if progress.ready != progress.processed:
            raise ValueError(
                f"the checkpoint {self.trainer.ckpt_path} was saved in the middle of a batch, from which a training "
                "cannot go on exactly; resume from an earlier one, or begin a new run with model.init_from"
            )
        if progress.completed < progress.processed and batches.is_last_batch:
            # Lightning would begin the next epoch, without this one's validation and without its round of online data.
            raise ValueError(
                f"the checkpoint {self.trainer.ckpt_path} was saved after the last batch of an epoch, but before what "
                "comes at an epoch's end, so the training cannot go on exactly; resume from one of another step, or of "
                "the end of an epoch, such as last.ckpt"
            )
        if self._accumulating() and self._gradients is None:
            raise ValueError(
                f"the checkpoint {self.trainer.ckpt_path} was saved in the middle of accumulating gradients, and does "
                "not hold those of every process, so the training cannot go on exactly; resume from one saved at a "
                "multiple of accumulate_grad_batches, or begin a new run with model.init_from"
            )
        self._losses = [loss.to(self.device) for loss in self._losses]
        gradients, self._gradients = self._gradients or {}, None
        for name, parameter in self.named_parameters():
            if name in gradients:
                parameter.grad = gradients[name].to(parameter)

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
            batch: ``observations`` (dict, entries ``(B, T + 1, ...)``) and ``actions`` ``(B, T, A')``.

        Returns:
            Mean squared error in standardised units, a scalar.

        Raises:
            ValueError: the windows are shorter than ``rollout_steps``.
        """
        latents = self.encoded(batch)
        return self.regularized(self.prediction_loss(*self.training_pairs(latents, batch["actions"])), latents, batch)

    def regularized(self, loss: Tensor, latents: Tensor, batch: Batch) -> Tensor:
        """Add the regulariser's loss, if there is one, of a batch's latents ``(B, T + 1, *D)``."""
        if self.regularizer is None:
            return loss
        added: Tensor = self.regularizer(latents, batch["actions"], batch["observations"])
        return loss + added

    def training_pairs(self, latents: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs and targets of the prediction for a batch of windows.

        Args:
            latents: latents of the windows' frames, ``(B, T + 1, *D)``, see ``encoded``.
            actions: actions, ``(B, T, A')``, environment units.

        Returns:
            Latents the predictions start from, ``(B, F, *D)``; all actions they need, ``(B, N, A')``, environment
            units; and the latents to predict, detached. Teacher forcing predicts from every true frame with K - 1
            frames before it, F = N = T; a rollout of ``rollout_steps`` from the first K frames, F = K.

        Raises:
            ValueError: the windows are shorter than that.
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
        """Mean squared error of predicting ``target``, a scalar in standardised units; see ``training_pairs``."""
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
        told = probe(self.encoded(batch).detach())
        return F.mse_loss(told / probe.goal_std, batch["observations"]["achieved_goal"] / probe.goal_std)

    def decoder_loss(self, batch: Batch) -> Tensor:
        """Loss of the decoder, see ``Decoder.loss``, of the last frames of some windows; as that of the probe."""
        decoder = self.world_model.decoder
        assert decoder is not None
        last = {key: values[:DECODED, -1] for key, values in batch["observations"].items()}
        return decoder.loss(self.encoded(batch)[:DECODED, -1].detach(), last)

    def training_loss(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss that a training step minimises. Subclasses override it."""
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
        """Log the loss, and one-step and open-loop errors in standardised and in environment units."""
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
