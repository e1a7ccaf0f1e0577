"""A chain of nodes in the plane, after a straight push."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gbplan import checks
from gbplan.networks.mlp import Activation, perceptron
from gbplan.networks.normalizer import Normalizer
from gbplan.networks.predictor import Predictor

UNIT = 0.1  # m, the unit of features, which are then about one


class PushFramePredictor(Predictor):
    """A perceptron that moves the nodes of a chain, in a push's frame: origin at its start, axes along and across it.

    In this frame, a push that is turned or shifted together with the chain has the same outcome, turned or shifted. The
    outcome also does not depend on which end of the chain comes first, or on reflection: the prediction is the mean
    over both orders of the nodes and their mirror images.

    Latents are x and y of the nodes, one node after the other; an action is x and y of the start of a push, then of its
    end. A push of no length moves nothing.
    """

    def __init__(
        self, nodes: int, reach: float, hidden_sizes: Sequence[int] = (256, 256, 256), activation: Activation = "silu"
    ) -> None:
        """Build the perceptron.

        Args:
            nodes: nodes N of the chain; a latent is 2 N numbers.
            reach: distance of an action of 1 from the origin, in m, the unit of latents.
            hidden_sizes: width of each hidden layer.
            activation: nonlinearity between the layers.

        Raises:
            ValueError: a number is outside its range, or the activation is unknown.
        """
        super().__init__()
        checks.at_least_one(nodes=nodes)
        for width in hidden_sizes:
            checks.at_least_one(hidden_sizes=width)
        checks.positive(reach=reach)
        checks.one_of(Activation, activation=activation)
        self.latent_shape, self.action_dim, self.reach = (2 * nodes,), 4, reach
        self._units: tuple[Normalizer, ...] = ()  # in a tuple, so that it does not become a submodule
        self._activations = 4 * (2 * sum(hidden_sizes) + 6 * nodes)
        self.net = perceptron(2 * nodes + 1, hidden_sizes, 2 * nodes, activation)

    @property
    def activation_size(self) -> int:
        """Numbers that a step keeps for its gradient: of four views, hidden units before and after activation."""
        return self._activations

    def set_units(self, normalizer: Normalizer) -> None:
        """Store the world model's normaliser; see ``Predictor``."""
        self._units = (normalizer,)

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Predict the next latents ``(B, 2 N)``; see ``Predictor``."""
        (units,) = self._units
        chain = units.restore(latents[:, -1]).unflatten(1, (-1, 2))  # (B, N, 2)
        begin, length, frame = push_frames(units, actions[:, -1], self.reach)
        mirror = length.new_tensor([1.0, -1.0])
        seen = (chain - begin[:, None]) @ frame / UNIT
        views = torch.stack([seen, seen * mirror, seen.flip(1), seen.flip(1) * mirror])  # (4, B, N, 2)
        moved = self.net(torch.cat([views.flatten(2), (length / UNIT).expand(4, -1, -1)], dim=2)).view_as(views)
        forwards = moved[0] + moved[1] * mirror
        backwards = moved[2] + moved[3] * mirror
        change = UNIT / 4 * (forwards + backwards.flip(1)) @ frame.transpose(1, 2)
        predicted: Tensor = latents[:, -1] + change.flatten(1) / units.latent_std
        return predicted


def push_frames(units: Normalizer, actions: Tensor, reach: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return the frames of pushes.

    Args:
        units: the world model's normaliser.
        actions: start and end of each push, standardised, ``(B, 4)``.
        reach: distance of an action of 1 from the origin, m.

    Returns:
        Starts of the pushes, m, ``(B, 2)``; their lengths, m, ``(B, 1)``; and the axes along and across them, unit
        vectors in columns, ``(B, 2, 2)``, which are zero for a push of no length.
    """
    begin, end = (reach * (actions * units.action_std + units.action_mean)).chunk(2, dim=1)
    length = ((end - begin).square().sum(1, keepdim=True) + 1e-12).sqrt()
    along = (end - begin) / length
    return begin, length, torch.stack([along, -along.flip(1) * along.new_tensor([1.0, -1.0])], dim=2)
