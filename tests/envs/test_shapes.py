import numpy as np
import pytest

from gbplan.envs.shapes import chamfer

STRAIGHT = np.stack([0.02 * np.arange(-10, 11), np.zeros(21)], axis=1)


def test_chamfer_distances_that_are_known():
    shape = STRAIGHT.ravel()
    assert chamfer(shape, shape) == 0
    assert chamfer(shape, STRAIGHT[::-1].ravel()) == 0  # which node is where does not count
    assert chamfer(shape, (STRAIGHT + np.array([0.0, 0.07])).ravel()) == pytest.approx(0.07)
    # Shifted by ten nodes: of each shape eleven lie on the other, and the rest 1 to 10 nodes from it.
    assert chamfer(shape, (STRAIGHT + np.array([0.2, 0.0])).ravel()) == pytest.approx(0.02 * 55 / 21)
    many = np.stack([shape, shape + 0.1, shape - 0.03])
    np.testing.assert_array_equal(
        chamfer(many, many[::-1]),
        [chamfer(one, other) for one, other in zip(many, many[::-1], strict=True)],
    )
