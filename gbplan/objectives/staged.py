"""Objectives that change in the course of an episode."""

from typing import Protocol, runtime_checkable

from gbplan.objectives.objective import Objective


@runtime_checkable
class Staged(Protocol):
    """An objective that depends on the number of executed steps."""

    def at_step(self, step: int) -> Objective:
        """Return the objective to replan with once ``step`` model steps of the episode have been executed."""


def at_step(objective: Objective, step: int) -> Objective:
    """Return the objective of a plan made after ``step`` executed model steps; most objectives do not change."""
    return objective.at_step(step) if isinstance(objective, Staged) else objective
