import io

import numpy as np
import pytest
from PIL import Image

from gbplan.plots import Frames, animate_frames, plot_frames


def frames_of(count, channels=3):
    executed = np.zeros((count, 4, 4, channels), np.uint8)
    return Frames(executed, executed + 200, 5 * np.arange(count))


def test_what_was_executed_stands_above_what_was_imagined():
    figure = plot_frames({"one": frames_of(20), "short": frames_of(3, channels=1)})
    shown = np.array([axis.images[0].get_array().max() if axis.images else -1 for axis in figure.axes]).reshape(4, 8)
    assert (shown[:2] == [[0], [200]]).all()
    assert (shown[2:, :3] == [[0], [200]]).all()
    assert (shown[2:, 3:] == -1).all()
    assert [axis.get_title() for axis in figure.axes[:8:7]] == ["step 0", "step 95"]
    assert [axis.get_ylabel() for axis in figure.axes[::8]] == [
        f"{name}\n{row}" for name in ("one", "short") for row in ("executed", "imagined")
    ]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_an_animation_has_both_side_by_side(channels):
    moving = frames_of(3, channels)
    moving.executed[1:, 0, 0] = 100  # GIFs leave out what does not change
    moving.executed[2:, 1, 1] = 100
    with Image.open(io.BytesIO(animate_frames(moving))) as animation:
        assert animation.n_frames == 3
        picture = np.asarray(animation.convert("L"))
    assert picture.shape == (4 * 48, (4 + 2 + 4) * 48)
    assert picture[-1, 0] == 0
    assert picture[-1, -1] == 200
