"""Figures that callbacks log to TensorBoard."""

from collections.abc import Callable, Sequence
from typing import Any

import lightning as L
import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger

from gbplan.callbacks.online_round import Executed
from gbplan.data import Trajectories
from gbplan.evaluation import paths_figure


def log_figure(trainer: L.Trainer, name: str, draw: Callable[[], Any]) -> None:
    """Log a figure from the first process; it is not drawn if no logger shows figures.

    Args:
        trainer: the trainer with the loggers.
        name: name of the figure in the logs.
        draw: makes a matplotlib figure; None: there is nothing to show.
    """
    loggers = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
    if not loggers or not trainer.is_global_zero:
        return
    figure = draw()
    for logger in loggers if figure is not None else ():
        logger.experiment.add_figure(name, figure, trainer.global_step)


def round_figure(executed: Sequence[Executed], shown: int) -> Any:
    """Draw imagined and executed paths of a round.

    Args:
        executed: the outcome of each group of tasks.
        shown: tasks in the figure, divided among the groups; at least one of each.

    Returns:
        A matplotlib figure; None if the goal space is not a plane.
    """
    each = max(1, shown // len(executed))
    imagined = [part.imagined[:each] for part in executed if part.imagined is not None]
    return paths_figure(
        Trajectories.concatenate([part.trajectories.select(range(min(each, len(part.tasks)))) for part in executed]),
        np.concatenate(imagined) if len(imagined) == len(executed) else None,
        np.concatenate([part.tasks.goals[:each] for part in executed]),
        np.concatenate([part.success[:each] for part in executed]),
        executed[0].background,
        executed[0].radius,
    )
