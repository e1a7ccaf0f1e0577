"""How wrong a world model is along given trajectories."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gbplan.data import Trajectories
from gbplan.networks import WorldModel
from gbplan.networks.eval_mode import eval_mode


@dataclass(frozen=True)
class ModelError:
    """Distances in goal space (for states: environment units).

    Attributes:
        one_step: mean over the episode of the error of one step from the true state, ``(E,)``.
        open_loop: error of a rollout from the episode's first frame, mean over its first ``horizon`` steps or all the
            steps there are, ``(E,)``.
        by_step: error of that rollout after 1, 2, ... steps, ``(E, H)`` or as many as the longest episode has; NaN
            after an episode's end.
        horizon: H, the most steps of the rollout.
    """

    one_step: NDArray[np.float64]
    open_loop: NDArray[np.float64]
    by_step: NDArray[np.float64]
    horizon: int


@torch.no_grad()
def model_error(world_model: WorldModel, trajectories: Trajectories, horizon: int = 25) -> ModelError:
    """Compare a model with what really happened, under the actions that were really taken.

    Args:
        world_model: the model; used in eval mode, its mode is restored.
        trajectories: E episodes.
        horizon: H, longest open-loop rollout, >= 1.

    Returns:
        The errors.
    """
    device = world_model.normalizer.latent_mean.device
    longest = int(trajectories.lengths.max())
    episodes, lengths = len(trajectories), torch.from_numpy(trajectories.lengths).to(device)
    # Episodes side by side, the short ones padded by their last frame: (E, T + 1, ...)
    frames = trajectories.starts[:, None] + np.minimum(np.arange(longest + 1), trajectories.lengths[:, None])
    observations = {
        key: torch.as_tensor(trajectories.observations[key][frames], dtype=torch.float32, device=device)
        for key in world_model.encoder.observation_keys
    }
    actions = torch.as_tensor(trajectories.actions[frames[:, :-1]], dtype=torch.float32, device=device)
    taken = torch.arange(longest, device=device) < lengths[:, None]  # (E, T)

    def distance(predicted: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
        apart = world_model.achieved_goal(predicted) - world_model.achieved_goal(true)
        return apart.reshape(episodes, predicted.shape[1], -1).double().norm(dim=-1)  # (E, T)

    steps = min(horizon, longest)
    with eval_mode(world_model):
        latents = world_model.encode(observations)
        one_step = distance(world_model.sequence(latents[:, :-1], actions), latents[:, 1:])
        rolled = world_model.rollout(latents[:, :1], actions[:, :0], actions[:, :steps])
        open_loop = distance(rolled, latents[:, 1 : steps + 1])
    rolled_taken = taken[:, :steps]
    open_loop = torch.where(rolled_taken, open_loop, 0.0)  # after an episode's end the rollout may overflow
    return ModelError(
        one_step=((one_step * taken).sum(1) / taken.sum(1)).cpu().numpy(),
        open_loop=(open_loop.sum(1) / rolled_taken.sum(1)).cpu().numpy(),
        by_step=torch.where(rolled_taken, open_loop, torch.nan).cpu().numpy(),
        horizon=horizon,
    )
