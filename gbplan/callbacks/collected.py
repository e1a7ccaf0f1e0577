"""Episodes in a checkpoint."""

from typing import Any

import torch

from gbplan.data import Trajectories


def pack(trajectories: Trajectories) -> dict[str, Any]:
    """Turn episodes into tensors, which a checkpoint may hold under ``weights_only``."""
    return {
        "observations": {key: torch.from_numpy(array) for key, array in trajectories.observations.items()},
        "infos": {key: torch.from_numpy(array) for key, array in trajectories.infos.items()},
        "actions": torch.from_numpy(trajectories.actions),
        "rewards": torch.from_numpy(trajectories.rewards),
        "lengths": torch.from_numpy(trajectories.lengths),
        "terminated": torch.from_numpy(trajectories.terminated),
    }


def unpack(packed: dict[str, Any]) -> Trajectories:
    """Turn tensors back into episodes; the inverse of ``pack``."""
    return Trajectories(
        observations={key: tensor.numpy() for key, tensor in packed["observations"].items()},
        infos={key: tensor.numpy() for key, tensor in packed["infos"].items()},
        actions=packed["actions"].numpy(),
        rewards=packed["rewards"].numpy(),
        lengths=packed["lengths"].numpy(),
        terminated=packed["terminated"].numpy(),
    )
