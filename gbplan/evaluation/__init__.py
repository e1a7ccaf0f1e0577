"""Fixed tasks, honest metrics, and tables of results."""

from gbplan.evaluation.diagnostics.gradient_alignment import GradientAlignment, gradient_alignment
from gbplan.evaluation.diagnostics.input_smoothness import InputSmoothness, input_smoothness
from gbplan.evaluation.diagnostics.landscape import Landscape, landscape
from gbplan.evaluation.diagnostics.model_error import ModelError, model_error
from gbplan.evaluation.evaluate import EvaluationResult, evaluate
from gbplan.evaluation.metrics import SPL, SuccessRate, wilson_interval
from gbplan.evaluation.paths_figure import paths_figure
from gbplan.evaluation.planning_evaluation import PlanningEvaluation, TrainerOptions
from gbplan.evaluation.run import load_world_model, run_evaluation
from gbplan.evaluation.task_set import Tasks, TaskSet, try_tasks

__all__ = [
    "SPL",
    "EvaluationResult",
    "GradientAlignment",
    "InputSmoothness",
    "Landscape",
    "ModelError",
    "PlanningEvaluation",
    "SuccessRate",
    "TaskSet",
    "Tasks",
    "TrainerOptions",
    "evaluate",
    "gradient_alignment",
    "input_smoothness",
    "landscape",
    "load_world_model",
    "model_error",
    "paths_figure",
    "run_evaluation",
    "try_tasks",
    "wilson_interval",
]
