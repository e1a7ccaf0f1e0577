"""Why a model can or cannot be trusted: its errors, gradients, smoothness and planning losses beside the truth."""
