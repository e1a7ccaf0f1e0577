"""The base class of planners."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from gbplan import checks
from gbplan.networks.fused.constant_parameters import constant_parameters
from gbplan.planners.plan import Plan
from gbplan.planners.problem import PlanningProblem


@dataclass(frozen=True)
class Planner(ABC):
    """Finds actions of low cost for a batch of planning problems.

    The constructor takes numbers (and parts: noise, other planners), the call takes the problem, and nothing is
    remembered between calls. A subclass writes ``_plan``, and is a frozen dataclass if it has settings. This class
    ensures what all planners promise:

    - the actions lie within the bounds and are the best ones found, never worse than ``init``;
    - a task's plan does not depend on the other tasks of the batch, up to floating-point rounding;
    - the same generator state gives the same plan;
    - planning works under ``no_grad`` and ``inference_mode``, and leaves no gradient on the model's parameters.

    Args:
        horizon: number of steps H planned ahead.

    Raises:
        ValueError: ``horizon`` < 1.
    """

    horizon: int = 50

    def __post_init__(self) -> None:
        """Check the settings; a subclass calls this first."""
        checks.at_least_one(horizon=self.horizon)

    def plan(
        self,
        problem: PlanningProblem,
        init: Tensor | None = None,
        *,
        horizon: int | None = None,
        generator: Generator | None = None,
    ) -> Plan:
        """Plan all tasks of a problem.

        Args:
            problem: B tasks.
            init: actions to improve on, ``(B, H, A)``, within the bounds; None: there are none.
            horizon: H for this call; None: the planner's own.
            generator: exactly one number is drawn from it, to seed the noise of this call, so that a planner's draws do
                not shift the caller's stream. All tasks share the noise. None: the same fixed seed in every call.

        Returns:
            The plan, detached.

        Raises:
            ValueError: the problem or ``init`` is malformed or not finite, ``init`` is outside the bounds, the model is
                on another device or returns a wrong shape, or some task has no actions of finite cost.
        """
        horizon = self.horizon if horizon is None else horizon
        checks.at_least_one(horizon=horizon)
        seed = 0
        if generator is not None:
            seed = int(torch.randint(2**63 - 1, (), generator=generator, device=generator.device))
        # Trainer.test and others run in inference mode, which has no gradients; autocast would round the actions.
        with (
            torch.inference_mode(False),
            torch.no_grad(),
            torch.autocast(problem.context.device.type, enabled=False),
            constant_parameters(problem.model),
        ):
            problem = problem.owned()
            if init is not None:
                init = _owned_init(init, problem, horizon)
            plan = self._plan(problem, init, horizon, torch.Generator().manual_seed(seed))
            self._require_plan(plan, (problem.batch_size, horizon, problem.action_dim))
            self._require_finite(plan)
            return replace(plan, actions=problem.clip(plan.actions.detach()))

    @abstractmethod
    def _plan(self, problem: PlanningProblem, init: Tensor | None, horizon: int, generator: Generator) -> Plan:
        """Plan with autograd off; inputs are checked, owned and within bounds.

        Args:
            problem: B tasks.
            init: ``(B, H, A)`` or None; a candidate that must be considered.
            horizon: H.
            generator: a CPU generator, the source of all random draws, which all rows share.

        Returns:
            The best actions found; a row without any of finite cost has infinite cost.
        """

    def _require_plan(self, plan: Plan, shape: tuple[int, int, int]) -> None:
        if not isinstance(plan, Plan):
            raise TypeError(f"{type(self).__name__}._plan must return a Plan, got {type(plan).__name__}")
        if plan.actions.shape != shape:
            raise ValueError(
                f"{type(self).__name__}._plan must return actions of shape (B, H, A) = {shape}, got "
                f"{tuple(plan.actions.shape)}; A is problem.action_dim, of a model action"
            )

    def _require_finite(self, plan: Plan) -> None:
        bad = ~plan.cost.isfinite()
        if bad.any():
            raise ValueError(
                f"{type(self).__name__} found no actions of finite cost for rows {bad.nonzero()[:, 0].tolist()} in any "
                f"of {len(plan.trace)} iterations; are the model's weights finite, and does its rollout stay bounded "
                f"for {plan.actions.shape[1]} steps?"
            )


def _owned_init(init: Tensor, problem: PlanningProblem, horizon: int) -> Tensor:
    expected = (problem.batch_size, horizon, problem.action_dim)
    if init.shape != expected:
        raise ValueError(
            f"init must have shape (B, H, A) = {expected}, got {tuple(init.shape)}; "
            "was it planned with another horizon?"
        )
    init = init.detach().to(problem.low).clone()
    bad = ~init.isfinite().flatten(1).all(1)
    if bad.any():
        raise ValueError(f"init must be finite, got NaN or infinity in rows {bad.nonzero()[:, 0].tolist()}")
    inside = problem.clip(init)
    # Bounds converted from another precision have a rounding error.
    slack = 1e-6 * torch.maximum(problem.low.abs(), problem.high.abs())
    outside = ((init - inside).abs() > slack).flatten(1).any(1)
    if outside.any():
        worst = init[outside]
        raise ValueError(
            f"init must lie within the action bounds {problem.low.tolist()} and {problem.high.tolist()}, got values "
            f"from {worst.min():g} to {worst.max():g} in rows {outside.nonzero()[:, 0].tolist()}; clip it"
        )
    return inside
