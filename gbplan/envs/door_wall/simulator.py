"""The true dynamics of DoorWall-v0 as a predictor: the upper bound of a results table."""

from typing import Literal

import torch
from torch import Tensor

from gbplan.envs.door_wall.contact import CLOSEST, LIMIT, SKIN
from gbplan.envs.door_wall.world import World
from gbplan.networks.encoder import IdentityEncoder
from gbplan.networks.predictor import Predictor
from gbplan.networks.world_model import WorldModel


class DoorWallDynamics(Predictor):
    """One noiseless step of DoorWall-v0 with sliding contact, in torch and differentiable almost everywhere.

    Follows ``contact.slide`` line by line; a blocked axis has no gradient, as in the world itself.
    """

    def __init__(
        self,
        dynamics: Literal["position", "velocity"] = "position",
        step_size: float = 0.1,
        door_center: float = 0.0,
        door_half_width: float = 0.5,
        acceleration: float = 0.02,
        damping: float = 0.1,
        max_speed: float = 0.15,
    ) -> None:
        """Take the environment's own arguments, with its defaults.

        Args:
            dynamics: state (x, y), or (x, y, vx, vy).
            step_size: displacement of a full action, for position dynamics.
            door_center: y of the door's centre.
            door_half_width: half the door's width.
            acceleration: change of velocity by a full action, for velocity dynamics.
            damping: share of the velocity lost per step.
            max_speed: limit of each velocity component.
        """
        super().__init__()
        self.latent_shape = (2 if dynamics == "position" else 4,)
        self.action_dim = 2
        self.dynamics = dynamics
        self.step_size = step_size
        self.low, self.high = door_center - door_half_width, door_center + door_half_width
        self.acceleration, self.damping, self.max_speed = acceleration, damping, max_speed

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Move states ``(B, 1, 2 or 4)`` by actions ``(B, 1, 2)``."""
        latent, action = latents[:, -1], actions[:, -1].clamp(-1, 1)
        if self.dynamics == "position":
            return self._slide(latent, self.step_size * action)[0]
        velocity = (1 - self.damping) * latent[..., 2:] + self.acceleration * action
        velocity = velocity.clamp(-self.max_speed, self.max_speed)
        position, hit = self._slide(latent[..., :2], velocity)
        return torch.cat([position, torch.where(hit, torch.zeros_like(velocity), velocity)], dim=-1)

    def _slide(self, position: Tensor, move: Tensor) -> tuple[Tensor, Tensor]:
        """Return the position reached and, per axis, whether an obstacle was hit."""
        (x, y), end = position.unbind(-1), position + move
        new = end.clamp(-LIMIT, LIMIT)
        hit_x, hit_y = (new != end).unbind(-1)
        (end_x, _), (new_x, new_y) = end.unbind(-1), new.unbind(-1)
        side = torch.where(x > 0, 1.0, -1.0).to(x)
        crosses = side * end_x < 0
        height = (y + x / torch.where(crosses, x - end_x, 1.0) * move[..., 1]).clamp(-LIMIT, LIMIT)
        inside = (self.low <= height) & (height <= self.high)
        blocked = crosses & ~inside
        new_x = torch.where(blocked, side * SKIN, new_x)
        side = torch.where(crosses & inside, -side, side)
        held = (side * new_x < SKIN) & ~((self.low <= new_y) & (new_y <= self.high))
        new_x = torch.where(held, side * SKIN, torch.where(side * new_x < CLOSEST, side * CLOSEST, new_x))
        hit_x = hit_x | blocked | (held & (side * move[..., 0] < 0))
        return torch.stack([new_x, new_y], dim=-1), torch.stack([hit_x, hit_y], dim=-1)


class PerfectDoorWallModel(WorldModel):
    """The perfect world model of DoorWall-v0: an upper bound for learned ones."""

    def __init__(self, dynamics: DoorWallDynamics | None = None) -> None:
        """Wrap the true dynamics.

        Args:
            dynamics: the world's arguments; None: the environment's defaults.
        """
        dynamics = dynamics or DoorWallDynamics()
        super().__init__(IdentityEncoder(dynamics.latent_shape[0], goal_indices=[0, 1]), dynamics)
        self.normalizer.fitted.fill_(True)  # the identity normaliser: the dynamics use environment units already

    @classmethod
    def of_world(cls, world: World) -> "PerfectDoorWallModel":
        """Make the model of a world, without its noise.

        Raises:
            ValueError: contact does not slide.
        """
        if world.contact != "slide":
            raise ValueError(
                f"only sliding contact can be simulated in torch, the world's contact is {world.contact!r}"
            )
        names = ("step_size", "door_center", "door_half_width", "acceleration", "damping", "max_speed")
        return cls(DoorWallDynamics(world.dynamics, **{name: getattr(world, name) for name in names}))  # type: ignore[arg-type]
