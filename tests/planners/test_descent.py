import pytest
import torch

from gbplan.planners.descent import Descent

THEIRS = {
    "gd": lambda x: torch.optim.SGD([x], lr=0.1),
    "momentum": lambda x: torch.optim.SGD([x], lr=0.1, momentum=0.9),
    "adam": lambda x: torch.optim.Adam([x], lr=0.1, foreach=False),
    "adamw": lambda x: torch.optim.AdamW([x], lr=0.1, weight_decay=0.3, foreach=False),
}


def gradients(layout):
    """As a rollout that works step by step makes them: ``(B, R, H, A)``, in another order in memory."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        made = torch.randn(4, 3, 6, 2, generator=generator, dtype=torch.float64)
        yield made if layout == "contiguous" else made.permute(2, 0, 1, 3).contiguous().permute(1, 2, 0, 3)


@pytest.mark.parametrize("layout", ["contiguous", "time-major"])
@pytest.mark.parametrize("optimizer", THEIRS)
def test_steps_are_those_of_torch(optimizer, layout):
    x = torch.linspace(-1, 1, 4 * 3 * 6 * 2, dtype=torch.float64).reshape(4, 3, 6, 2)
    parameter = x.clone().requires_grad_()
    theirs, ours = THEIRS[optimizer](parameter), Descent(optimizer, 0.1, x, weight_decay=0.3)
    for gradient in gradients(layout):
        parameter.grad = gradient
        theirs.step()
        ours.step(x, gradient)
        torch.testing.assert_close(x, parameter.detach())


def test_entries_whose_gradient_is_not_finite_stay():
    x = torch.zeros(3)
    Descent("adam", 0.1, x).step(x, torch.tensor([torch.nan, torch.inf, 1.0]))
    assert x.tolist() == pytest.approx([0.0, 0.0, -0.1])


def test_rows_that_go_on_keep_their_momentum():
    alone, together = torch.zeros(1, 2), torch.zeros(3, 2)
    one, three = Descent("adam", 0.1, alone), Descent("adam", 0.1, together)
    gradient = torch.tensor([[1.0, -2.0], [3.0, 0.5], [-1.0, 4.0]])
    one.step(alone, gradient[1:2])
    three.step(together, gradient)
    three.select(torch.tensor([False, True, False]))
    left = together[1:2].clone()
    one.step(alone, -gradient[1:2])
    three.step(left, -gradient[1:2])
    torch.testing.assert_close(left, alone)
