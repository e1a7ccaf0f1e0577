"""Films the episodes of models in an environment: one row of tasks per model, goals in pale colours.

Used as ``python docs/make_gif.py --output point_maze.gif --agent configs/point_maze/agents/gradient_open_loop.yaml
--tasks.env_id gbplan/PointMaze-v0 --tasks.kind detour --models "{base: runs/point_maze/base/best.ckpt, online: ...}"``.
"""

from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from jsonargparse import auto_cli
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gbplan.data import make_vector_env
from gbplan.envs import optional_method
from gbplan.evaluation import TaskSet, evaluate, load_world_model
from gbplan.policies import Agent

SIZE = 112  # pixels of a picture
EDGE = 3
COLORS = {True: (44, 140, 75), False: (190, 60, 50)}  # of the edge: reached, missed


def film(
    output: str, models: dict[str, str], agent: Agent, tasks: TaskSet, count: int = 6, every: int = 1, pace: int = 60
) -> None:
    """Plan tasks through each model, and film the first tasks that the first model misses.

    Args:
        output: path of the GIF.
        models: checkpoints by the names of their rows.
        agent: planner, objective and replanning, for all models.
        tasks: the tasks to choose from.
        count: number of tasks shown.
        every: environment steps from one picture to the next.
        pace: milliseconds from one picture to the next.
    """
    torch.set_num_threads(1)
    drawn, results = tasks.draw(), []
    with closing(make_vector_env(drawn.env_id, len(drawn), drawn.env_kwargs)) as envs:
        for name, path in models.items():
            results.append(evaluate(agent.policy(load_world_model(path)), envs, drawn))
            print(f"{name}: {results[-1].summary()}")
        shown = np.flatnonzero(~results[0].success)[:count]
        pictures = optional_method(envs, "render_state")
        goals = optional_method(envs, "render_goal")(drawn.goals[shown], SIZE)
        rows = []
        for result in results:
            states, episodes = result.trajectories.observations["observation"], [*result.trajectories.episodes()]
            for task, goal in zip(shown, goals, strict=True):
                seen = pictures(states[episodes[task]][::every], SIZE)
                rows.append(_edged(seen * 0.7 + goal * 0.3, bool(result.success[task])))
    length = max(map(len, rows))
    still = [np.concatenate([row, row[-1:].repeat(length - len(row), axis=0)]) for row in rows]
    across = len(shown)
    lines = [np.concatenate(still[i : i + across], axis=2) for i in range(0, len(still), across)]
    frames = [_named(Image.fromarray(frame), list(models)) for frame in np.concatenate(lines, axis=1)]
    palette = frames[-1].quantize(64)
    first, *rest = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    durations = [pace] * (length - 1) + [2500]
    first.save(Path(output), save_all=True, append_images=rest, duration=durations, loop=0)


def _edged(pictures: NDArray, reached: bool) -> NDArray[np.uint8]:
    """Add an edge to pictures ``(T, size, size, 3)``; the last edge's colour shows success or failure."""
    edged = np.pad(pictures.astype(np.uint8), ((0, 0), (EDGE, EDGE), (EDGE, EDGE), (0, 0)), constant_values=255)
    inside = edged[-1, EDGE:-EDGE, EDGE:-EDGE].copy()
    edged[-1], edged[-1, EDGE:-EDGE, EDGE:-EDGE] = COLORS[reached], inside
    return edged


def _named(frame: Image.Image, names: list[str]) -> Image.Image:
    """Draw a frame with the rows' names on its left."""
    wide = Image.new("RGB", (frame.width + 70, frame.height), "white")
    wide.paste(frame, (70, 0))
    for i, name in enumerate(names):
        place = (4, (i + 0.45) * frame.height / len(names))
        ImageDraw.Draw(wide).multiline_text(place, name.replace(" ", "\n"), "black")
    return wide


if __name__ == "__main__":
    auto_cli(film, as_positional=False)
