"""The interface of regularisers, which keep the latents of a trained encoder from collapsing."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from gbplan.networks import WorldModel


class Regularizer(nn.Module, ABC):
    """A loss on the latents of a trained encoder. It may have parameters of its own.

    Attributes:
        keeps_apart: whether a constant encoder fails to minimise it; training an encoder needs at least one such loss.
    """

    keeps_apart = True

    @abstractmethod
    def forward(self, latents: Tensor, actions: Tensor, observations: Mapping[str, Tensor]) -> Tensor:
        """Return the loss.

        Args:
            latents: latents of consecutive frames, ``(B, T + 1, *D)``, with gradients.
            actions: actions between the frames, ``(B, T, A')``, environment units.
            observations: the encoded observations, ``(B, T + 1, *obs)`` each.

        Returns:
            A scalar.
        """


class RegularizerSum(Regularizer):
    """The sum of several regularisers; each has its own weight."""

    def __init__(self, terms: list[Regularizer]) -> None:
        """Store the terms.

        Args:
            terms: the regularisers.

        Raises:
            ValueError: there are none.
        """
        super().__init__()
        if not terms:
            raise ValueError("terms must be one regularizer or more, got none")
        self.terms = nn.ModuleList(terms)
        self.keeps_apart = any(term.keeps_apart for term in terms)

    def forward(self, latents: Tensor, actions: Tensor, observations: Mapping[str, Tensor]) -> Tensor:
        """Return the sum; see ``Regularizer``."""
        first, *rest = (term(latents, actions, observations) for term in self.terms)
        return sum(rest, start=first)


def require_stable_latents(world_model: WorldModel, regularizer: Regularizer | None) -> None:
    """Refuse to train an encoder whose latents could collapse.

    Raises:
        ValueError: the encoder has weights, is not frozen, and no regulariser keeps its latents apart; or there is a
            regulariser for a frozen encoder.
    """
    encoder = world_model.encoder
    trained = not encoder.frozen and any(True for _ in encoder.parameters())
    if trained and (regularizer is None or not regularizer.keeps_apart):
        alone = "" if regularizer is None else f" and {type(regularizer).__name__}"
        raise ValueError(
            f"{type(encoder).__name__} is trained on the next-latent loss{alone} alone, which a constant encoder "
            "minimises: its latents would collapse; freeze it (frozen: true), or give a regularizer such as VICReg"
        )
    if regularizer is not None and not trained:
        raise ValueError(
            f"{type(regularizer).__name__} regularises an encoder in training, but {type(encoder).__name__} is frozen; "
            "leave the regularizer out, or set the encoder's frozen to false"
        )
