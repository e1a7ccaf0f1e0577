"""Adversarial world modeling: predict the next latent from perturbed inputs."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Generator, Tensor

from gbplan import checks
from gbplan.attacks import Attack
from gbplan.data import TrajectoryDataModule
from gbplan.data.windows import Batch
from gbplan.modules.regularizers import Regularizer
from gbplan.modules.world_model_module import WorldModelModule
from gbplan.networks import WorldModel
from gbplan.networks.fused.constant_parameters import constant_parameters

Radii = Literal["fixed", "adaptive", "displacement"]


class AdversarialWorldModelModule(WorldModelModule):
    """Trains a world model on the worst latents and actions near those of the data.

    Minimises ``max || f(z + d_z, a + d_a) - z' ||^2`` over perturbations ``|d_z| <= latent radius`` and ``|d_a| <=
    action radius`` per coordinate; the attack approximates the maximum. The target ``z'`` is the clean absolute next
    latent, also for a predictor that adds its output to its input. Latents are perturbed in standardised units and
    actions in environment units; perturbed actions are not clipped to the action space.

    All K frames that a prediction starts from are perturbed, and all actions. With ``rollout_steps`` > 1 these are the
    first K frames and the actions of the whole rollout.

    Differences from the paper's code: it perturbs actions, not their embedding patch by patch, so that every
    perturbation is an action; and each dimension has its own radius, from its standard deviation, while the code has
    one radius for all dimensions of the latent.

    Logged in addition to what ``WorldModelModule`` logs, as means over the epoch: ``train/clean_loss``, of the
    unperturbed batch; ``train/attack_gain``, how much the attack raises the loss of a sample it moves;
    ``train/adversarial_loss``, their sum; and ``train/latent_radius`` and ``train/action_radius``, means over
    dimensions. ``train/loss`` is the minimised loss, which differs from the adversarial loss only if samples are left
    clean. Validation is clean.

    Source: arXiv 2512.09929, Algorithm 3.
    """

    latent_radius: Tensor | None
    action_radius: Tensor | None

    def __init__(
        self,
        world_model: WorldModel,
        attack: Attack,
        *,
        latent_factor: float | Sequence[float] = 0.05,
        action_factor: float | Sequence[float] = 0.02,
        radii: Radii = "fixed",
        clean_fraction: float = 0.0,
        attack_seed: int = 0,
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
            attack: finds the perturbations: FGSM, PGD, RandomNoise or NoAttack.
            latent_factor: radius of each latent dimension in standard deviations of that dimension, >= 0; or a factor
                for each (for each channel, where latents are tokens), so that exact quantities, such as a contact or
                proprioception, can have a smaller one.
            action_factor: the same for action dimensions.
            radii: the unit of the factors: the standard deviation over the run's first batch ("fixed"; saved in
                checkpoints) or over each batch ("adaptive"); or, for latents, their displacement in a step, the root
                mean square over the first batch ("displacement").
            clean_fraction: share of each batch's samples that are not attacked, in [0, 1).
            attack_seed: the attack's draws depend on it, the epoch and the batch's number only, so that a resumed run
                continues exactly.
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
            TypeError: ``attack`` is not an Attack.
            ValueError: a number is out of its range, or ``radii`` is unknown.
        """
        super().__init__(
            world_model,
            optimizer=optimizer,
            scheduler=scheduler,
            rollout_steps=rollout_steps,
            validation_horizons=validation_horizons,
            init_from=init_from,
            encoder_from=encoder_from,
            regularizer=regularizer,
        )
        if not isinstance(attack, Attack):
            raise TypeError(f"attack must be an Attack, such as FGSM(), got {attack!r}")
        for name, factor in {"latent_factor": latent_factor, "action_factor": action_factor}.items():
            each = [factor] if isinstance(factor, int | float) else list(factor)
            if not each or not all(one >= 0 and math.isfinite(one) for one in each):
                raise ValueError(f"{name} must be finite and not negative, got {factor}")
        checks.one_of(Radii, radii=radii)
        if not 0 <= clean_fraction < 1:
            raise ValueError(f"clean_fraction must lie in 0..1, 1 excluded (use NoAttack), got {clean_fraction}")
        if attack_seed < 0:
            raise ValueError(f"attack_seed must not be negative, got {attack_seed}")
        self.attack = attack
        self.latent_factor = latent_factor
        self.action_factor = action_factor
        self.radii: Radii = radii
        self.clean_fraction = clean_fraction
        self.attack_seed = attack_seed
        self._sums: list[Tensor] = []
        # Saved beside the weights, not among them, so that any WorldModelModule can load the checkpoint.
        self.register_buffer("latent_radius", None, persistent=False)
        self.register_buffer("action_radius", None, persistent=False)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the radii, and the epoch's means so far."""
        super().on_save_checkpoint(checkpoint)
        if "epoch_so_far" in checkpoint:
            checkpoint["epoch_so_far"]["sums"] = torch.stack(self._sums)
        checkpoint["attack_radii"] = {"latent": self.latent_radius, "action": self.action_radius}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore them, if the checkpoint is from an adversarial training."""
        super().on_load_checkpoint(checkpoint)
        self._sums = list(checkpoint.get("epoch_so_far", {}).get("sums", []))
        saved = checkpoint.get("attack_radii", {"latent": None, "action": None})
        self.latent_radius, self.action_radius = (
            None if saved[name] is None else saved[name].to(self.device) for name in ("latent", "action")
        )

    def _check_data(self, datamodule: TrajectoryDataModule) -> None:
        super()._check_data(datamodule)
        if np.any(self.action_factor) and datamodule.action_space.dtype.kind != "f":
            raise TypeError(
                f"actions of type {datamodule.action_space.dtype} cannot be attacked: integers have no small "
                "step; set action_factor to 0 to perturb the latents only"
            )

    def on_train_start(self) -> None:
        """Resume the epoch's means from a checkpoint in its middle."""
        super().on_train_start()
        self._sums = [each.to(self.device) for each in self._sums]

    def on_train_epoch_start(self) -> None:
        """Reset the epoch's means."""
        super().on_train_epoch_start()
        self._sums = []

    def on_train_epoch_end(self) -> None:
        """Log the epoch's means."""
        if self._sums:
            clean, gain, latent_radius, action_radius = (torch.stack(self._sums).sum(0) / self._samples).unbind()
            means = {
                "train/clean_loss": clean,
                "train/attack_gain": gain,
                "train/adversarial_loss": clean + gain,
                "train/latent_radius": latent_radius,
                "train/action_radius": action_radius,
            }
            self.log_dict(means, sync_dist=True)
        super().on_train_epoch_end()

    def training_loss(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of the batch after the attack."""
        encoded = self.encoded(batch)
        latents, actions, target = self.training_pairs(encoded, batch["actions"])
        # "displacement": the motion of the windows' latents, not their spread.
        moves = self.radii == "displacement"
        radii = self._radii_of(encoded.detach().diff(dim=1) if moves else latents, actions)
        key = (self.attack_seed, self.current_epoch, batch_idx, self.global_rank)
        seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]) >> 1
        attacked = self._attacked(latents, actions, target, radii, torch.Generator().manual_seed(seed))
        loss = self.prediction_loss(*attacked, target)
        size = len(actions)
        with torch.no_grad():
            clean = self.prediction_loss(latents, actions, target)
            gain = (loss.detach() - clean) * size / max(size - self._clean_samples(size), 1)
            self._sums.append(size * torch.stack([clean, gain, *(radius.mean() for radius in radii)]))
        return self.regularized(loss, encoded, batch)

    def _clean_samples(self, size: int) -> int:
        return round(self.clean_fraction * size)

    def _radii_of(self, latents: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Set and return the radii of this batch, ``(*D)`` and ``(A',)``."""
        if self.latent_radius is None or self.action_radius is None or self.radii == "adaptive":
            self.latent_radius = self._radius("latent", latents, self.latent_factor)
            self.action_radius = self._radius("action", actions, self.action_factor)
        return self.latent_radius, self.action_radius

    @torch.no_grad()
    def _radius(self, name: str, values: Tensor, factor: float | Sequence[float]) -> Tensor:
        """Factor times the spread of ``values`` ``(B, K, ...)`` over samples and steps."""
        shape = values.shape[2:]
        if not np.any(factor):
            return torch.zeros(shape, device=values.device)
        share = torch.as_tensor(factor, dtype=values.dtype, device=values.device)
        if share.ndim and share.shape != shape[-1:]:
            raise ValueError(
                f"{name}_factor has {len(share)} numbers, but {name}s have shape {tuple(shape)}; give one for all, or "
                f"one for each of the {shape[-1]}"
            )
        rows = values.flatten(0, 1)
        moves = self.radii == "displacement" and name == "latent"
        spread = rows.square().mean(0).sqrt() if moves else rows.std(0, correction=0)
        if self.radii != "adaptive":
            if torch.distributed.is_available() and torch.distributed.is_initialized():
                # The processes' first batches differ, but their radii must not; and no process may raise while the
                # others wait.
                torch.distributed.all_reduce(spread)
                spread /= torch.distributed.get_world_size()
            if not spread.any():
                raise ValueError(
                    f"the {name}s of the first batch of {len(values)} are all alike, so their radius would be zero for "
                    "the whole run; use larger batches in random order, or radii: adaptive"
                )
        return share * spread

    def _attacked(
        self, latents: Tensor, actions: Tensor, target: Tensor, radii: tuple[Tensor, Tensor], generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """Perturb latents ``(B, F, *D)``, all frames, and actions ``(B, N, A')`` together.

        The first samples of the batch stay clean: batches come in random order.
        """
        x = _join(latents, actions).detach()
        radius = _join(radii[0].expand_as(latents), radii[1].expand_as(actions))
        radius[: self._clean_samples(len(x))] = 0

        def split(point: Tensor) -> tuple[Tensor, Tensor]:
            latent, action = point.split([latents[0].numel(), actions[0].numel()], dim=1)
            return latent.reshape(latents.shape), action.reshape(actions.shape)

        with constant_parameters():
            point = self.attack.perturb(
                lambda point: self.prediction_loss(*split(point), target), x, radius, generator=generator
            )
        latent_move, action_move = split(point - x)
        return latents + latent_move, actions + action_move


def _join(latents: Tensor, actions: Tensor) -> Tensor:
    """One row per sample, ``(B, F * prod(D) + N * A')``, which is attacked as one point."""
    return torch.cat([latents.flatten(1), actions.flatten(1)], dim=1)
