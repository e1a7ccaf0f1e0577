"""A point that pushes a body in the plane, predicted in the body's frame."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gbplan import checks
from gbplan.networks.mlp import Activation, perceptron
from gbplan.networks.normalizer import Normalizer
from gbplan.networks.predictor import Predictor

_WAVES = 1.0, 2.0, 4.0  # frequencies of sine and cosine features, rad per unit; a small perceptron sees edges by them
_MIRROR = -1.0, 1.0  # x changes sides
_POINT_SIZES = 64, 64  # hidden layers of the perceptron that moves the point


class BodyFramePredictor(Predictor):
    """Moves a point and the body that it pushes, one environment step after the other.

    Contact looks the same wherever it happens and whichever way the body is turned. So a perceptron sees point and
    action in the body's frame, and predicts how far the body moves and turns there. It also sees the body's place,
    because of walls. A smaller perceptron moves the point, each axis by itself. The steps of a model action share both.

    A latent is eight numbers: x and y of the point, x and y of the body, cosine and sine of the body's angle, and the
    velocity of the point; ``order`` tells where they are if not in this order. Point and body have one origin and one
    unit of length. An environment action is two numbers, along x and y.
    """

    latent_shape = (8,)
    waves: Tensor
    mirror: Tensor
    middle: Tensor | None
    order: Tensor | None
    place: Tensor | None

    def __init__(
        self,
        unit: float,
        steps: int = 1,
        hidden_sizes: Sequence[int] = (128, 128, 128),
        activation: Activation = "silu",
        symmetric: bool = False,
        middle: Sequence[float] | None = None,
        order: Sequence[int] = tuple(range(8)),
        heading_length: float = 1.0,
    ) -> None:
        """Build the perceptrons.

        Args:
            unit: length in the latent's units, > 0, that makes distances at contact about 1: half the body's width.
            steps: environment steps in a model action, the world model's ``action_block``.
            hidden_sizes: width of each hidden layer of the perceptron that moves the body.
            activation: nonlinearity between the layers.
            symmetric: the body looks the same when x is -x in its frame, so what is learned on one side applies to the
                other. Near walls this is exact only with the right ``middle``.
            middle: x and y of the table's middle, about which walls are mirrored, in the latent's units; null: the
                body's mean place in the data, which is near it only if the data cover the table evenly.
            order: index in the latent of each of the eight numbers, such as [4, 5, 0, 1, 2, 3, 6, 7] where an encoder's
                estimate of the body comes before what is known of the point.
            heading_length: length in the latent of the vector of cosine and sine, > 0; 1 / 1.75 where an encoder was
                trained on labels with ``scale: 1.75``.

        Raises:
            ValueError: a number is outside its range, ``middle`` is not two finite numbers, ``order`` is not a
                permutation of 0..7, or the activation is unknown.
        """
        super().__init__()
        checks.positive(unit=unit, heading_length=heading_length)
        checks.at_least_one(steps=steps)
        checks.flag(symmetric=symmetric)
        for width in hidden_sizes:
            checks.at_least_one(hidden_sizes=width)
        checks.one_of(Activation, activation=activation)
        if middle is not None and not (len(middle) == 2 and all(map(math.isfinite, middle))):
            raise ValueError(f"middle must be two finite numbers, x and y, or null, got {list(middle)}")
        if sorted(order) != list(range(8)):
            raise ValueError(f"order must have each index of 0..7 once, got {list(order)}")
        self.heading_length = heading_length
        self.action_dim, self.steps, self.unit, self.symmetric = 2 * steps, steps, unit, symmetric
        self._units: tuple[Normalizer, ...] = ()  # in a tuple, so that it does not become a submodule
        self.register_buffer("waves", torch.tensor(_WAVES), persistent=False)
        self.register_buffer("mirror", torch.tensor(_MIRROR), persistent=False)
        place = None if middle is None else torch.tensor(middle, dtype=torch.float32)
        self.register_buffer("middle", place, persistent=False)
        # On the model's device: a CUDA graph cannot contain copies of indices from a list.
        index = None if list(order) == list(range(8)) else torch.tensor(order, dtype=torch.int64)
        self.register_buffer("order", index, persistent=False)
        self.register_buffer("place", None if index is None else index.argsort(), persistent=False)
        self.body = perceptron(10 + 4 * len(_WAVES), hidden_sizes, 3, activation)
        self.point = perceptron(3, _POINT_SIZES, 2, activation)
        self.point_shift = nn.Linear(2, 2, bias=False)  # where no wall is near, the point's motion is linear
        self._activations = 2 * steps * (sum(hidden_sizes) + 2 * sum(_POINT_SIZES) + 40)

    @property
    def activation_size(self) -> int:
        """Numbers that a model step stores for its gradient: hidden units before and after activation, and features."""
        return self._activations

    def set_units(self, normalizer: Normalizer) -> None:
        """Store the world model's normaliser; see ``Predictor``.

        Raises:
            ValueError: the normaliser is per channel, so places, angle and velocity share their moments.
        """
        if normalizer.per != "dimension":
            raise ValueError(
                "BodyFramePredictor tells places, angle and velocity apart, so the world model needs "
                f"normalize='dimension', got {normalizer.per!r}"
            )
        self._units = (normalizer,)

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Predict the next latents ``(B, 8)``; see ``Predictor``."""
        (units,) = self._units
        # One scale for both axes, so that rotations keep lengths.
        scale = self._in_order(units.latent_std).unflatten(0, (4, 2)).mean(1)
        state = self._in_order(units.restore(latents[:, -1]))
        point, body, heading, velocity = state.unflatten(1, (4, 2)).unbind(1)
        middle = self._in_order(units.latent_mean)[2:4] if self.middle is None else self.middle
        point, body = (point - middle) / self.unit, (body - middle) / self.unit
        velocity, heading = velocity / scale[3], heading / self.heading_length
        pushes = (actions[:, -1] * units.action_std + units.action_mean) / units.action_std.mean()
        place = self.unit / scale[1]
        for push in pushes.unflatten(1, (self.steps, 2)).unbind(1):
            vectors = torch.stack([point - body, velocity, push, body * place], dim=1)
            shift, heading = self._moved(vectors, heading)
            point, velocity = self._pushed(point, velocity, push, place)
            body = body + shift
        heading, velocity = heading * self.heading_length, velocity * scale[3]
        parts = [self.unit * point + middle, self.unit * body + middle, heading, velocity]
        return units.standardize(self._in_order(torch.cat(parts, dim=1), back=True))

    def _in_order(self, numbers: Tensor, back: bool = False) -> Tensor:
        """The latent's numbers ``(..., 8)`` as point, body, heading and velocity, or back as the latent has them."""
        index = self.place if back else self.order
        return numbers if index is None else numbers.index_select(-1, index)

    def _moved(self, vectors: Tensor, heading: Tensor) -> tuple[Tensor, Tensor]:
        """How far the body moves, ``(B, 2)`` in units, and its heading afterwards, ``(B, 2)``.

        Args:
            vectors: from the body to the point; velocity and push of the point; the body's place; ``(B, 4, 2)``.
            heading: cosine and sine of the body's angle, ``(B, 2)``.
        """
        seen = self._turned(vectors, heading, back=True)
        side = torch.ones_like(heading)
        if self.symmetric:  # a point on the left is mirrored to the right
            side = torch.where(seen[:, 0, :1] < 0, self.mirror, 1.0)
            seen = seen * side[:, None]
        waves = (seen[:, 0, :, None] * self.waves).flatten(1)
        walls = heading * side.flip(1)
        change = self.body(torch.cat([seen.flatten(1), walls, waves.sin(), waves.cos()], dim=1))
        angle = 0.2 * change[:, 2:] * side[:, :1]
        there = torch.stack([0.4 * change[:, :2] * side, torch.cat([angle.cos(), angle.sin()], dim=1)], dim=1)
        shift, heading = self._turned(there, heading).unbind(1)
        return shift, heading

    def _pushed(self, point: Tensor, velocity: Tensor, push: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        """The point and its velocity one step later, ``(B, 2)`` each."""
        motion = torch.stack([velocity, push], dim=2)  # (B, axis, 2)
        seen = torch.cat([(point * place)[..., None], motion], dim=2)
        change = self.point_shift(motion) + self.point(seen)
        return point + change[..., 0], change[..., 1]

    def _turned(self, vectors: Tensor, turn: Tensor, back: bool = False) -> Tensor:
        """Turn vectors ``(B, N, 2)`` by an angle, or back by it; the angle is its cosine and sine, ``(B, 2)``."""
        cos, sin = turn[:, None].split(1, dim=2)
        left = vectors.flip(2) * self.mirror  # each a quarter further
        return torch.addcmul(vectors * cos, left, sin, value=-1.0 if back else 1.0)
