"""Planning through transformers of published sizes, beside the usual implementations, same weights, in one run.

- LeWorldModel's size: one token of 192 per frame, 6 layers, 16 heads of 64, AdaLN, K = 3, H = 5, action blocks of 5.
  Ours is ``GradientPlanner`` or ``CEMPlanner``; beside it stable-worldmodel's ``GradientSolver(Adam)`` or ``CEMSolver``
  on the same predictor, rolled out as its LeWM does: the last K frames are encoded again at every step. Its weights
  require gradients, as those of a model that was just loaded do; ``frozen`` is with ``requires_grad_(False)``.
- DINO-WM's size: 196 tokens of 394, 404 wide, K = 3: cost and gradient of 8 candidates of one task. Beside it the
  authors' loop in plain PyTorch: softmax of all scores, weights that require gradients, windows encoded again.
- A latent of 64 numbers from a picture through the fused path, beside a state of 4 numbers, same hidden layers.

``window`` encodes the last K frames at every step, as the published models do: the same numbers as the authors' loop,
which is checked. ``sliding`` has the same layers and weights, but keeps keys and values, see ``ViTPredictor``;
``bfloat16`` is ``sliding`` as an agent with ``precision: bfloat16`` plans. If stable-worldmodel is not installed, plain
loops with as many model calls replace its solvers.

The ways are interleaved, and ratios taken within a round, so that a busy machine slows all of them alike. For the same
reason everything runs in one thread, and the clock counts the process's own CPU time. Times are of an iteration: plans
of a few iterations are timed, and all iterations are alike.

    python benchmarks/transformer_plans.py            # prints the tables and writes them beside this file
"""

import argparse
import contextlib
import io
import os
import platform
import statistics
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from peers import installed
from rollout import interleave, ratio
from torch import Tensor, nn
from torch.nn import functional as F

from gbplan.networks import ConvEncoder, Encoder, IdentityEncoder, MLPPredictor, ViTPredictor, WorldModel
from gbplan.networks.bfloat16 import in_bfloat16
from gbplan.objectives import GoalMSE
from gbplan.planners import CEMPlanner, GradientPlanner, Planner, PlanningProblem, White

Ways = dict[str, Callable[[], object]]
ACTIONS, BLOCK, HISTORY, HORIZON = 10, 5, 3, 5
SAMPLES, ELITES = 300, 30
LEWORLDMODEL = {"width": 192, "depth": 6, "heads": 16, "head_dim": 64, "mlp_size": 2048, "conditioning": "adaln"}
DINO_WM = {"width": 404, "depth": 6, "heads": 16, "head_dim": 64, "mlp_size": 2048, "conditioning": "token"}
CANDIDATES = 8
TABLES = ["gradient-1", "gradient-16", "cem-1", "cem-16", "dino-wm", "compact"]


class Latents(Encoder):
    """Observations are latents."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.latent_shape = shape

    def encode(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Return the latent itself."""
        return observations["observation"]

    def encode_goal(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Return the latent itself."""
        return observations["desired_goal"]

    def goal_features(self, latent: Tensor) -> Tensor:
        """Return the latent itself."""
        return latent


def make_model(shape: tuple[int, ...], attention: str, sizes: dict) -> WorldModel:
    """Make a model with weights at a trained network's scale, the same for both kinds of attention."""
    predictor = ViTPredictor(shape, ACTIONS, HISTORY, attention=attention, **sizes)
    for name, parameter in predictor.named_parameters():
        generator = torch.Generator().manual_seed(sum(name.encode()))
        if name.endswith("bias"):
            parameter.data.zero_()
        elif parameter.ndim > 1:
            parameter.data = torch.randn(parameter.shape, generator=generator) / parameter.shape[-1] ** 0.5 / 2
    return WorldModel(Latents(shape), predictor, BLOCK, normalize="channel").eval()


def make_problem(model: WorldModel, batch: int) -> PlanningProblem:
    generator = torch.Generator().manual_seed(batch)
    context = torch.randn(batch, HISTORY, *model.latent_shape, generator=generator)
    goal = context[:, -1] + torch.randn(batch, *model.latent_shape, generator=generator)
    one, past = torch.ones(ACTIONS), torch.zeros(batch, HISTORY - 1, ACTIONS)
    return PlanningProblem(model, GoalMSE(), context, past, goal, -one, one, action_block=BLOCK)


# ------------------------------------------------------------------------------------------------------- LeWorldModel


class Costed(nn.Module):
    """A model for stable-worldmodel's solvers: candidates ``(B, S, H, A)`` to costs ``(B, S)``, windows re-encoded."""

    def __init__(self, model: WorldModel) -> None:
        super().__init__()
        self.predictor = model.predictor

    def get_cost(self, info: dict[str, Tensor], candidates: Tensor) -> Tensor:
        """Mean squared distance to the goal after the last step."""
        lead = candidates.shape[:2]
        frames = list(info["context"].flatten(0, 1).unbind(1))
        actions = torch.cat([info["past"], candidates], dim=2).flatten(0, 1)
        for t in range(candidates.shape[2]):
            frames.append(self.predictor(torch.stack(frames[t:], dim=1), actions[:, t : t + HISTORY]))
        return (frames[-1].unflatten(0, lead) - info["goal"]).square().mean(-1)

    criterion = get_cost


class PlainSolver:
    """Makes as many model calls as stable-worldmodel's solvers, if that is not installed."""

    def __init__(self, model: Costed, n_steps: int, num_samples: int = 1, topk: int = 1, **_: object) -> None:
        self.model, self.steps, self.samples, self.topk = model, n_steps, num_samples, topk

    def configure(self, **_: object) -> None:
        """Do nothing: sizes are those of the problem."""

    def solve(self, info: dict[str, Tensor]) -> dict[str, Tensor]:
        """Plan by Adam, or, with several samples, by CEM."""
        batch, samples = len(info["goal"]), self.samples
        info = {key: x[:, None].expand(batch, samples, *x.shape[1:]) for key, x in info.items()}
        actions = torch.zeros(batch, samples, HORIZON, ACTIONS, requires_grad=samples == 1)
        if samples == 1:
            adam = torch.optim.Adam([actions], 0.1)
            for _ in range(self.steps):
                self.model.get_cost(info, actions).sum().backward()
                adam.step()
                adam.zero_grad()
            return {"actions": actions.detach()[:, 0]}
        mean, std = actions[:, :1], torch.ones(batch, 1, HORIZON, ACTIONS)
        for _ in range(self.steps):
            tried = mean + std * torch.randn(actions.shape)
            with torch.no_grad():
                best = self.model.get_cost(info, tried).topk(self.topk, largest=False)[1]
            elites = tried.gather(1, best[..., None, None].expand(-1, -1, HORIZON, ACTIONS))
            mean, std = elites.mean(1, keepdim=True), elites.std(1, keepdim=True)
        return {"actions": mean[:, 0]}


def solver(problem: PlanningProblem, name: str, frozen: bool = False, **settings: object) -> Callable[[], Tensor]:
    costed = Costed(problem.model)
    if installed("stable_worldmodel"):
        from stable_worldmodel import solver as solvers
        from stable_worldmodel.policy import PlanConfig

        made, config = getattr(solvers, name)(costed, seed=0, **settings), PlanConfig(HORIZON, HORIZON)
    else:
        made, config = PlainSolver(costed, **settings), None
    batch = problem.batch_size
    made.configure(action_space=gym.spaces.Box(-1, 1, (batch, ACTIONS), np.float32), n_envs=batch, config=config)
    info = {"context": problem.context, "past": problem.past_actions, "goal": problem.goal}

    def solve() -> Tensor:
        costed.requires_grad_(not frozen)
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # each solve prints its time
                return made.solve(dict(info))["actions"]
        finally:
            costed.zero_grad()

    return solve


def leworldmodel_table(planner: str, batch: int, iterations: int, rounds: int) -> list[str]:
    window, sliding = (
        make_problem(make_model((192,), attention, LEWORLDMODEL), batch) for attention in ("window", "sliding")
    )
    ours = {"window": window, "sliding": sliding, "bfloat16": replace(sliding, model=in_bfloat16(sliding.model))}
    mine: Planner
    if planner == "gradient":
        mine = GradientPlanner(HORIZON, iterations, 0.1, num_samples=1, restarts=1, init_std=0.0)
        theirs, settings = "GradientSolver", {"optimizer_cls": torch.optim.Adam, "optimizer_kwargs": {"lr": 0.1}}
    else:
        mine = CEMPlanner(HORIZON, iterations, SAMPLES, ELITES, White(), init_std=1.0)
        theirs, settings = "CEMSolver", {"num_samples": SAMPLES, "topk": ELITES}
    ways: Ways = {name: lambda problem=problem: mine.plan(problem) for name, problem in ours.items()}
    ways["swm"] = solver(window, theirs, n_steps=iterations, **settings)
    if planner == "gradient":
        ways["swm, frozen weights"] = solver(window, theirs, frozen=True, n_steps=iterations, **settings)
    times = interleave(ways, rounds, 0.0)
    title = f"{theirs}, {batch} problem{'s' * (batch > 1)}, {iterations} iterations"
    lines = [f"| {title} | ms an iteration | **swm / it** |", "|---|---:|---:|"]
    for name in ways:
        lines.append(
            f"| {name} | {1e3 * statistics.median(times[name]) / iterations:,.1f} | {ratio(times, 'swm', name):.2f} |"
        )
    return lines


# ------------------------------------------------------------------------------------------------------------ DINO-WM


def authors_prediction(model: ViTPredictor, latents: Tensor, actions: Tensor) -> Tensor:
    """One step in plain PyTorch: all scores, their mask and their softmax in memory."""
    x = torch.cat([model.read_in(latents), model.read_action(actions)[:, :, None]], dim=2) + model.place + model.frame
    frames, per_frame = x.shape[1:3]
    x = x.flatten(1, 2)
    age = torch.arange(frames).repeat_interleave(per_frame)
    hidden = age[:, None] < age
    for layer in model.layers:
        q, k, v = (
            part.unflatten(2, (layer.heads, -1)).transpose(1, 2) for part in layer.qkv(layer.norms[0](x)).chunk(3, 2)
        )
        scores = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).masked_fill(hidden, -torch.inf)
        x = x + layer.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        x = x + layer.mlp(layer.norms[1](x))
    last = x.unflatten(1, (frames, per_frame))[:, -1, : model.tokens]
    return latents[:, -1] + model.read_out(model.norm(last))


def authors_iteration(problem: PlanningProblem, actions: Tensor) -> tuple[Tensor, Tensor]:
    """Cost and gradient of candidates ``(1, S, H, A)``: all rows at once, backward to all that requires gradients."""
    model, count = problem.model.predictor, actions.shape[1]
    actions = actions[0].clone().requires_grad_()
    frames = list(problem.context.expand(count, -1, -1, -1).unbind(1))
    taken = torch.cat([problem.past_actions.expand(count, -1, -1), actions], dim=1)
    for t in range(actions.shape[1]):
        frames.append(authors_prediction(model, torch.stack(frames[t:], dim=1), taken[:, t : t + HISTORY]))
    cost = F.mse_loss(frames[-1], problem.goal.expand_as(frames[-1]), reduction="none").mean(dim=(1, 2))
    cost.sum().backward()
    model.zero_grad()
    assert actions.grad is not None
    return cost.detach()[None], actions.grad[None]


def dino_problem(way: str) -> PlanningProblem:
    attention = "window" if way in ("authors", "window", "nothing") else "sliding"
    model = make_model((196, 394), attention, DINO_WM)
    return make_problem(in_bfloat16(model) if way == "bfloat16" else model, 1)


def dino_way(way: str, horizon: int) -> Callable[[], object]:
    """One iteration; ours runs as in a planner, in the context of a plan."""
    problem = dino_problem(way)
    actions = 0.1 * torch.randn(1, CANDIDATES, horizon, ACTIONS, generator=torch.Generator().manual_seed(0))
    if way == "nothing":
        return lambda: None
    if way == "authors":
        return lambda: authors_iteration(problem, actions)
    problem = problem.owned()

    def iteration() -> object:
        with torch.no_grad():
            return problem.cost_and_gradient(actions)

    return iteration


def dino_table(horizon: int, rounds: int) -> list[str]:
    names = ("authors", "window", "sliding", "bfloat16")
    ways = {name: dino_way(name, horizon) for name in names}
    pairs = zip(ways["window"](), ways["authors"](), strict=True)
    apart = max(float((mine - theirs).abs().max() / theirs.abs().max()) for mine, theirs in pairs)
    times = interleave(ways, rounds, 0.0)
    base = peak_mib("nothing", horizon)
    peak = {name: peak_mib(name, horizon) - base for name in names}
    lines = [
        f"| one iteration, {CANDIDATES} candidates, H = {horizon} | s | **authors / it** | peak memory, MiB | "
        "**share of the authors'** |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in names:
        lines.append(
            f"| {name} | {statistics.median(times[name]):.2f} | {ratio(times, 'authors', name):.1f} | {peak[name]:,} | "
            f"{100 * peak[name] / peak['authors']:.0f} % |"
        )
    return [*lines, "", f"Cost and gradient of `window` and `authors` differ by {apart:.0e} of the largest."]


def peak_mib(way: str, horizon: int) -> int:
    """Peak resident memory of a separate process that runs one iteration."""
    output = subprocess.run(
        [sys.executable, __file__, f"--only={way}", f"--dino-horizon={horizon}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(output.stdout)


# -------------------------------------------------------------------------------------------------- a compact latent


def compact_table(rounds: int) -> list[str]:
    lines = [
        "| hidden layers | problems | state of 4, ms | latent of 64, ms | **latent / state** |",
        "|---|---:|---:|---:|---:|",
    ]
    planner = GradientPlanner(HORIZON)
    for width in (128, 512):
        for batch in (1, 16):
            ways: Ways = {}
            for name, encoder, dim in (("state", IdentityEncoder(4), 4), ("latent", ConvEncoder(64, 64, width=8), 64)):
                torch.manual_seed(0)
                model = WorldModel(encoder, MLPPredictor(dim, ACTIONS, (width, width)), BLOCK).eval()
                context, past, one = torch.randn(batch, 1, dim), torch.zeros(batch, 0, ACTIONS), torch.ones(ACTIONS)
                goal = torch.randn_like(model.goal_features(context[:, -1]))
                problem = PlanningProblem(model, GoalMSE(), context, past, goal, -one, one, action_block=BLOCK)
                ways[name] = lambda problem=problem: planner.plan(problem)
            times = interleave(ways, rounds, 0.1)
            ms = {name: f"{1e3 * statistics.median(taken):,.1f}" for name, taken in times.items()}
            lines.append(
                f"| 2 x {width} | {batch} | {ms['state']} | {ms['latent']} | {ratio(times, 'latent', 'state'):.2f} |"
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES, help="those to measure; others stay")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10, help="iterations of gradient descent in a timed plan")
    parser.add_argument("--iterations", type=int, default=2, help="iterations of CEM in a timed plan")
    parser.add_argument("--dino-horizon", type=int, default=HORIZON)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    rounds, steps, iterations, horizon = (
        getattr(arguments, name) for name in ("rounds", "steps", "iterations", "dino_horizon")
    )
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    if arguments.only is not None:
        dino_way(arguments.only, horizon)()
        # Not getrusage, whose peak a child inherits from the process that forked it.
        status = Path("/proc/self/status").read_text()
        print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
        return
    measured = {
        "gradient-1": lambda: leworldmodel_table("gradient", 1, steps, rounds),
        "gradient-16": lambda: leworldmodel_table("gradient", 16, steps, rounds),
        "cem-1": lambda: leworldmodel_table("cem", 1, iterations, rounds),
        "cem-16": lambda: leworldmodel_table("cem", 16, iterations, rounds),
        "dino-wm": lambda: dino_table(horizon, rounds),
        "compact": lambda: compact_table(rounds),
    }
    page = Path(__file__).with_suffix(".md")
    sections = dict(part.split("\n", 1) for part in page.read_text().split("\n## ")[1:]) if page.exists() else {}
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    peer = "stable_worldmodel"
    solvers = (
        f"stable-worldmodel {version(peer.replace('_', '-'))}" if installed(peer) else "plain loops for its solvers"
    )
    for name in arguments.tables:
        lines = measured[name]()
        made = (
            f"`python benchmarks/transformer_plans.py --tables {name} --rounds {rounds} --steps {steps} --iterations "
            f"{iterations} --dino-horizon {horizon}`, commit {commit.stdout.strip()}, {processor()}, one thread of "
            f"{os.cpu_count()} cores, shared with other work (load average {os.getloadavg()[0]:.1f}), Python "
            f"{platform.python_version()}, torch {torch.__version__}, {solvers}."
        )
        sections[name] = "\n".join(["", made, "", *lines, ""])
        print(name, *lines, sep="\n", flush=True)
    text = [
        "# Transformers",
        "",
        "Medians of CPU time; ratios are medians within rounds. `swm` is stable-worldmodel's solver on the same",
        "weights. `window` encodes the last frames at every step, `sliding` each frame once, `bfloat16` is that in",
        "bfloat16. What the rest is: see the script.",
        "",
    ]
    for name in TABLES:
        if name in sections:
            text += [f"## {name}", sections[name].rstrip("\n"), ""]
    page.write_text("\n".join(text))


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    features = " with AVX512" if any("avx512f" in line for line in lines) else ""
    return (names[0] if names else platform.machine()) + features


if __name__ == "__main__":
    main()
