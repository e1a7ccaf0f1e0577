"""A regulariser of variance, covariance and inverse dynamics."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gbplan.modules.regularizers.regularizer import Regularizer


class VICReg(Regularizer):
    """Terms for a variance of at least one, no covariance, and actions predictable from two successive latents.

    ``variance_weight * mean(relu(1 - std)) + covariance_weight * mean of squared off-diagonal covariances
    + inverse_weight * mean squared error of the action predicted from two frames``. The inverse dynamics make the
    position of the object that actions move linear in the latent.

    Source: Bardes et al., VICReg, 2022; with inverse dynamics as in PLDM (Sobal et al., 2025).
    """

    def __init__(
        self,
        latent_dim: int,
        action_dim: int,
        variance_weight: float = 1.0,
        covariance_weight: float = 0.1,
        inverse_weight: float = 1.0,
        hidden_size: int = 64,
    ) -> None:
        """Set the weights.

        Args:
            latent_dim: numbers in a latent, >= 1.
            action_dim: dimensions A' of a model action, >= 1.
            variance_weight: weight of the variance term, >= 0.
            covariance_weight: weight of the covariance term, >= 0.
            inverse_weight: weight of the inverse dynamics, >= 0; 0 leaves them out.
            hidden_size: width of the inverse dynamics' hidden layer, >= 1.

        Raises:
            ValueError: a size is below 1, or a weight is negative.
        """
        super().__init__()
        if min(latent_dim, action_dim, hidden_size) < 1:
            raise ValueError(
                f"latent_dim, action_dim and hidden_size must be at least 1, got {latent_dim}, {action_dim} and "
                f"{hidden_size}"
            )
        if min(variance_weight, covariance_weight, inverse_weight) < 0:
            raise ValueError(
                f"weights must not be negative, got {variance_weight}, {covariance_weight} and {inverse_weight}"
            )
        self.latent_dim = latent_dim
        self.action_dim = action_dim
        self.variance_weight = variance_weight
        self.covariance_weight = covariance_weight
        self.inverse_weight = inverse_weight
        self.inverse = nn.Sequential(
            nn.Linear(2 * latent_dim, hidden_size), nn.ReLU(), nn.Linear(hidden_size, action_dim)
        )

    def forward(self, latents: Tensor, actions: Tensor, observations: Mapping[str, Tensor]) -> Tensor:
        """Return the loss; see ``Regularizer``.

        Raises:
            ValueError: latents or actions have another size.
        """
        flat = latents.flatten(2)
        points = flat.flatten(0, 1)
        sizes = {"latent_dim": (self.latent_dim, points.shape[1]), "action_dim": (self.action_dim, actions.shape[2])}
        for name, (own, given) in sizes.items():
            if own != given:
                raise ValueError(f"VICReg was made for {name} = {own}, the model has {given}; give it that {name}")
        centred = points - points.mean(0)
        std = (centred.square().mean(0) + 1e-4).sqrt()
        covariance = centred.T @ centred / len(points)
        off_diagonal = covariance - torch.diag(covariance.diagonal())
        dim = points.shape[1]
        loss = self.variance_weight * F.relu(1 - std).mean()
        loss = loss + self.covariance_weight * off_diagonal.square().sum() / dim
        if self.inverse_weight:
            guess = self.inverse(torch.cat([flat[:, :-1], flat[:, 1:]], dim=-1))
            loss = loss + self.inverse_weight * F.mse_loss(guess, actions)
        return loss
