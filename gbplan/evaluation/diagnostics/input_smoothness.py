"""Input smoothness: how much a world model amplifies small changes of its inputs."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gbplan.networks import WorldModel
from gbplan.networks.eval_mode import eval_mode
from gbplan.networks.fused.constant_parameters import constant_parameters


@dataclass(frozen=True)
class InputSmoothness:
    """Largest gain of one step of the model, at M points, ``(M,)`` each; NaN where the derivative is not finite.

    The gain is the largest singular value of the Jacobian of the next latent with respect to all inputs, K latents and
    actions together. Its maximum over the points is a lower bound of the model's Lipschitz constant around them.

    Attributes:
        standardised: in the predictor's units, each input and output divided by its standard deviation over the
            training data.
        environment: in the units of the encoder's output (for states: environment units) and of actions. They do not
            depend on the training data, so they compare models.
    """

    standardised: NDArray[np.float64]
    environment: NDArray[np.float64]

    def summary(self) -> dict[str, dict[str, float]]:
        """``mean``, 95th percentile ``p95`` and ``max`` in both kinds of units; NaN if a value is NaN."""
        return {
            units: {"mean": float(gain.mean()), "p95": float(np.percentile(gain, 95)), "max": float(gain.max())}
            for units, gain in (("standardised", self.standardised), ("environment", self.environment))
        }


def input_smoothness(
    world_model: WorldModel, context: Tensor, actions: Tensor, *, chunk_rows: int = 4096
) -> InputSmoothness:
    """Measure the gain of ``world_model.step`` at given points.

    The Jacobians are exact and take as many backward passes as a latent has dimensions.

    Args:
        world_model: the model; used in eval mode, its mode is restored.
        context: K latents at each of M points, as the model encodes or imagines them, ``(M, K, *D)``.
        actions: an action at each of them, ``(M, K, A')``, environment units.
        chunk_rows: upper limit of points differentiated at once, to bound memory.

    Returns:
        The gains.

    Raises:
        ValueError: there are no points, or not one action for each latent.
    """
    if not len(context) or context.shape[:2] != actions.shape[:2]:
        raise ValueError(
            f"there must be one action for each latent, got {tuple(actions.shape[:2])} for {tuple(context.shape[:2])}"
        )
    normalizer, history = world_model.normalizer, context.shape[1]
    of_latent = normalizer.latent_std.expand(world_model.latent_shape).flatten()
    of_action = normalizer.action_std.repeat(history)
    inputs = torch.cat([of_latent.repeat(history), of_action])
    standardised, environment = [], []
    for part, taken in zip(context.split(chunk_rows), actions.split(chunk_rows), strict=True):
        jacobian = _jacobian(world_model, part, taken)  # latents standardised, actions not
        jacobian[:, :, -len(of_action) :] *= of_action
        standardised.append(_largest_singular_value(jacobian))
        environment.append(_largest_singular_value(of_latent[:, None] * jacobian / inputs))
    return InputSmoothness(np.concatenate(standardised), np.concatenate(environment))


def _jacobian(world_model: WorldModel, context: Tensor, actions: Tensor) -> Tensor:
    """Derivatives of the next latents, flattened, with respect to latents and actions, ``(M, D, K (D + A'))``."""
    with eval_mode(world_model), torch.inference_mode(False), torch.enable_grad(), constant_parameters():
        context, actions = context.detach().clone().requires_grad_(), actions.detach().clone().requires_grad_()
        following = world_model.step(context, actions).flatten(1)
        rows = []
        for output in following.unbind(1):
            gradients = torch.autograd.grad(output.sum(), (context, actions), retain_graph=True)
            rows.append(torch.cat([gradient.flatten(1) for gradient in gradients], dim=1))
    return torch.stack(rows, dim=1)


def _largest_singular_value(matrices: Tensor) -> NDArray[np.float64]:
    matrices = matrices.double()
    finite = matrices.isfinite().flatten(1).all(1)
    values = matrices.new_full((len(matrices),), torch.nan)
    values[finite] = torch.linalg.matrix_norm(matrices[finite], 2)
    return values.cpu().numpy()
