"""A first result in a minute: two shipped models, their imagined plans and the true outcomes."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from gbplan.files import replacing, require_writable_folder

if TYPE_CHECKING:
    from gbplan.policies import Agent

MODELS = {"door-wall/base": "base", "door-wall/online-adversarial": "online + adversarial"}
LEGEND = """\
dashed: where the first plan leads in imagination; solid: what happens; both models replan every 5 steps
next: gbplan.load_pretrained("door-wall/online-adversarial") is a model in Python; docs/start.md trains yours"""


def demo(output: str = "gbplan-demo.gif", overwrite: bool = False) -> None:
    """Plan eight held-out tasks through two shipped models, and write what they imagine and what happens as a GIF.

    Args:
        output: path of the GIF.
        overwrite: replace the file that is there.

    Raises:
        ValueError: ``output`` is not a file that ends in ``.gif``.
        FileExistsError: the file exists, and ``overwrite`` is False.
    """
    path = Path(output)
    if path.is_dir() or path.suffix != ".gif":
        raise ValueError(f"output must be a file that ends in .gif, got {output!r}")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{output} is there; choose another --output, or replace it with --overwrite")
    require_writable_folder(path.parent)
    gif = film()
    with replacing(path, "wb") as file:
        file.write(gif)
    print(f"see {path.resolve()}\n{LEGEND}")


def agent() -> "Agent":
    """Gradient descent with replanning, as in ``configs/agents/gradient_mpc.yaml``."""
    from gbplan.objectives import ReachGoal
    from gbplan.planners import GradientPlanner
    from gbplan.planners.noise import Knots
    from gbplan.policies import Agent

    planner = GradientPlanner(
        horizon=50, iterations=12, lr=0.1, num_samples=78, restarts=2, noise=Knots(5), init_std=2.0
    )
    return Agent(planner, ReachGoal(tau=0.05), replan_every=5)


def film() -> bytes:
    """Plan through each model, print the success, and draw the episodes."""
    import numpy as np
    import torch

    from gbplan.data import make_vector_env
    from gbplan.evaluation import TaskSet, evaluate
    from gbplan.networks.pretrained import load_pretrained
    from gbplan.plots.animation import animate_paths

    torch.set_num_threads(1)  # with networks this small, two threads wait for each other longer than they compute
    tasks = TaskSet("DoorWall-v0", kind="detour", count=8, min_distance=1.0).draw()  # the first held-out seeds
    results = []
    with closing(make_vector_env(tasks.env_id, len(tasks))) as envs:
        walls = envs.unwrapped.background()  # type: ignore[attr-defined]
        for name, label in MODELS.items():
            result = evaluate(agent().policy(load_pretrained(name)), envs, tasks)
            believed, reached = (int(flags.sum()) for flags in (result.records["believed"], result.success))
            print(f"{label + ':':22}solves {reached} of 8 tasks; {believed} of its 8 first plans arrive in imagination")
            results.append(result)
    paths = [(result, result.trajectories.observations["achieved_goal"]) for result in results]
    return animate_paths(
        executed=[positions[episode] for result, positions in paths for episode in result.trajectories.episodes()],
        imagined=[plan for result in results if result.imagined is not None for plan in result.imagined],
        goals=np.concatenate([tasks.goals] * len(results)),
        success=np.concatenate([result.success for result in results]),
        believed=np.concatenate([result.records["believed"] for result in results]),
        labels=list(MODELS.values()),
        background=walls,
        radius=results[0].radius,
    )
