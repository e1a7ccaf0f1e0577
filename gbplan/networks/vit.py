"""A transformer that predicts the next frame's tokens from those of the last frames and their actions."""

from collections import deque
from collections.abc import Sequence
from math import prod
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gbplan.networks.predictor import Predictor, repeated

Conditioning = Literal["token", "adaln"]
Attention = Literal["window", "sliding"]
Cache = deque[Tensor]
"""Keys and values of the last K - 1 frames in one layer, oldest first, ``(B, 1, N, 2, heads, head_dim)`` each."""


class ViTPredictor(Predictor):
    """A block-causal transformer: a token attends to all tokens of its own frame and of up to K - 1 frames before it.

    B rows, T frames, K frames of context for a prediction, P tokens in a frame, W the width. Latents of shape
    ``(P, C)`` are P tokens of C numbers; latents of any other shape are one token. An action enters as one more token
    of its frame (``"token"``: a frame has N = P + 1 tokens), or as scale, shift and gate of every layer for the tokens
    of its frame (``"adaln"``, N = P). The prediction is the last frame's latent plus a readout of its tokens.
    Attention between frames:

    - ``"window"``: each step encodes the last K frames together and nothing before them; a learned embedding marks
      the position of each frame. DINO-WM and LeWorldModel do the same.
    - ``"sliding"``: in each layer a frame attends to the K - 1 frames before it, with a learned bias per head and
      distance. The encoding of a frame never changes, so a rollout caches its keys and values and encodes each frame
      once, and a training sequence is encoded once instead of once per window. Through the layers, predictions depend
      on frames further back than K: train on sequences as long as the plans (``--data.steps``).

    Sources: DINO-WM (Zhou et al., arXiv 2411.04983), with an action token in place of action channels; AdaLN-zero from
    Peebles and Xie, Scalable diffusion models with transformers, 2023; relative position biases from Raffel et al.,
    Exploring the limits of transfer learning, 2020.
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
        head_dim: int | None = None,
        attention: Attention = "window",
    ) -> None:
        """Build the layers.

        Args:
            latent_shape: *D.
            action_dim: dimensions A' of a model action: the environment's, times the world model's ``action_block``.
            history: number of context frames K.
            width: width W of the tokens inside.
            depth: number of layers.
            heads: attention heads.
            mlp_size: width of the perceptron in each layer.
            conditioning: how actions enter.
            head_dim: width of a head's query; null: ``width / heads``.
            attention: how frames attend to each other.

        Raises:
            ValueError: a size is below 1, ``heads`` does not divide ``width`` and there is no ``head_dim``, or a choice
                is unknown.
        """
        super().__init__()
        shape = tuple(latent_shape)
        sizes = [*shape, action_dim, history, width, depth, heads, mlp_size, 1 if head_dim is None else head_dim]
        if not shape or min(sizes) < 1 or (head_dim is None and width % heads):
            raise ValueError(
                "latent_shape, action_dim, history, width, depth, heads, mlp_size and head_dim must be at least 1, and "
                f"heads divide width where head_dim is not given, got {list(shape)}, {sizes[len(shape) : -1]} and "
                f"{head_dim}"
            )
        for name, value, known in (("conditioning", conditioning, Conditioning), ("attention", attention, Attention)):
            if value not in get_args(known):
                raise ValueError(f"{name} must be one of {list(get_args(known))}, got {value!r}")
        self.latent_shape = shape
        self.action_dim = action_dim
        self.history = history
        self.tokens, self.channels = shape if len(shape) == 2 else (1, prod(shape))
        self.conditioning: Conditioning = conditioning
        self.attention: Attention = attention
        self.read_in = nn.Linear(self.channels, width)
        self.read_action = nn.Linear(action_dim, width)
        self.per_frame = self.tokens + (conditioning == "token")  # N
        self.place = nn.Parameter(0.02 * torch.randn(self.per_frame, width))
        if attention == "window":
            self.frame = nn.Parameter(0.02 * torch.randn(history, 1, width))
        else:
            self.bias = nn.Parameter(torch.zeros(heads, history))  # for distances of 0, 1, ... frames
        self.modulation = nn.Linear(width, depth * 6 * width) if conditioning == "adaln" else None  # of all layers
        if self.modulation is not None:  # every layer starts as the identity
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)
        inner = heads * (width // heads if head_dim is None else head_dim)
        self.layers = nn.ModuleList(
            _Layer(width, heads, inner, mlp_size, affine=self.modulation is None) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.read_out = nn.Linear(width, self.channels)
        # Measured count of numbers that autograd keeps for a token (tests/planners/test_memory.py).
        widths, inners = (6 if self.modulation is None else 15), 4
        if attention == "sliding":  # joined keys and values of K frames
            inners += 2 * history
        kept = depth * (widths * width + inners * inner + 2 * mlp_size) + 4 * width
        self._kept = kept * self.per_frame * (history if attention == "window" else 1)

    @property
    def activation_size(self) -> int:
        """Numbers that a step keeps for its gradient."""
        return self._kept

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Predict the next latents ``(B, *D)``; see ``Predictor``."""
        x = self._encode(latents, self._read_actions(actions), self._mask(self.history))
        return self._predict(latents[:, -1], x[:, -1])

    def sequence(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Predict at every frame with K - 1 before it, ``(B, T - K + 1, *D)``; see ``Predictor``."""
        if self.attention == "window":
            return super().sequence(latents, actions)
        x = self._encode(latents, self._read_actions(actions), self._mask(latents.shape[1]))
        first = self.history - 1
        return self._predict(latents[:, first:], x[:, first:])

    def rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        """Predict steps 1..H; with sliding attention every frame is encoded once. See ``Predictor``."""
        if self.attention == "window":
            return super().rollout(context, past_actions, actions)
        caches: list[Cache] = [deque(maxlen=self.history - 1) for _ in self.layers]
        *past, latent = context.split(1, dim=1)
        # Split, not sliced: the gradient of a slice is as large as the whole tensor.
        for frame, given in zip(past, self._read_actions(past_actions).split(1, dim=1), strict=False):
            self._step(frame, given, caches)  # not strict: with K = 1 there is no past, whose split has one empty part
        count = len(actions)
        if count > len(context):  # several candidates share one past
            latent = repeated(latent, count)
            caches = [deque((repeated(frame, count) for frame in cache), cache.maxlen) for cache in caches]
        predicted = []
        for given in self._read_actions(actions).split(1, dim=1):
            latent = self._step(latent, given, caches)
            predicted.append(latent)
        return torch.cat(predicted, dim=1)

    def _step(self, latent: Tensor, given: Tensor, caches: list[Cache]) -> Tensor:
        """Encode one frame ``(B, 1, *D)`` beside those in the caches, add it to them, and predict the next frame."""
        seen = len(caches[0]) + 1
        bias = self.bias[:, :seen].flip(1).repeat_interleave(self.per_frame, dim=1)[None, :, None]
        return self._predict(latent, self._encode(latent, given, bias, caches))  # bias: (1, heads, 1, seen * N)

    def _read_actions(self, actions: Tensor) -> Tensor:
        """Embed actions ``(B, T, A')`` as tokens ``(B, T, 1, W)`` or modulations ``(B, T, 1, depth, 6, W)``."""
        token: Tensor = self.read_action(actions)[:, :, None]
        if self.modulation is None:
            return token
        of_all_layers: Tensor = self.modulation(F.silu(token)).to(self.place.dtype)
        return of_all_layers.unflatten(3, (len(self.layers), 6, -1))

    def _encode(self, latents: Tensor, given: Tensor, mask: Tensor, caches: Sequence[Cache] | None = None) -> Tensor:
        """Run frames ``(B, T, *D)`` and embedded actions through all layers, to ``(B, T, N, W)``."""
        x = self.read_in(latents.reshape(*latents.shape[:2], self.tokens, self.channels))
        modulations: Sequence[Tensor | None] = [None] * len(self.layers)
        if self.modulation is None:
            x = torch.cat([x, given], dim=2)
        else:
            modulations = given.unbind(3)
        x = x + self.place
        if self.attention == "window":
            x = x + self.frame
        for i, layer in enumerate(self.layers):
            x = layer(x, mask, modulations[i], None if caches is None else caches[i])
        return x

    def _predict(self, latents: Tensor, x: Tensor) -> Tensor:
        """Predict the latents after frames ``(..., *D)`` from their tokens ``(..., N, W)``."""
        return latents + self.read_out(self.norm(x[..., : self.tokens, :])).reshape(latents.shape)

    def _mask(self, frames: int) -> Tensor:
        """Attention mask over all frames' tokens, one row per query; with sliding attention, the heads' biases."""
        age = torch.arange(frames, device=self.place.device).repeat_interleave(self.per_frame)
        back = age[:, None] - age
        seen = (back >= 0) & (back < self.history)
        if self.attention == "window":
            return seen
        return self.bias[None, :, back.clamp(0, self.history - 1)].masked_fill(~seen, -torch.inf)


class _Layer(nn.Module):
    """Attention and a perceptron, each on normalised tokens and added to them."""

    def __init__(self, width: int, heads: int, inner: int, mlp_size: int, affine: bool) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=affine) for _ in range(2))
        self.qkv = nn.Linear(width, 3 * inner, bias=False)
        self.out = nn.Linear(inner, width)
        self.mlp = nn.Sequential(nn.Linear(width, mlp_size), nn.GELU(), nn.Linear(mlp_size, width))

    def forward(self, x: Tensor, mask: Tensor, modulation: Tensor | None, cache: Cache | None) -> Tensor:
        """Update tokens ``(B, T, N, W)``; ``modulation`` is ``(B, T, 1, 6, W)``."""
        if modulation is None:
            x = x + self._attend(self.norms[0](x), mask, cache)
            return x + self.mlp(self.norms[1](x))
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = modulation.unbind(3)
        x = x + gate * self._attend(torch.addcmul(shift, self.norms[0](x), 1 + scale), mask, cache)
        return x + mlp_gate * self.mlp(torch.addcmul(mlp_shift, self.norms[1](x), 1 + mlp_scale))

    def _attend(self, x: Tensor, mask: Tensor, cache: Cache | None) -> Tensor:
        q, kv = self.qkv(x).unflatten(3, (3, self.heads, -1)).split((1, 2), dim=3)  # (B, T, N, 1 or 2, heads, head_dim)
        if cache is not None:
            frames = [*cache, kv]
            cache.append(kv)
            kv = torch.cat(frames, dim=1)
        q, k, v = (each.flatten(1, 2).transpose(1, 2) for each in (*q.unbind(3), *kv.unbind(3)))
        mask = mask.to(q.dtype) if mask.is_floating_point() else mask
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)  # (B, heads, T * N, head_dim)
        return self.out(seen.transpose(1, 2).flatten(2).unflatten(1, x.shape[1:3]))
