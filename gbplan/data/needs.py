"""What the trained module needs of its batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Needs:
    """What a module's batches must hold.

    Attributes:
        history: K, frames that a prediction starts from.
        action_block: n, environment steps in a model step.
        encoded: observations that the encoder reads; None: all, since nothing is known of the module.
        other: observations that something else reads.
    """

    history: int = 1
    action_block: int = 1
    encoded: Sequence[str] | None = None
    other: Sequence[str] = ()

    @property
    def keys(self) -> list[str] | None:
        """All observations needed; None: all there are."""
        return None if self.encoded is None else list(dict.fromkeys([*self.encoded, *self.other]))

    def env_steps(self, steps: int) -> int:
        """Environment steps in a window that predicts so many model steps."""
        return self.action_block * (self.history - 1 + steps)


def needs_of(module: Any, validating: bool = False) -> Needs:
    """Ask a LightningModule.

    One with a ``world_model`` needs what its encoder reads, and the observations that the module's own ``batch_keys``
    names, if it has that attribute; and ``achieved_goal`` to train a probe on, or to validate what the model makes of
    it. Another module, or None, needs all observations, one frame and one environment step.

    Args:
        module: a LightningModule, or None.
        validating: whether it is a validation batch.
    """
    model = getattr(module, "world_model", None)
    encoder = getattr(model, "encoder", None)
    if model is None or encoder is None:
        return Needs()
    encoded = getattr(encoder, "observation_keys", ("observation",))
    other = [*getattr(module, "batch_keys", ())]
    if getattr(model, "probe", None) is not None or (validating and getattr(model, "has_probe", False)):
        other.append("achieved_goal")
    return Needs(getattr(model, "history", 1), getattr(model, "action_block", 1), tuple(encoded), tuple(other))
