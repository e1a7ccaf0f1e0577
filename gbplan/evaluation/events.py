"""An evaluation in TensorBoard: its line in HPARAMS, its figures, and its table.

No scalars: a single point makes a card as large as a curve, and evaluations would bury the trainings they lie beside.
"""

from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from gbplan.report.markdown import markdown
from gbplan.report.table import cells_of
from gbplan.report.tags import GROUPS


def write_events(folder: Path, result: dict[str, Any], figures: dict[str, Any]) -> None:
    """Write an evaluation's file of events.

    Args:
        folder: the output folder.
        result: contents of its result file.
        figures: matplotlib figures by kind of tasks.
    """
    kinds, cells = list(result["tasks"]), cells_of([result])
    rows = [
        [column, *(row.get(column, "") for row in cells)] for column in cells[0] if column not in ("result", "tasks")
    ]
    success, belief, *_ = GROUPS
    rates = {f"{success}/{kind}": found["success"]["rate"] for kind, found in result["tasks"].items()}
    rates |= {
        f"{belief}/{kind}": found["believed_success"]["rate"]
        for kind, found in result["tasks"].items()
        if found["believed_success"]
    }
    with SummaryWriter(folder) as writer:
        for kind, figure in figures.items():
            writer.add_figure(f"evaluation/{kind}", figure)
        writer.add_text("evaluation", "\n".join(markdown([[result["name"], *kinds], *rows])))
        for summary in hparams(rates | _plain(result["method"]), {}):
            writer.file_writer.add_summary(summary)


def _plain(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten settings to ``a/b`` names, with values that HPARAMS can sort."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= _plain(value, f"{prefix}{key}/")
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, bool | int | float | str) else str(value)
    return flat
