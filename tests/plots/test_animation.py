import io

import numpy as np
from PIL import Image

from gbplan.plots.animation import FRAMES, animate_paths
from gbplan.plots.trajectories import EXECUTED, FAILED, IMAGINED


def colors(picture):
    """The colours of a picture's pixels."""
    return {color for _, color in picture.convert("RGB").getcolors(1 << 20)}


def near(color, picture, distance=80):
    """Whether a colour is in a picture, about."""
    wanted = np.array([int(color[place : place + 2], 16) for place in (1, 3, 5)])
    return any(np.abs(np.array(seen) - wanted).sum() < distance for seen in colors(picture))


def frames(**changed):
    path = np.stack([np.linspace(-1, 1, 61), np.zeros(61)], axis=1)
    arguments = {
        "executed": [path, path[:20]],
        "imagined": [path + 0.3, path + 0.3],
        "goals": np.array([[1.0, 0.0], [1.0, 0.0]]),
        "success": np.array([True, False]),
        "believed": np.array([True, True]),
        "labels": ["first", "second"],
        "background": np.array([[[-2.0, -2.0], [2.0, -2.0]], [[-2.0, 2.0], [2.0, 2.0]]]),
        "radius": 0.2,
    }
    gif = Image.open(io.BytesIO(animate_paths(**arguments | changed)))
    for number in range(gif.n_frames):
        gif.seek(number)
        yield gif.convert("RGB")


def test_plan_comes_first_then_what_happens_then_how_it_ended():
    first, *_, last = shown = list(frames())
    planned = shown[FRAMES - 1]
    assert not near(IMAGINED, first)
    assert near(IMAGINED, planned)
    assert not near(EXECUTED, planned)
    assert near(EXECUTED, last)
    assert near(FAILED, last)


def test_success_of_all_leaves_no_failure():
    *_, last = frames(success=np.array([True, True]))
    assert near(EXECUTED, last)
    assert not near(FAILED, last)
