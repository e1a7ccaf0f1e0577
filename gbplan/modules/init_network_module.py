"""Training of init networks, which guess plans."""

import math

import numpy as np
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn import functional as F

from gbplan.data import TrajectoryDataModule
from gbplan.data.windows import Batch
from gbplan.modules.world_model_module import WorldModelModule
from gbplan.networks import WorldModel
from gbplan.networks.eval_mode import eval_mode
from gbplan.networks.init_network import InitNetwork


class InitNetworkModule(WorldModelModule):
    """Trains an init network on the expert's actions between two frames, by their mean squared error.

    The K-th frame of a window is the start, K the world model's history, and any later one the goal, which the expert
    has reached, regardless of its own goal (hindsight). Targets are the actions between the two, and zeros afterwards:
    a plan is executed and scored to its end, so its actions after the arrival matter. ``PlannerPolicy`` also stands
    still there.

    Windows must not be longer than the network's horizon, and equal length is best. Episodes end before that, so let
    the datamodule extend them by a whole window, ``data.hold_steps = action_block * (history - 1 + data.steps)``: then
    every frame is a start.

    The encoder of ``world_model`` turns observations into latents. The world model is not trained.

    It logs ``train/loss`` and ``val/loss``, in squared action units; validation takes each window's last frame as goal.

    Source: arXiv 2512.09929, Table 6; the code of its authors does not run, and trains on action embeddings.
    """

    def __init__(
        self,
        network: InitNetwork,
        world_model: WorldModel,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        scheduler: LRSchedulerCallable | None = None,
        goal_seed: int = 0,
        init_from: str | None = None,
    ) -> None:
        """Set up the training.

        Args:
            network: the network to train.
            world_model: the model whose encoder makes the latents.
            optimizer: makes the optimiser from the network's parameters.
            scheduler: makes the learning-rate scheduler from the optimiser; stepped every epoch. None: constant rate.
            goal_seed: seed of the goal frames, >= 0; they depend on it, the epoch and the batch's number only, so that
                a resumed run continues exactly.
            init_from: checkpoint of the world model, for an encoder with weights.

        Raises:
            ValueError: ``goal_seed`` is negative.
        """
        super().__init__(world_model, optimizer=optimizer, scheduler=scheduler, init_from=init_from)
        if goal_seed < 0:
            raise ValueError(f"goal_seed must not be negative, got {goal_seed}")
        self.network = network
        self.goal_seed = goal_seed

    @property
    def _trains_probe(self) -> bool:
        return False

    def _trained(self) -> list[nn.Parameter]:
        return list(self.network.parameters())

    def _check_data(self, datamodule: TrajectoryDataModule) -> None:
        super()._check_data(datamodule)
        network, model = self.network, self.world_model
        goals = math.prod(self._goal_shape())
        sizes = {
            "latent_dim": (math.prod(model.latent_shape), network.latent_dim),
            "goal_dim": (goals, network.goal_dim),
            "action_dim": (model.action_dim, network.action_dim),
        }
        for name, (data, own) in sizes.items():
            if data != own:
                raise ValueError(f"the init network's {name} must be the data's {data}, got {own}")
        for name in ("steps", "validation_steps"):
            steps = getattr(datamodule, name)
            if steps > network.horizon:
                raise ValueError(
                    f"windows must not be longer than the init network's horizon {network.horizon}, got {name} = "
                    f"{steps}; lower data.{name} or raise model.network.horizon"
                )

    @torch.no_grad()
    def _goal_shape(self) -> tuple[int, ...]:
        model = self.world_model
        latent = torch.zeros(1, *model.latent_shape, device=self.device)
        with eval_mode(model):
            return tuple(model.goal_features(latent).shape[1:])

    def hindsight_loss(self, batch: Batch, goal: Tensor) -> Tensor:
        """Mean squared error of the actions from the K-th frame of each window to a later one, and of zeros after it.

        Args:
            batch: ``observations`` (dict, entries ``(B, T + 1, ...)``) and ``actions`` ``(B, T, A')``.
            goal: index of the goal frame after the K-th, ``(B,)`` int64, in 1..T - K + 1.

        Returns:
            A scalar, in squared action units.
        """
        model, past = self.world_model, self.world_model.history - 1
        actions = batch["actions"][:, past:]
        rows = torch.arange(len(goal), device=goal.device)
        with torch.no_grad():
            latents = self.encoded(batch)
            start, end = latents[:, past], latents[rows, past + goal]
            before_goal = torch.arange(actions.shape[1], device=goal.device) < goal[:, None]
            target = actions.new_zeros(len(goal), self.network.horizon, actions.shape[2])
            target[:, : actions.shape[1]] = actions * before_goal[..., None]
        guess = self.network(model.normalizer.restore(start), model.goal_features(end))
        return F.mse_loss(guess, target)

    def _size_and_steps(self, batch: Batch) -> tuple[int, int]:
        """B, and the model steps after the first K frames of a window."""
        size, steps = batch["actions"].shape[:2]
        return size, steps - self.world_model.history + 1

    def training_loss(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss with a random frame of each window as the goal."""
        size, steps = self._size_and_steps(batch)
        key = (self.goal_seed, self.current_epoch, batch_idx, self.global_rank)
        goal = np.random.default_rng(np.random.SeedSequence(key)).integers(1, steps + 1, size)
        return self.hindsight_loss(batch, torch.from_numpy(goal).to(self.device))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss with each window's last frame as the goal."""
        size, steps = self._size_and_steps(batch)
        loss = self.hindsight_loss(batch, torch.full((size,), steps, device=self.device))
        self.log("val/loss", loss, batch_size=size, sync_dist=True)
