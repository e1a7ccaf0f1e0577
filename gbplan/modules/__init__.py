"""LightningModules: loss, optimiser and logging around a plain network."""

from gbplan.modules.adversarial_module import AdversarialWorldModelModule
from gbplan.modules.checkpoints import (
    SafeCheckpointIO,
    load_encoder_weights,
    load_world_model_weights,
    read_checkpoint,
    world_model_weights,
)
from gbplan.modules.init_network_module import InitNetworkModule
from gbplan.modules.regularizers import (
    Labels,
    Reconstruction,
    Regularizer,
    RegularizerSum,
    SIGReg,
    TemporalStraightening,
    VICReg,
)
from gbplan.modules.world_model_module import WorldModelModule

__all__ = [
    "AdversarialWorldModelModule",
    "InitNetworkModule",
    "Labels",
    "Reconstruction",
    "Regularizer",
    "RegularizerSum",
    "SIGReg",
    "SafeCheckpointIO",
    "TemporalStraightening",
    "VICReg",
    "WorldModelModule",
    "load_encoder_weights",
    "load_world_model_weights",
    "read_checkpoint",
    "world_model_weights",
]
