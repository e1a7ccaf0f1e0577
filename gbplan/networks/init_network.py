"""The init network, which guesses a plan."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


class InitNetwork(nn.Module):
    """Maps a latent and a goal to an action sequence, ``g(z_1, z_goal) -> a_{1:H}``.

    A multilayer perceptron whose outputs are actions in environment units. Its inputs are an encoder's latent, before
    any normalisation, and a goal in goal space; it standardises them by their running moments in training, so they may
    have any units, and the network fits every world model with this encoder.

    ``gbplan.modules.InitNetworkModule`` trains it, ``gbplan.planners.InitializedPlanner`` uses it. Use it in eval mode:
    in training mode rows influence each other.

    Source: arXiv 2512.09929, Table 6, which gives no architecture; this is the simplest.
    """

    def __init__(
        self,
        latent_dim: int,
        goal_dim: int,
        action_dim: int,
        horizon: int = 50,
        hidden_sizes: Sequence[int] = (256, 256),
    ) -> None:
        """Build the network.

        Args:
            latent_dim: numbers in a latent.
            goal_dim: numbers in a goal.
            action_dim: number of action dimensions A.
            horizon: number of actions H.
            hidden_sizes: width of each hidden layer.

        Raises:
            ValueError: a size is below 1.
        """
        super().__init__()
        if min([latent_dim, goal_dim, action_dim, horizon, *hidden_sizes]) < 1:
            raise ValueError(
                "latent_dim, goal_dim, action_dim, horizon and hidden_sizes must be at least 1, "
                f"got {latent_dim}, {goal_dim}, {action_dim}, {horizon} and {list(hidden_sizes)}"
            )
        self.latent_dim = latent_dim
        self.goal_dim = goal_dim
        self.action_dim = action_dim
        self.horizon = horizon
        self.hidden_sizes = list(hidden_sizes)
        widths = [latent_dim + goal_dim, *hidden_sizes]
        self.standardize = nn.BatchNorm1d(widths[0], affine=False)
        layers: list[nn.Module] = []
        for width, following in pairwise(widths):
            layers += [nn.Linear(width, following), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.Linear(widths[-1], horizon * action_dim))

    def forward(self, latent: Tensor, goal: Tensor) -> Tensor:
        """Guess the actions ``(B, H, A)`` that lead from latents ``(B, *D)`` to goals ``(B, *G)``, and stay there."""
        inputs = torch.cat([latent.flatten(1), goal.flatten(1)], dim=1)
        actions: Tensor = self.net(self.standardize(inputs))
        return actions.unflatten(1, (self.horizon, self.action_dim))

    def get_extra_state(self) -> dict[str, Any]:
        """Return the sizes, so that weights alone are enough to build the network again."""
        names = ("latent_dim", "goal_dim", "action_dim", "horizon", "hidden_sizes")
        return {name: getattr(self, name) for name in names}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Check that the weights to load are of a network of these sizes.

        Raises:
            ValueError: they are of other sizes.
        """
        own = self.get_extra_state()
        if state != own:
            raise ValueError(f"the weights are of an init network of sizes {state}, this one has {own}")

    @classmethod
    def from_checkpoint(cls, path: str | Path) -> "InitNetwork":
        """Build the network of a checkpoint that ``gbplan fit`` wrote, in eval mode, on the CPU.

        Args:
            path: the ``.ckpt`` file of an ``InitNetworkModule``.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is broken, contains no init network, or its weights are not finite or not of the stated
                sizes.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(
                f"there is no checkpoint at {path}; train an init network with `gbplan fit` and a configuration of "
                "InitNetworkModule, or correct the path"
            )
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
        except Exception as error:  # the error's class depends on where the file is broken
            raise ValueError(f"{path} is not a complete checkpoint of plain data ({error!r:.80})") from None
        prefix = "network."
        weights = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        sizes = weights.get("_extra_state")
        if not isinstance(sizes, dict):
            raise ValueError(f"{path} holds no init network; pass a checkpoint of an InitNetworkModule")
        if not all(torch.isfinite(value).all() for value in weights.values() if isinstance(value, Tensor)):
            raise ValueError(f"{path} has weights that are NaN or infinite; the training diverged, take an earlier one")
        try:
            with torch.device("meta"):  # allocate no memory for sizes that the weights do not have
                network = cls(**sizes)
            network.load_state_dict(weights, assign=True)
        except (TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"{path} does not have weights of the sizes it names ({reason:.200}); it is damaged"
            ) from None
        return network.eval()
