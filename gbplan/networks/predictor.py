"""One step of latent dynamics."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from gbplan.networks.normalizer import Normalizer


class Predictor(nn.Module, ABC):
    """Next latent from the last K latents and actions, all in standardised units.

    Attributes:
        latent_shape: *D, the shape of one latent.
        action_dim: A', the number of dimensions of a model action.
        history: K, the number of frames it looks at.
        activation_size: approximate count of numbers that a step of one row stores for its gradient; planners budget
            memory by it.
    """

    latent_shape: tuple[int, ...]
    action_dim: int
    history: int = 1

    @property
    def activation_size(self) -> int:
        """See the class; an estimate of 32 for each number of the latents it looks at."""
        size = self.history
        for length in self.latent_shape:
            size *= length
        return 32 * size

    def set_units(self, normalizer: Normalizer) -> None:
        """Receive the world model's normaliser, which standardises inputs and outputs; most predictors ignore it.

        The normaliser is fitted later, and belongs to the world model: store it, but not as a submodule.
        """

    @abstractmethod
    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Predict the next latents.

        Args:
            latents: of the last K frames, oldest first, ``(B, K, *D)``.
            actions: the action taken at each of them, ``(B, K, A')``.

        Returns:
            Latents after the last action, ``(B, *D)``.
        """

    def sequence(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Predict the next latent at every frame that has K - 1 frames before it.

        Args:
            latents: T consecutive frames, ``(B, T, *D)``, T >= K.
            actions: taken at each of them, ``(B, T, A')``.

        Returns:
            ``(B, T - K + 1, *D)``.

        Raises:
            ValueError: ``forward`` returns another shape than it should, here and in ``rollout``.
        """
        count = latents.shape[1] - self.history + 1
        windows, acts = (stretches(values, self.history).flatten(0, 1) for values in (latents, actions))
        return self._next(windows, acts).unflatten(0, (len(latents), count))

    def rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        """Predict steps 1..H, each from the frames that ``sequence`` would predict it from.

        Args:
            context: the last K frames, ``(B, K, *D)``.
            past_actions: taken between them, ``(B, K - 1, A')``.
            actions: actions to try, ``(N, H, A')``; N is B, or a multiple of it for several candidates of each row,
                side by side.

        Returns:
            ``(N, H, *D)``.
        """
        count = len(actions)
        frames = list(repeated(context, count).split(1, dim=1))
        taken = actions if self.history == 1 else torch.cat([repeated(past_actions, count), actions], dim=1)
        for t in range(actions.shape[1]):
            # With K = 1 the window is not copied, so that gradients add up in the same order as in a chain of steps.
            window = frames[-1] if self.history == 1 else torch.cat(frames[-self.history :], dim=1)
            frames.append(self._next(window, taken[:, t : t + self.history])[:, None])
        return torch.cat(frames[self.history :], dim=1)

    def _next(self, latents: Tensor, actions: Tensor) -> Tensor:
        predicted: Tensor = self(latents, actions)
        expected = latents[:, 0].shape
        if predicted.shape != expected:  # a loss would broadcast (B, 1, *D), and train on nonsense
            raise ValueError(
                f"{type(self).__name__}.forward must return the next latents, (B, *D) = {tuple(expected)}, got "
                f"{tuple(predicted.shape)}; it receives K frames, (B, K, *D), and the last one is latents[:, -1]"
            )
        return predicted


def repeated(values: Tensor, count: int) -> Tensor:
    """Repeat each of B rows equally often, ``(B, ...)`` to ``(count, ...)``."""
    return values if len(values) == count else values.repeat_interleave(count // len(values), dim=0)


def stretches(values: Tensor, length: int) -> Tensor:
    """All windows of ``length`` consecutive entries, ``(B, T, ...)`` to ``(B, T - length + 1, length, ...)``."""
    return values.unfold(1, length, 1).movedim(-1, 2)
