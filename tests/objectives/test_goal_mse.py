import torch

from gbplan.objectives import GoalMSE


def test_is_the_mean_square_of_the_last_step_alone():
    predicted = torch.tensor([[[9.0, 9.0], [1.0, 3.0]]])
    assert GoalMSE()(predicted, torch.zeros(1, 2), torch.zeros(1, 2, 1)).tolist() == [5.0]
