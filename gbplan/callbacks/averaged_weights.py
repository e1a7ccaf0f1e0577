"""Planning with averaged weights, where a training averages them."""

from collections.abc import Iterator
from contextlib import contextmanager

import lightning as L
import torch
from lightning.pytorch.callbacks import StochasticWeightAveraging, WeightAveraging


@contextmanager
def averaged_weights(trainer: L.Trainer, pl_module: L.LightningModule) -> Iterator[None]:
    """Lend the module the averaged weights of Lightning's callbacks, if there are any by now.

    They are the weights that such a training is for: a ``WeightAveraging`` (as ``EMAWeightAveraging`` is one) puts them
    into its checkpoints, and Lightning validates with them. A ``StochasticWeightAveraging`` hands them over at the end
    of the training only, so that checkpoints before it hold the others.

    Args:
        trainer: whose callbacks average.
        pl_module: gets its own weights back, to the bit.
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
