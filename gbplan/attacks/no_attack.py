"""Leaving the point where it is."""

from torch import Generator, Tensor

from gbplan.attacks.attack import Attack, Loss


class NoAttack(Attack):
    """Returns the point itself: training with it is plain training, the other control of adversarial training."""

    def _perturb(self, loss: Loss, x: Tensor, radius: Tensor, generator: Generator) -> Tensor:
        return x
