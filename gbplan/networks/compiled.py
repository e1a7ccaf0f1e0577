"""A check for models compiled by torch."""

from torch import nn


def require_own_names(model: nn.Module) -> None:
    """Check that no part is wrapped by ``torch.compile``: its weights would have names that no checkpoint has.

    A part compiled in place, ``world_model.predictor.compile()``, keeps its names.

    Raises:
        TypeError: a part is wrapped.
    """
    wrapped = [name.removesuffix("_orig_mod") for name, _ in model.named_modules() if name.endswith("_orig_mod")]
    if wrapped:
        raise TypeError(
            f"{wrapped[0].rstrip('.') or type(model).__name__} is wrapped by torch.compile, which renames its weights; "
            "compile in place what is called at every step instead: world_model.predictor.compile()"
        )
