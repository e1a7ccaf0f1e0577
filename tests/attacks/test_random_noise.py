import pytest
import torch

from gbplan.attacks import RandomNoise


def perturbed(kind, count=20_000):
    generator = torch.Generator().manual_seed(0)
    return RandomNoise(kind).perturb(
        torch.sum, torch.full((count, 2), 3.0), torch.tensor([0.5, 1.0]), generator=generator
    )


def test_corners_are_all_reached_equally_often():
    corners, counts = perturbed("corners").unique(dim=0, return_counts=True)
    assert corners.tolist() == [[2.5, 2.0], [2.5, 4.0], [3.5, 2.0], [3.5, 4.0]]
    assert (counts / counts.sum() - 0.25).abs().max() < 0.02


def test_uniform_noise_has_the_moments_of_the_box():
    noise = perturbed("uniform") - 3.0
    torch.testing.assert_close(noise.mean(0), torch.zeros(2), rtol=0, atol=0.02)
    torch.testing.assert_close(noise.std(0), torch.tensor([0.5, 1.0]) / 3**0.5, rtol=0.02, atol=0)


def test_unknown_kind_is_named():
    with pytest.raises(ValueError, match=r"kind must be one of \['uniform', 'corners'\], got 'gauss'"):
        RandomNoise("gauss")
