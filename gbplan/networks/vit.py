"""A transformer that predicts the next frame's tokens from those of the last frames and their actions."""

from collections.abc import Sequence
from math import prod
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gbplan.networks.predictor import Predictor

Conditioning = Literal["token", "adaln"]


class ViTPredictor(Predictor):
    """Block-causal attention: a token sees all tokens of its own frame and of the frames before it.

    B rows, K frames, P tokens a frame, W the width. Latents of shape ``(P, C)`` are P tokens of C numbers; of any other
    shape they are one token. Every token carries a learned embedding of its place in the frame and of its frame. An
    action comes in as one more token of the frame it was taken at (``"token"``), or as scale, shift and gate of every
    layer for the tokens of that frame (``"adaln"``). The prediction is read from the last frame's tokens, and added to
    that frame's latent.

    Sources: the layout of DINO-WM (Zhou et al., arXiv 2411.04983) with an action token in place of action channels;
    AdaLN-zero from Peebles and Xie, Scalable diffusion models with transformers, 2023.
    """

    def __init__(
        self,
        latent_shape: Sequence[int],
        action_dim: int,
        history: int = 1,
        width: int = 64,
        depth: int = 2,
        heads: int = 4,
        mlp_size: int = 128,
        conditioning: Conditioning = "adaln",
    ) -> None:
        """Build the layers.

        Args:
            latent_shape: *D.
            action_dim: dimensions A' of a model action: the environment's, times the world model's ``action_block``.
            history: number of frames K it looks at.
            width: numbers W in a token inside, a multiple of ``heads``.
            depth: number of layers.
            heads: attention heads.
            mlp_size: width of the perceptron in each layer.
            conditioning: how actions come in.

        Raises:
            ValueError: a size is below 1, ``heads`` does not divide ``width``, or the conditioning is unknown.
        """
        super().__init__()
        shape = tuple(latent_shape)
        sizes = [*shape, action_dim, history, width, depth, heads, mlp_size]
        if not shape or min(sizes) < 1 or width % heads:
            raise ValueError(
                "latent_shape, action_dim, history, width, depth, heads and mlp_size must be at least 1 and heads "
                f"divide width, got {list(shape)}, {sizes[len(shape) :]}"
            )
        if conditioning not in get_args(Conditioning):
            raise ValueError(f"conditioning must be one of {list(get_args(Conditioning))}, got {conditioning!r}")
        self.latent_shape = shape
        self.action_dim = action_dim
        self.history = history
        self.tokens, self.channels = shape if len(shape) == 2 else (1, prod(shape))
        self.conditioning: Conditioning = conditioning
        self.read_in = nn.Linear(self.channels, width)
        self.read_action = nn.Linear(action_dim, width)
        per_frame = self.tokens + (conditioning == "token")
        self.place = nn.Parameter(0.02 * torch.randn(per_frame, width))
        self.frame = nn.Parameter(0.02 * torch.randn(history, 1, width))
        self.layers = nn.ModuleList(_Layer(width, heads, mlp_size, conditioning == "adaln") for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.read_out = nn.Linear(width, self.channels)
        age = torch.arange(history).repeat_interleave(per_frame)
        self.register_buffer("mask", age[:, None] >= age, persistent=False)  # who may look at whom
        self.mask: Tensor
        # Numbers that autograd was seen to keep of a token (tests/planners/test_memory.py).
        widths = 10 if conditioning == "token" else 23
        self._kept = (widths * width + 2 * mlp_size) * depth + 4 * width

    @property
    def activation_size(self) -> int:
        """Numbers that a step keeps for its gradient."""
        return self._kept * len(self.mask)

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Predict the next latents ``(B, *D)``; see ``Predictor``."""
        rows = len(latents)
        x = self.read_in(latents.reshape(rows, self.history, self.tokens, self.channels))  # (B, K, P, W)
        action = self.read_action(actions)[:, :, None]  # (B, K, 1, W)
        if self.conditioning == "token":
            x = torch.cat([x, action], dim=2)
        x = (x + self.place + self.frame).flatten(1, 2)  # (B, K * P, W)
        per_token = action.expand(-1, -1, self.tokens, -1).flatten(1, 2) if self.conditioning == "adaln" else None
        for layer in self.layers:
            x = layer(x, self.mask, per_token)
        last = self.norm(x.unflatten(1, (self.history, -1))[:, -1, : self.tokens])
        return latents[:, -1] + self.read_out(last).reshape(rows, *self.latent_shape)


class _Layer(nn.Module):
    """Attention and a perceptron, each on normalised tokens and added to them."""

    def __init__(self, width: int, heads: int, mlp_size: int, modulated: bool) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=not modulated) for _ in range(2))
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, mlp_size), nn.GELU(), nn.Linear(mlp_size, width))
        self.modulation = nn.Linear(width, 6 * width) if modulated else None
        if self.modulation is not None:  # every layer begins as the identity
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, mask: Tensor, action: Tensor | None) -> Tensor:
        if self.modulation is None:
            x = x + self._attend(self.norms[0](x), mask)
            return x + self.mlp(self.norms[1](x))
        assert action is not None
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = self.modulation(F.silu(action)).chunk(6, dim=-1)
        x = x + gate * self._attend(self.norms[0](x) * (1 + scale) + shift, mask)
        return x + mlp_gate * self.mlp(self.norms[1](x) * (1 + mlp_scale) + mlp_shift)

    def _attend(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=2))
        return self.out(F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2))
