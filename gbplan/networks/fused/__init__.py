"""Rollouts and gradients of known networks without autograd; planners use ``gradients``."""
