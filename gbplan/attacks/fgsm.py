"""The fast gradient sign method, from a random start."""

from torch import Generator, Tensor

from gbplan.attacks.attack import Attack, Loss
from gbplan.attacks.pgd import pgd, require_step_size


def fgsm(loss: Loss, x: Tensor, radius: Tensor, *, generator: Generator, step_size: float = 1.25) -> Tensor:
    """One signed gradient step from a random start: ``clip(p + step_size * radius * sign(gradient at p))``.

    Arguments, result, errors and source: ``pgd``; this is its case ``steps=1``.
    """
    return pgd(loss, x, radius, generator=generator, steps=1, step_size=step_size)


class FGSM(Attack):
    """One signed gradient step from a uniform start: the paper's attack, one extra pass through the model.

    With the paper's step of 1.25 radii and a loss that rises in one direction, a coordinate ends on the face of the box
    with probability 62.5 %, and otherwise between a quarter of the radius and the face.

    Source: arXiv 2512.09929, Algorithm 3; the random start is from Wong et al. 2020, "Fast is better than free".
    """

    def __init__(self, step_size: float = 1.25) -> None:
        """Set the step.

        Args:
            step_size: length of the step in radii, > 0; from 2 on, the start no longer matters where the gradient keeps
                its sign.

        Raises:
            ValueError: ``step_size`` is not positive and finite.
        """
        require_step_size(step_size)
        self.step_size = step_size

    def _perturb(self, loss: Loss, x: Tensor, radius: Tensor, generator: Generator) -> Tensor:
        return fgsm(loss, x, radius, generator=generator, step_size=self.step_size)
