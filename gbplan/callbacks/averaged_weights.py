"""Planning with averaged weights, if the training averages them."""

from collections.abc import Iterator
from contextlib import contextmanager

import lightning as L
import torch
from lightning.pytorch.callbacks import StochasticWeightAveraging, WeightAveraging


@contextmanager
def averaged_weights(trainer: L.Trainer, pl_module: L.LightningModule) -> Iterator[None]:
    """Put the averaged weights of Lightning's callbacks, if there are any yet, into the module inside the context.

    These weights are the result of such a training: a ``WeightAveraging`` (for example ``EMAWeightAveraging``) saves
    them in its checkpoints, and Lightning validates with them. A ``StochasticWeightAveraging`` copies them to the
    module only when the training ends, so earlier checkpoints contain the weights that are not averaged.

    Args:
        trainer: the trainer with the averaging callbacks.
        pl_module: the module in training; its own weights return afterwards, bit for bit.
    """
    for callback in getattr(trainer, "callbacks", []):
        average = getattr(callback, "_average_model", None)
        if isinstance(callback, WeightAveraging) and average is not None and average.n_averaged:
            callback.on_validation_epoch_start(trainer, pl_module)  # swaps the weights
            try:
                yield
            finally:
                callback.on_validation_epoch_end(trainer, pl_module)
            return
        if isinstance(callback, StochasticWeightAveraging) and average is not None and callback.n_averaged:
            own = [parameter.detach().clone() for parameter in pl_module.parameters()]
            with torch.no_grad():
                callback.transfer_weights(average, pl_module)
            try:
                yield
            finally:
                with torch.no_grad():
                    for parameter, value in zip(pl_module.parameters(), own, strict=True):
                        parameter.copy_(value)
            return
    yield
