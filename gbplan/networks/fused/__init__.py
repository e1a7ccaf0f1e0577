"""Rolling out and differentiating known networks without autograd; planners come in through ``gradients``."""
