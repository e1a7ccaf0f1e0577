"""The attack that changes nothing."""

from torch import Generator, Tensor

from gbplan.attacks.attack import Attack, Loss


class NoAttack(Attack):
    """Returns the point unchanged: training with it is plain training, a control beside ``RandomNoise``."""

    def _perturb(self, loss: Loss, x: Tensor, radius: Tensor, generator: Generator) -> Tensor:
        return x
