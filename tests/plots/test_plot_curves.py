import matplotlib
import numpy as np

from gbplan.plots import Curve, plot_panels, theme


def test_a_name_has_one_look_and_one_place_in_the_legend_whatever_the_panel():
    panels = {"left": {"b": Curve([1, 2], [3, 4])}, "right": {"a": Curve([1, 2], [5, 6]), "b": Curve([1, 2], [7, 8])}}
    figure = plot_panels(panels, "x", "y")
    left, right = figure.axes
    assert (left.get_title(), right.get_title()) == ("left", "right")
    look = {line.get_label(): line.get_color() for line in right.lines}
    assert left.lines[0].get_color() == look["b"] != look["a"]
    assert [text.get_text() for text in right.get_legend().texts] == ["b", "a"]
    np.testing.assert_array_equal(right.lines[0].get_data(), [[1, 2], [5, 6]])


def test_a_level_goes_from_side_to_side_in_the_ink_of_the_theme():
    with theme("dark"):
        axis = plot_panels(
            {"": {"level": Curve(None, [0.5], [0.4], [0.6]), "line": Curve([1, 2], [3, 4])}}, "x", "y"
        ).axes[0]
        level, line = axis.lines
        assert level.get_color() == matplotlib.rcParams["text.color"]
        assert line.get_color() == matplotlib.rcParams["axes.prop_cycle"].by_key()["color"][0]
    assert list(level.get_xdata()) == [0, 1]  # shares of the axis
    assert list(level.get_ydata()) == [0.5, 0.5]


def test_panels_with_nothing_below_them_say_what_their_axis_is():
    figure = plot_panels({str(i): {"a": Curve([1, 2], [3, 4])} for i in range(4)}, "steps", "y")
    assert [axis.get_xlabel() for axis in figure.axes[:4]] == ["", "steps", "steps", "steps"]
    assert [axis.axison for axis in figure.axes] == [True] * 4 + [False] * 2


def test_logarithmic_axis_of_less_than_a_decade_has_ticks_that_can_be_read():
    figure = plot_panels({"": {"a": Curve([3000, 40000], [0.1, 0.2])}}, "calls", "success", log_x=True)
    figure.canvas.draw()
    low, high = figure.axes[0].get_xlim()
    ticks = figure.axes[0].get_xticks()
    shown = [t.get_text() for t, x in zip(figure.axes[0].get_xticklabels(), ticks, strict=True) if low <= x <= high]
    assert shown == ["5,000", "10,000", "20,000"]


def test_ticks_of_a_single_point_are_whole_steps():
    figure = plot_panels({"": {"a": Curve([1], [0.5])}}, "epoch", "success")
    figure.canvas.draw()
    low, high = figure.axes[0].get_xlim()
    assert [x for x in figure.axes[0].get_xticks() if low <= x <= high] == [1.0]
