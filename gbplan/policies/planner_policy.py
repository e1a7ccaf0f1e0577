"""The planning policy: open loop or model predictive control."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray

from gbplan.envs.contract import time_limit_of
from gbplan.envs.policy import Observation, Policy
from gbplan.networks.bfloat16 import CurrentCopy
from gbplan.networks.eval_mode import eval_mode
from gbplan.networks.world_model import WorldModel
from gbplan.objectives.staged import at_step
from gbplan.planners.plan import Plan
from gbplan.planners.problem import PlanningProblem
from gbplan.policies.action_bounds import action_bounds
from gbplan.policies.fitting import require_fitting
from gbplan.policies.plan_record import PlanningEffort, PlanRecord

if TYPE_CHECKING:
    from gbplan.policies.agent import Agent


class PlannerPolicy(Policy):
    """Plans through a world model, executes some of the actions, and replans, according to its agent.

    An open-loop agent plans once, executes the whole plan, and then stands still (zero action, or the bound nearest to
    it). Only active rows are planned for. They share the planner's noise, keyed by the agent's seed and the number of
    the replan, so a row's actions do not depend on other rows, active or not, up to floating-point rounding. The seeds
    of ``reset`` are not used.

    Horizons and intervals count model steps. A model action is ``action_block`` environment actions, which are executed
    one by one; an episode may end within a block, whose rest is then dropped. For each row, the last K frames at the
    ends of blocks are kept, and the actions between them. Until there are K frames, the first is repeated, see
    ``PlanningProblem.from_observations``.

    The model is in eval mode during planning; its mode is restored. With an agent in bfloat16, a copy plans, with the
    model's weights at that moment, and tells costs and paths of ``first_plan``; the model itself encodes observations.

    Attributes:
        world_model: the model to plan through, on its own device.
        agent: planner, objective and replanning; a staged objective gets the model step at which a plan is made.
        first_plan: the plans made at the first step, with their predicted paths; None before.
        effort: time and model calls of planning since ``reset``.
    """

    first_plan: PlanRecord | None
    effort: PlanningEffort

    def __init__(self, world_model: WorldModel, agent: Agent) -> None:
        """Join a model and an agent."""
        self.world_model = world_model
        self.agent = agent
        self._in_bfloat16 = CurrentCopy()
        self.first_plan = None
        self.effort = PlanningEffort()

    def reset(self, envs: gym.vector.VectorEnv, seeds: Sequence[int]) -> None:
        """Begin one episode per row; see ``Policy``.

        Raises:
            TypeError: the action space is not a box of real vectors, or observations lack what the encoder reads.
            ValueError: the action bounds are infinite, or model and agent do not fit the environment, see
                ``require_fitting``.
        """
        low, high = action_bounds(envs)
        require_fitting(self.world_model, self.agent, envs, time_limit_of(envs))
        encoder = self.world_model.encoder
        self._keys = tuple(dict.fromkeys((*encoder.observation_keys, *encoder.goal_keys)))
        statistics = self.world_model.normalizer.latent_mean  # the model's device and precision
        self._low, self._high = (torch.from_numpy(bound).to(statistics) for bound in (low, high))
        self._rest = np.clip(np.zeros_like(low), low, high)
        self._plans = torch.zeros(envs.num_envs, 0, self.world_model.action_dim).to(statistics)
        horizon = self.agent.planner.horizon
        self._interval = min(self.agent.replan_every or horizon, horizon)
        self._env_step = self._planned_at = 0
        self._frames: list[dict[str, NDArray]] = []  # frames at the last K ends of blocks, oldest first
        self._blocks: list[NDArray[np.float32]] = []  # model actions taken between them, (N, A')
        self._block: list[NDArray[np.float32]] = []  # environment actions of the current block, (N, A)
        self.first_plan = None
        self.effort = PlanningEffort()

    def act(self, observation: Observation, active: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Choose the next action of each row, and plan if a new plan is due; see ``Policy``.

        Raises:
            ValueError: an active row's observation or goal is not finite, or planning fails.
        """
        rows = np.arange(len(self._plans)) if active is None else np.flatnonzero(active)
        step, within = divmod(self._env_step, self.world_model.action_block)
        if within == 0:
            self._remember(observation)
            if len(rows) and (step == 0 or (not self.agent.open_loop and step % self._interval == 0)):
                self._replan(rows, step)
        actions = np.tile(self._rest, (len(self._plans), 1))
        offset = step - self._planned_at
        if offset < self._plans.shape[1]:
            size = len(self._rest)
            actions[rows] = self._plans[rows, offset, within * size : (within + 1) * size].float().cpu().numpy()
        self._block.append(actions)
        self._env_step += 1
        return actions

    def _remember(self, observation: Observation) -> None:
        """Store a frame, and the block of actions before it."""
        history = self.world_model.history
        if self._block:
            self._blocks = [*self._blocks, np.concatenate(self._block, axis=1)][
                max(0, len(self._frames) + 1 - history) :
            ]
            self._block = []
        # Copied, because an environment may return buffers that its next step overwrites.
        frame = {key: np.array(observation[key]) for key in self._keys}
        self._frames = [*self._frames, frame][-history:]

    def _replan(self, rows: NDArray[np.int64], step: int) -> None:
        agent, horizon = self.agent, self.agent.planner.horizon
        if agent.shrink_horizon:
            horizon = max(horizon - step, self._interval)
        init = None
        if agent.warm_start and step > 0:
            rest = self._plans[rows, step - self._planned_at :][:, :horizon]
            still = torch.from_numpy(self._rest).to(rest).repeat(self.world_model.action_block)
            init = torch.cat([rest, still.expand(len(rows), horizon - rest.shape[1], -1)], dim=1)
        key = np.random.SeedSequence((agent.seed, step)).generate_state(1, np.uint64)[0]
        generator = torch.Generator().manual_seed(int(key >> np.uint64(1)))
        with eval_mode(self.world_model):
            problem = self._problem(rows, step)
            began = time.perf_counter()
            if agent.precision == "bfloat16":
                problem = replace(problem, model=self._in_bfloat16(self.world_model))
            plan = agent.planner.plan(problem, init, horizon=horizon, generator=generator)
            calls = int(plan.model_calls.sum())  # on an accelerator this also waits for the plan, inside the timing
            seconds = time.perf_counter() - began
            if step == 0:
                self.first_plan = self._record(problem, plan, rows)
        self._plans = self._plans.new_zeros(len(self._plans), horizon, self._plans.shape[2])
        self._plans[rows] = plan.actions
        self._planned_at = step
        total = self.effort
        self.effort = PlanningEffort(total.plans + len(rows), total.seconds + seconds, total.model_calls + calls)

    def _problem(self, rows: NDArray[np.int64], step: int) -> PlanningProblem:
        seen = {key: np.stack([frame[key][rows] for frame in self._frames], axis=1) for key in self._keys}
        for name, values in seen.items():
            finite = np.isfinite(values).reshape(len(rows), -1).all(axis=1)
            if not finite.all():
                raise ValueError(
                    f"{name} must be finite, got NaN or infinity in {(~finite).sum()} of {len(rows)} rows, first in "
                    f"row {rows[~finite][0]} at step {step}; correct the environment that observes it"
                )
        past = np.stack(self._blocks, axis=1)[rows] if self._blocks else None
        return PlanningProblem.from_observations(
            self.world_model,
            at_step(self.agent.objective, step),
            seen,
            past,
            bounds=(self._low, self._high),
        )

    def _record(self, problem: PlanningProblem, plan: Plan, rows: NDArray[np.int64]) -> PlanRecord:
        predicted = None
        if self.world_model.has_probe:
            with torch.no_grad():
                imagined = problem.rollout(plan.actions[:, None], self.world_model.achieved_goal)[:, 0]
            predicted = imagined.float().cpu().numpy()
        actions, cost = (tensor.float().cpu().numpy() for tensor in (plan.actions, plan.cost))
        return PlanRecord(rows, actions, predicted, cost)
