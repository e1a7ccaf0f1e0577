"""Requirements of the trained module on its batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Needs:
    """Required contents of a module's batches.

    Attributes:
        history: K, frames that a prediction starts from.
        action_block: n, environment steps in a model step.
        encoded: observations that the encoder reads; None: all, because the module does not name them.
        other: observations that other parts read.
    """

    history: int = 1
    action_block: int = 1
    encoded: Sequence[str] | None = None
    other: Sequence[str] = ()

    @property
    def keys(self) -> list[str] | None:
        """All observations needed; None: all that exist."""
        return None if self.encoded is None else list(dict.fromkeys([*self.encoded, *self.other]))

    def env_steps(self, steps: int) -> int:
        """Environment steps in a window with this many predicted model steps."""
        return self.action_block * (self.history - 1 + steps)


def needs_of(module: Any, validating: bool = False) -> Needs:
    """Return the needs of a LightningModule.

    A module with a ``world_model`` needs the observations that its encoder reads; those in the module's ``batch_keys``,
    if it has that attribute; ``achieved_goal``, to train a probe or to validate predicted goals; and the pictures that
    a decoder is trained on. Any other module, or None, needs all observations, one frame and one environment step.

    Args:
        module: a LightningModule, or None.
        validating: whether the batches are for validation.
    """
    model = getattr(module, "world_model", None)
    encoder = getattr(model, "encoder", None)
    if model is None or encoder is None:
        return Needs()
    encoded = getattr(encoder, "observation_keys", ("observation",))
    other = [*getattr(module, "batch_keys", ())]
    if getattr(model, "probe", None) is not None or (validating and getattr(model, "has_probe", False)):
        other.append("achieved_goal")
    if getattr(model, "decoder", None) is not None:
        other.append(model.decoder.pixels_key)
    return Needs(getattr(model, "history", 1), getattr(model, "action_block", 1), tuple(encoded), tuple(other))
