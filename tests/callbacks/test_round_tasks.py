from gbplan.callbacks.round_tasks import RoundTasks
from gbplan.evaluation import TaskSet


def round_of(*kinds, count=6, open_loop_fraction=0.5):
    sets = [TaskSet("DoorWall-v0", kind=kind, count=count, split="training") for kind in kinds]
    return RoundTasks(sets, open_loop_fraction, plan_steps=8, time_limit=16)


def sizes(tasks, count):
    return {group.name: group.tasks.count for group in tasks.groups(count)}


def test_tasks_are_divided_evenly_among_kinds_and_by_share_among_ways_of_planning():
    tasks = round_of("uniform", "detour", open_loop_fraction=1 / 3)
    assert tasks.full == 12
    assert sizes(tasks, 12) == {"uniform/open_loop": 2, "uniform/mpc": 4, "detour/open_loop": 2, "detour/mpc": 4}
    assert sizes(tasks, 7) == {"uniform/open_loop": 1, "uniform/mpc": 2, "detour/open_loop": 1, "detour/mpc": 3}
    assert sizes(tasks, 1) == {"detour/mpc": 1}
    assert sizes(round_of(None, open_loop_fraction=1.0), 2) == {"open_loop": 2}


def test_as_many_tasks_are_affordable_as_fit_even_if_none_is_solved():
    tasks = round_of("uniform", count=4)
    assert [tasks.most_transitions(count) for count in range(5)] == [0, 16, 24, 32, 48]
    assert [tasks.affordable(left) for left in (0, 15, 16, 31, 47, 48, 1000)] == [0, 0, 1, 2, 3, 4, 4]
