"""World models whose transformer multiplies matrices in bfloat16: for planning, not for training."""

import copy
import warnings
from itertools import chain
from operator import is_
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gbplan.networks.vit import ViTPredictor
from gbplan.networks.world_model import WorldModel

Precision = Literal["float32", "bfloat16"]


def in_bfloat16(model: WorldModel) -> WorldModel:
    """Copy a world model for planning, with its transformer's linear layers and attention in bfloat16.

    Tokens between layers, norms, latents and everything outside the predictor keep their type, so that the effect of a
    small change of an action accumulates instead of being rounded away. The copy has its own weights of the linear
    layers, taken at this moment, and shares all other tensors. It is not for training.

    Returns the model itself, with a warning, if the predictor is not a ``ViTPredictor`` or the processor has no
    instructions for bfloat16.
    """
    predictor = getattr(model, "predictor", None)  # a simulator in a model's place has none
    if not isinstance(predictor, ViTPredictor):
        reason = f"precision bfloat16 is for ViTPredictor; {type(predictor or model).__name__} plans as it is"
    elif not has_bfloat16(predictor.place.device):
        reason = "this processor has no instructions for bfloat16; planning in float32 instead"
    else:
        tensors = chain(model.parameters(), model.buffers())
        memo: dict[int, object] = {id(tensor): tensor for tensor in tensors}
        linear = [part for part in predictor.modules() if isinstance(part, nn.Linear)]
        memo |= {id(part): _BFloat16Linear(part) for part in linear}
        return copy.deepcopy(model, memo)
    warnings.warn(reason, stacklevel=2)
    return model


class CurrentCopy:
    """Makes copies by ``in_bfloat16`` of a model that may be trained in between; each copy has its current weights.

    The copy is made once, and again for another model, or if layers or tensors of the model are replaced. At each call
    its weights are only rounded again. Counters such as ``Tensor._version`` cannot spare that: fused optimisers, and
    writes through ``.data``, change weights without counting.
    """

    def __init__(self) -> None:
        self._parts: list[object] = []
        self._copy: WorldModel | None = None

    def __call__(self, model: WorldModel) -> WorldModel:
        """Return the copy, which the next call changes; the model itself where ``in_bfloat16`` does."""
        parts = [*model.modules(), *model.parameters(), *model.buffers()]
        if self._copy is None or len(parts) != len(self._parts) or not all(map(is_, parts, self._parts)):
            self._parts, self._copy = parts, in_bfloat16(model)
        elif self._copy is not model:
            for part in self._copy.modules():
                if isinstance(part, _BFloat16Linear):
                    part.round()
        return self._copy


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies matrices of bfloat16 faster than of float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported", "_is_arm_bf16_supported")
    known = (getattr(torch.cpu, name, None) for name in names)
    return device.type == "cpu" and any(supported() for supported in known if supported is not None)


class _BFloat16Linear(nn.Module):
    """A linear layer that computes in bfloat16 for any input type; residual sums outside stay float32."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self._linear = (linear,)  # in a tuple, since it is no part of the copy
        self.round()

    def round(self) -> None:
        """Take the present weights of the layer that this one copies."""
        (linear,) = self._linear
        self.weight = linear.weight.detach().to(torch.bfloat16)
        self.bias = None if linear.bias is None else linear.bias.detach().to(torch.bfloat16)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.to(torch.bfloat16), self.weight, self.bias)
