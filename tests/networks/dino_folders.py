"""Folders with a tiny DINO each, of random weights, as `save_pretrained` leaves them."""

import json

import torch
import transformers

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 14, "image_size": 56}
KINDS = {
    "dinov2": ("Dinov2", SIZES | {"mlp_ratio": 2}),
    "dinov2_with_registers": ("Dinov2WithRegisters", SIZES | {"mlp_ratio": 2, "num_register_tokens": 4}),
    "dinov3_vit": (
        "DINOv3ViT",
        SIZES | {"intermediate_size": 64, "num_register_tokens": 4, "patch_size": 16, "image_size": 64},
    ),
}


def write_dino(folder, kind="dinov2", seed=0, preprocessing=None):
    """Write a model into a folder, and return it."""
    name, sizes = KINDS[kind]
    torch.manual_seed(seed)
    model = getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**sizes)).eval()
    for parameter in model.parameters():  # as drawn, layers are scaled and patches coloured too alike
        parameter.data += 0.2 * torch.randn_like(parameter)
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    transformers.utils.logging.enable_progress_bar()
    if preprocessing is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing))
    return model
