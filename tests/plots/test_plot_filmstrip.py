import numpy as np
import pytest

from gbplan.plots import plot_filmstrip


@pytest.mark.parametrize(("block", "drawn"), [(1, [0, 5, 10]), (5, [0, 1, 2])])
def test_plan_is_drawn_as_far_as_the_episode_has_come(block, drawn):
    path = np.zeros((11, 2))  # pictures at steps 0, 5, 10
    figure = plot_filmstrip(path, np.ones(2), imagined=np.zeros((10, 2)), frames=3, action_block=block)
    dashed = [line for axis in figure.axes for line in axis.get_lines() if line.get_linestyle() == "--"]
    assert [len(line.get_xdata()) for line in dashed] == drawn
