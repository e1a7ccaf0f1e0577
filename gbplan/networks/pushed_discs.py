"""Discs in the plane that push each other, after a straight push."""

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from gbplan import checks
from gbplan.networks.normalizer import Normalizer
from gbplan.networks.predictor import Predictor
from gbplan.networks.push_frame import UNIT, push_frames

_BASIS = 6  # functions of a neighbour's relative place


class PushedDiscsPredictor(Predictor):
    """One network for every disc, which sees the disc in a push's frame, and in several rounds what is near it.

    In this frame, a push that is turned or shifted together with the discs has the same outcome, turned or shifted. The
    outcome also does not depend on the order of the discs. In each round, a disc receives what its neighbours know,
    weighted by functions of their relative place that fade to zero at the distance ``sight``.

    Latents are x and y of the discs, one disc after the other; an action is x and y of the start of a push, then of its
    end. A push of no length moves nothing.
    """

    def __init__(self, discs: int, reach: float, sight: float, width: int = 48, rounds: int = 3) -> None:
        """Build the network.

        Args:
            discs: number N of discs; a latent is 2 N numbers.
            reach: distance of an action of 1 from the origin, in m, the unit of latents.
            sight: distance within which discs are neighbours, m; more than the diameter of a disc.
            width: features of a disc.
            rounds: rounds in which neighbours are heard.

        Raises:
            ValueError: a number is outside its range.
        """
        super().__init__()
        checks.at_least_one(discs=discs, width=width, rounds=rounds)
        checks.positive(reach=reach, sight=sight)
        self.latent_shape, self.action_dim, self.reach, self.sight = (2 * discs,), 4, reach, sight
        self._units: tuple[Normalizer, ...] = ()  # in a tuple, so that it does not become a submodule
        self._activations = discs * (4 * _BASIS * discs + (_BASIS + 8) * width * rounds)
        self.alone = nn.Sequential(nn.Linear(5, width), nn.SiLU(), nn.Linear(width, width))
        self.own, self.near, self.then = (
            nn.ModuleList([nn.Linear(size, width) for _ in range(rounds)]) for size in (width, _BASIS * width, width)
        )
        self.move = nn.Linear(width, 2)

    @property
    def activation_size(self) -> int:
        """Numbers that a step keeps for its gradient: functions of pairs of discs, and hidden units."""
        return self._activations

    def set_units(self, normalizer: Normalizer) -> None:
        """Store the world model's normaliser; see ``Predictor``."""
        self._units = (normalizer,)

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Predict the next latents ``(B, 2 N)``; see ``Predictor``."""
        (units,) = self._units
        places = units.restore(latents[:, -1]).unflatten(1, (-1, 2))  # (B, N, 2)
        begin, length, frame = push_frames(units, actions[:, -1], self.reach)
        seen = (places - begin[:, None]) @ frame / UNIT
        x, y = seen.split(1, dim=2)
        far = (length / UNIT)[:, None].expand_as(x)
        known = self.alone(torch.cat([x, y, y.abs(), x - far, far], dim=2))  # (B, N, W)
        around = self._neighbours(seen * (UNIT / self.sight))
        for own, near, then in zip(self.own, self.near, self.then, strict=True):
            heard = (around @ silu(known)).unflatten(1, (_BASIS, -1))  # (B, 6, N, W)
            both = own(silu(known)) + near(heard.transpose(1, 2).flatten(2))
            known = known + then(silu(both))
        change = UNIT * self.move(silu(known)) @ frame.transpose(1, 2)
        predicted: Tensor = latents[:, -1] + change.flatten(1) / units.latent_std
        return predicted

    @staticmethod
    def _neighbours(places: Tensor) -> Tensor:
        """Return weights of each disc's neighbours, ``(B, 6 N, N)``, from places in units of sight, ``(B, N, 2)``."""
        x, y = (places[:, None] - places[:, :, None]).unbind(dim=3)  # (B, N, N) each, from own to others
        squared = x * x + y * y
        fading = (1 - squared).clamp(min=0).square()
        basis = torch.ones_like(x), x, y, squared, x * x - y * y, x * y
        return torch.cat([fading * each for each in basis], dim=1)
