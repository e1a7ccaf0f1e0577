"""Rolling out and differentiating known networks without autograd."""
