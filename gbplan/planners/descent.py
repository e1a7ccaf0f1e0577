"""Update rules of gradient descent."""

from typing import Literal

import torch
from torch import Tensor

Optimizer = Literal["gd", "momentum", "adam", "adamw"]

_MOMENTUM = 0.9
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8  # Adam's, as in its paper


class Descent:
    """Moves a tensor downhill, in place; entries do not influence each other.

    The same rules as those of ``torch.optim`` (SGD, SGD with momentum 0.9, Adam, AdamW), without their parameter
    groups, which for a single plan take longer than the arithmetic. Adam is torch's own fused kernel.
    """

    def __init__(self, optimizer: Optimizer, lr: float, like: Tensor, weight_decay: float = 0.0) -> None:
        """Create the optimizer state, zero-initialised.

        Args:
            optimizer: the rule.
            lr: step size.
            like: a tensor of the shape, dtype and device of those to be moved.
            weight_decay: AdamW's weight decay: each step also multiplies by ``1 - lr * weight_decay``.
        """
        self.optimizer: Optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self._m, self._v = (torch.zeros_like(like, memory_format=torch.contiguous_format) for _ in range(2))
        self._steps = torch.zeros((), dtype=torch.float32, device=like.device)

    def step(self, x: Tensor, gradient: Tensor) -> None:
        """Move ``x`` by one step, without autograd; NaN and infinite gradients count as zero.

        ``x`` must be contiguous, because torch's fused kernel ignores strides.
        """
        assert x.is_contiguous()
        # Actions whose rollout overflows do not move.
        g = gradient.nan_to_num(0.0, 0.0, 0.0).contiguous()
        if self.optimizer == "gd":
            x.sub_(g, alpha=self.lr)
        elif self.optimizer == "momentum":
            x.sub_(self._m.mul_(_MOMENTUM).add_(g), alpha=self.lr)
        else:
            self._steps += 1
            rule = torch._fused_adam_ if self.optimizer == "adam" else torch._fused_adamw_
            rule(
                [x],
                [g],
                [self._m],
                [self._v],
                [],
                [self._steps],
                lr=self.lr,
                beta1=_BETA1,
                beta2=_BETA2,
                weight_decay=self.weight_decay if self.optimizer == "adamw" else 0.0,
                eps=_EPSILON,
                amsgrad=False,
                maximize=False,
            )

    def select(self, rows: Tensor) -> None:
        """Keep these rows only: indices, or a mask."""
        self._m, self._v = self._m[rows], self._v[rows]
