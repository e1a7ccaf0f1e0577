"""Checks of the pictures that encoders read."""

import torch
from torch import Tensor


def picture_rows(key: str, pictures: Tensor, channels: int, size: int | None = None) -> Tensor:
    """Check pictures, and move their channels to where torch's layers expect them.

    Args:
        key: their entry in the observation, for the message.
        pictures: uint8 with channels last, ``(..., H, W, C)``.
        channels: C.
        size: H and W; None: any.

    Returns:
        ``(N, C, H, W)``, still uint8, with all leading axes flattened.

    Raises:
        ValueError: they are not uint8, or have another shape.
    """
    sides = ("height", "width") if size is None else (size, size)
    shape = tuple(pictures.shape[-3:])
    if pictures.dtype != torch.uint8:
        advice = "convert numbers in 0..1 by (255 * x).round() first"
    elif len(shape) < 3 or min(shape) < 1:
        advice = "give it the picture itself, not a part of it"
    elif shape[-1] != channels:
        advice = "move the channels to the end" if shape[0] == channels else "use an encoder of that many channels"
    elif size is not None and shape[:2] != sides:
        advice = "make the environment's pictures and the encoder's image_size equal"
    else:
        return pictures.reshape(-1, *shape).movedim(-1, 1)
    wanted = f"({sides[0]}, {sides[1]}, {channels})"
    raise ValueError(
        f"{key!r} must be uint8 pictures of shape {wanted} (channels last), got {pictures.dtype} of {shape}; {advice}"
    )
