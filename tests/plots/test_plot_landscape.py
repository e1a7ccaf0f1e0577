import numpy as np
import pytest

from gbplan.plots import plot_landscape

AXIS = np.linspace(-1.25, 1.25, 11)
BOWL = AXIS[None, :] ** 2 + AXIS[:, None] ** 2


def panels(figure):
    return [axis for axis in figure.axes if axis.get_title()]


def test_all_models_are_drawn_in_the_same_colours_with_the_plans_marked():
    plans = {"expert": (0, 0), "base": (1, 0), "online": (0, 1)}
    figure = plot_landscape(AXIS, AXIS, {"truth": BOWL, "base": 2 * BOWL, "online": BOWL + 1}, plans, columns=2)
    assert [axis.get_title() for axis in panels(figure)] == ["truth", "base", "online"]
    for axis in panels(figure):
        norm = axis.collections[0].norm
        assert (norm.vmin, norm.vmax) == (pytest.approx(0), pytest.approx(2 * BOWL.max()))
        assert [tuple(line.get_xydata()[0]) for line in axis.lines] == list(plans.values())
    figure.canvas.draw()


def test_limit_and_losses_that_are_not_finite_do_not_spoil_the_colours():
    diverged = BOWL.copy()
    diverged[0, 0], diverged[0, 1] = np.nan, np.inf
    figure = plot_landscape(AXIS, AXIS, {"diverged": diverged}, limit=0.3)
    norm = panels(figure)[0].collections[0].norm
    assert (norm.vmin, norm.vmax) == (pytest.approx(0), 0.3)
    figure.canvas.draw()


def test_flat_landscape_can_be_drawn():
    plot_landscape(AXIS, AXIS, {"flat": np.ones((11, 11))}).canvas.draw()
