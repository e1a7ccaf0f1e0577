"""Diagnostics of a model: its errors, gradients, smoothness and planning losses beside the true ones."""
