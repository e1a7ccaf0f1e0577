"""The tasks of a round of online data collection, and the most transitions that they can take."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gbplan.evaluation import TaskSet


@dataclass(frozen=True)
class Group:
    """Tasks of a round with one kind and one way of planning.

    Attributes:
        tasks: the tasks.
        open_loop: whether each task is planned once, without replanning.
    """

    tasks: TaskSet
    open_loop: bool

    @property
    def name(self) -> str:
        """``kind/mode``; the mode alone for the tasks that the environment draws by itself."""
        mode = "open_loop" if self.open_loop else "mpc"
        return mode if self.tasks.kind is None else f"{self.tasks.kind}/{mode}"


@dataclass(frozen=True)
class RoundTasks:
    """Tasks divided evenly among the kinds, and each kind's among the two ways of planning.

    Attributes:
        sets: tasks of each kind, as many as a full round has.
        open_loop_fraction: share of each kind that is planned once, 0..1.
        plan_steps: environment steps of a plan, after which an open-loop episode ends.
        time_limit: environment steps after which any other episode ends at the latest.
    """

    sets: Sequence[TaskSet]
    open_loop_fraction: float
    plan_steps: int
    time_limit: int

    @property
    def full(self) -> int:
        """Tasks of a full round."""
        return sum(tasks.count for tasks in self.sets)

    def groups(self, count: int) -> list[Group]:
        """Divide so many tasks; returns the groups with at least one."""
        groups = []
        for index, tasks in enumerate(self.sets):
            number = count * (index + 1) // len(self.sets) - count * index // len(self.sets)
            once = round(self.open_loop_fraction * number)
            parts = {True: once, False: number - once}
            groups += [Group(replace(tasks, count=part), open_loop) for open_loop, part in parts.items() if part]
        return groups

    def most_transitions(self, count: int) -> int:
        """Transitions of so many tasks if none of them is solved."""
        steps = {True: self.plan_steps, False: self.time_limit}
        return sum(group.tasks.count * steps[group.open_loop] for group in self.groups(count))

    def affordable(self, transitions: int) -> int:
        """The most tasks, up to a full round, that stay within so many transitions even if none of them is solved."""
        count = self.full
        while count and self.most_transitions(count) > transitions:
            count -= 1
        return count
