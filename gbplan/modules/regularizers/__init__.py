"""Regularisers that keep the latents of a trained encoder from collapsing: one class a file."""

from gbplan.modules.regularizers.labels import Labels
from gbplan.modules.regularizers.reconstruction import Reconstruction
from gbplan.modules.regularizers.regularizer import Regularizer, RegularizerSum, require_stable_latents
from gbplan.modules.regularizers.sigreg import SIGReg
from gbplan.modules.regularizers.straightening import TemporalStraightening
from gbplan.modules.regularizers.vicreg import VICReg

__all__ = [
    "Labels",
    "Reconstruction",
    "Regularizer",
    "RegularizerSum",
    "SIGReg",
    "TemporalStraightening",
    "VICReg",
    "require_stable_latents",
]
