"""A world model: encoder, normaliser and predictor in one module."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gbplan.networks.decoder import Decoder
from gbplan.networks.encoder import Encoder
from gbplan.networks.fused.rollout import fused_rollout
from gbplan.networks.normalizer import Normalizer, Per
from gbplan.networks.predictor import Predictor
from gbplan.networks.probe import Probe


class WorldModel(nn.Module):
    """Predicts latents under actions; takes observations and actions in environment units.

    B tasks, K history frames, H model steps, A' dimensions of a model action, *D latent shape, *G goal shape. Latents
    are standardised. A model step is ``action_block`` environment steps, and a model action their actions side by side.
    """

    def __init__(
        self,
        encoder: Encoder,
        predictor: Predictor,
        action_block: int = 1,
        normalize: Per = "dimension",
        probe: Probe | None = None,
        decoder: Decoder | None = None,
    ) -> None:
        """Join an encoder and a predictor.

        Args:
            encoder: observations to latents, and latents to goal space.
            predictor: latents and actions to next latents, in standardised units; it decides the history K.
            action_block: environment steps in a model step; the predictor's ``action_dim`` is a multiple of it.
            normalize: latents are standardised per dimension, or per channel, the last axis (for patches).
            probe: from latents to the environment's achieved goal; None: no probe, or the encoder is exact.
            decoder: from latents to pictures, for inspection; None: no decoder.

        Raises:
            TypeError: the encoder or the predictor does not define its shape.
            ValueError: the encoder's latent shape is not the predictor's, the probe's or the decoder's, or the block
                does not divide the actions.
        """
        super().__init__()
        for part, attribute in ((encoder, "latent_shape"), (predictor, "latent_shape"), (predictor, "action_dim")):
            if not hasattr(part, attribute):
                raise TypeError(f"{type(part).__name__} has no {attribute}; set it in its class or its __init__")
        if tuple(encoder.latent_shape) != tuple(predictor.latent_shape):
            raise ValueError(
                f"encoder and predictor must agree on the latent shape, got {tuple(encoder.latent_shape)} from the "
                f"encoder and {tuple(predictor.latent_shape)} from the predictor; give both the same dimension"
            )
        if action_block < 1 or predictor.action_dim % action_block:
            raise ValueError(
                f"action_block must be at least 1 and divide the predictor's action_dim, got {action_block} and "
                f"{predictor.action_dim}; action_dim is the environment's times action_block"
            )
        for name, reader in {"probe": probe, "decoder": decoder}.items():
            if reader is not None and tuple(reader.latent_shape) != tuple(encoder.latent_shape):
                raise ValueError(
                    f"the {name} reads latents of shape {tuple(reader.latent_shape)}, the encoder makes "
                    f"{tuple(encoder.latent_shape)}; give the {name} that latent_dim"
                )
        self.encoder = encoder
        self.predictor = predictor
        self.normalizer = Normalizer(tuple(predictor.latent_shape), predictor.action_dim, action_block, normalize)
        predictor.set_units(self.normalizer)
        self.probe = probe
        self.decoder = decoder
        self.action_block = action_block
        if encoder.frozen:
            encoder.requires_grad_(False).eval()

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """*D, the shape of one latent."""
        return tuple(self.encoder.latent_shape)

    @property
    def action_dim(self) -> int:
        """A', the number of dimensions of a model action."""
        return self.predictor.action_dim

    @property
    def env_action_dim(self) -> int:
        """A, the number of dimensions of an environment action."""
        return self.predictor.action_dim // self.action_block

    @property
    def history(self) -> int:
        """K, the number of frames it looks at."""
        return self.predictor.history

    @property
    def has_probe(self) -> bool:
        """Whether ``achieved_goal`` is available."""
        return self.probe is not None or self.encoder.exact_goals

    def encode(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Encode an observation dict with entries ``(..., *obs)`` into standardised latents ``(..., *D)``.

        Any leading axes work: ``(B, K, ...)`` for a planning context, ``(B, T, ...)`` for a window of training data.
        """
        if not self.encoder.frozen:
            return self.normalizer.standardize(self.encoder.encode(observations))
        with torch.no_grad():
            return self.normalizer.standardize(self.encoder.encode(observations))

    def encode_goal(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Encode the goal of an observation dict with entries ``(..., *obs)`` into goal space ``(..., *G)``."""
        return self.encoder.encode_goal(observations)

    def goal_features(self, latents: Tensor) -> Tensor:
        """Map latents ``(..., *D)`` into goal space, ``(..., *G)``; differentiable."""
        return self.encoder.goal_features(self.normalizer.restore(latents))

    def goal_deviations(self) -> Tensor:
        """Standard deviations of goal features over the training frames, ``(*G)``.

        Exact where each goal feature is a multiple of one number of the latent, as for all encoders of the package.
        They come from the normaliser, so they are 1 for an encoder trained with the model: its latents are not
        standardised.

        Raises:
            ValueError: the normaliser is not fitted, or a deviation is not positive.
        """
        if not self.normalizer.fitted:
            raise ValueError("the world model has seen no data whose deviations it could tell; train it first")
        std = self.normalizer.latent_std.expand(self.latent_shape)
        with torch.no_grad():
            deviations = (self.encoder.goal_features(std) - self.encoder.goal_features(torch.zeros_like(std))).abs()
        if not (deviations.isfinite() & (deviations > 0)).all():
            raise ValueError(
                f"{type(self.encoder).__name__}'s goal features do not tell their deviations, got "
                f"{deviations.tolist()}; give the objective a scale in numbers"
            )
        return deviations

    def achieved_goal(self, latents: Tensor) -> Tensor:
        """Achieved goals of latents ``(..., *D)`` in the environment's own goal space and units: belief, not truth.

        Raises:
            ValueError: the model has no probe, and its encoder is not exact.
        """
        if self.probe is not None:
            where: Tensor = self.probe(latents)
            return where
        if not self.encoder.exact_goals:
            raise ValueError(
                f"a world model of {type(self.encoder).__name__} cannot say what it achieves in the environment's "
                "units; give it a probe"
            )
        return self.goal_features(latents)

    def step(self, context: Tensor, actions: Tensor) -> Tensor:
        """Predict one step from the last K latents ``(..., K, *D)`` and the action at each, ``(..., K, A')``.

        Returns:
            The next latents, ``(..., *D)``.
        """
        lead = actions.shape[:-2]
        latents = context.reshape(-1, *context.shape[len(lead) :])
        acts = self.normalizer.standardize_actions(actions).reshape(-1, *actions.shape[-2:])
        predicted: Tensor = self.predictor(latents, acts)
        return predicted.reshape(*lead, *self.latent_shape)

    def sequence(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Predict the next latent at every frame with K - 1 frames before it, ``(B, T - K + 1, *D)``.

        Args:
            latents: consecutive frames, ``(B, T, *D)``.
            actions: taken at each, ``(B, T, A')``.
        """
        return self.predictor.sequence(latents, self.normalizer.standardize_actions(actions))

    def rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        """Predict steps 1..H, differentiably in ``actions``.

        Args:
            context: latents of the last K observed frames, ``(B, K, *D)``; if there are more, the last K count.
            past_actions: actions between the context's frames, ``(B, K - 1, A')``, in environment units.
            actions: actions to try, ``(N, H, A')``, in environment units; N is B, or a multiple of it for several
                candidates of each row, side by side.

        Returns:
            Latents after each action, ``(N, H, *D)``; the context is not among them.

        Raises:
            ValueError: the context has fewer than K frames.
        """
        history = self.history
        if context.shape[1] < history:
            raise ValueError(
                f"the context must have the model's {history} frames, got {context.shape[1]}; at the start of an "
                "episode repeat the first, as PlanningProblem.from_observations does"
            )
        fast = fused_rollout(self, context, actions)
        if fast is not None:
            return fast
        past = past_actions[:, 1 - history :] if history > 1 else past_actions[:, :0]
        return self.predictor.rollout(
            context[:, -history:],
            self.normalizer.standardize_actions(past),
            self.normalizer.standardize_actions(actions),
        )
