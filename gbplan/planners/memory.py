"""The number of candidates that fit into memory at once."""

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from gbplan.planners.problem import PlanningProblem

# Limits for models with small rows: more rows would not fit a CPU's cache, and would not keep a GPU busier.
CPU_ROWS = 2048
CPU_ROWS_WITH_GRADIENT = 512
GPU_ROWS = 2**16


def default_memory_mib(device: torch.device) -> float:
    """Memory for rollouts: 512 MiB on a CPU, half of the free memory on a GPU."""
    if device.type != "cuda":
        return 512.0
    free, _ = torch.cuda.mem_get_info(device)
    return free / 2 / 2**20


def bytes_per_row(problem: "PlanningProblem", horizon: int, with_gradient: bool = False) -> int:
    """Estimate the memory of rolling out one candidate, an upper bound for the models of ``gbplan.networks``.

    The latents of all steps are counted four times: when they are made, joined, restored for the goal features, and
    once more for the objective or a gradient. The predictor's activations, ``activation_size`` numbers a step, are
    counted for one step, or with a gradient for all steps. For a model without a predictor with ``activation_size``, 32
    numbers are counted for each input latent, the default of ``Predictor``.

    Args:
        problem: the problem, for its model and the shapes and type of its tensors.
        horizon: steps H.
        with_gradient: whether the rollout is differentiated.

    Returns:
        Bytes.
    """
    frames, latent = problem.context.shape[1], problem.context[0, 0].numel()
    activations = getattr(getattr(problem.model, "predictor", None), "activation_size", 32 * frames * latent)
    numbers = (frames + 4 * horizon) * latent + 2 * (frames + horizon) * problem.action_dim
    numbers += activations * (horizon if with_gradient else 1)
    return numbers * problem.context.element_size()


def rows_at_once(problem: "PlanningProblem", horizon: int, with_gradient: bool = False) -> int:
    """Return the number of candidates of ``horizon`` steps to roll out at once, at least one."""
    rows = problem.row_limits.get((horizon, with_gradient))
    if rows is None:
        on_cpu = CPU_ROWS_WITH_GRADIENT if with_gradient else CPU_ROWS
        memory = problem.memory_mib or default_memory_mib(problem.context.device)
        fit = int(memory * 2**20 / bytes_per_row(problem, horizon, with_gradient))
        rows = max(1, min(fit, on_cpu if problem.context.is_cpu else GPU_ROWS))
        problem.row_limits[horizon, with_gradient] = rows
    return rows
