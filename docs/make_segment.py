"""Draw a segment task: the start over its goal, and the state after each of the expert's actions.

python docs/make_segment.py --env_id gbplan/Granular-v0 --output docs/figures/granular.png
"""

from pathlib import Path

import gymnasium as gym
import numpy as np
from jsonargparse import auto_cli
from PIL import Image

import gbplan  # noqa: F401  # registers the environments

SIZE, EDGE = 200, 2  # pixels of a picture, and of the line between two


def draw(env_id: str, output: str, seed: int = 0) -> None:
    """Draw the task of a seed.

    Args:
        env_id: an environment whose tasks are segments.
        output: path of the picture.
        seed: seed of the task.
    """
    env = gym.make(env_id, render_mode="rgb_array")
    env.reset(seed=seed)
    shown = [env.render()]
    for action in env.unwrapped.segment_actions():  # type: ignore[attr-defined]
        env.step(action)
        shown.append(env.render())
    pictures = [
        np.asarray(Image.fromarray(picture).resize((SIZE, SIZE), Image.Resampling.LANCZOS)) for picture in shown
    ]
    edged = [np.pad(picture, ((0, 0), (0, EDGE), (0, 0)), constant_values=255) for picture in pictures]
    Image.fromarray(np.concatenate(edged, axis=1)[:, :-EDGE]).quantize(64).save(Path(output), optimize=True)


if __name__ == "__main__":
    auto_cli(draw, as_positional=False)
