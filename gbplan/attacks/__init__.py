"""Perturbations inside a box, found by the gradient of a loss or drawn at random. Needs torch only."""

from gbplan.attacks.attack import Attack, Loss
from gbplan.attacks.fgsm import FGSM, fgsm
from gbplan.attacks.no_attack import NoAttack
from gbplan.attacks.pgd import PGD, pgd
from gbplan.attacks.random_noise import RandomNoise, random_noise

__all__ = ["FGSM", "PGD", "Attack", "Loss", "NoAttack", "RandomNoise", "fgsm", "pgd", "random_noise"]
