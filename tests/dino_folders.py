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


def write_dino(folder, kind="dinov2", seed=0, preprocessing=None, **changes):
    """Write a model into a folder, and return it."""
    name, sizes = KINDS[kind]
    sizes = sizes | changes
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    model = getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**sizes)).eval()
    for parameter in model.parameters():  # as drawn, layers are scaled and patches coloured too alike
        parameter.data += 0.2 * torch.randn_like(parameter)
    torch.set_rng_state(state)  # who asks for it draws what they would without
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    transformers.utils.logging.enable_progress_bar()
    if preprocessing is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing))
    return model


def write_hub(cache, name="facebook/dinov2-small", **changes):
    """Write a model into a folder as the hub's cache has it."""
    revision = "0" * 40
    hub = cache / f"models--{name.replace('/', '--')}"
    (hub / "refs").mkdir(parents=True)
    (hub / "refs" / "main").write_text(revision)
    write_dino(hub / "snapshots" / revision, **changes)
