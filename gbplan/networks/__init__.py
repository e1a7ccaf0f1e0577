"""Plain ``nn.Module`` world models: encoders, predictors, and the model that joins them. No losses, no Lightning."""

from gbplan.networks.body_frame import BodyFramePredictor
from gbplan.networks.conv import ConvEncoder
from gbplan.networks.decoder import Decoder
from gbplan.networks.dino import DinoEncoder
from gbplan.networks.encoder import Encoder, IdentityEncoder
from gbplan.networks.init_network import InitNetwork
from gbplan.networks.mlp import MLPPredictor
from gbplan.networks.normalizer import Normalizer
from gbplan.networks.predictor import Predictor
from gbplan.networks.probe import Probe
from gbplan.networks.proprioception import ProprioceptiveEncoder
from gbplan.networks.push_frame import PushFramePredictor
from gbplan.networks.pushed_cube import PushedCubeEncoder, PushedCubePredictor
from gbplan.networks.pushed_discs import PushedDiscsPredictor
from gbplan.networks.vit import ViTPredictor
from gbplan.networks.vit_encoder import ViTEncoder
from gbplan.networks.world_model import WorldModel

__all__ = [
    "BodyFramePredictor",
    "ConvEncoder",
    "Decoder",
    "DinoEncoder",
    "Encoder",
    "IdentityEncoder",
    "InitNetwork",
    "MLPPredictor",
    "Normalizer",
    "Predictor",
    "Probe",
    "ProprioceptiveEncoder",
    "PushFramePredictor",
    "PushedCubeEncoder",
    "PushedCubePredictor",
    "PushedDiscsPredictor",
    "ViTEncoder",
    "ViTPredictor",
    "WorldModel",
]
