"""The logger of ``gbplan fit``."""

from collections.abc import Mapping

from lightning.pytorch.loggers import TensorBoardLogger

from gbplan.report.tags import GROUPS, tag_of


class GroupedTensorBoardLogger(TensorBoardLogger):
    """Lightning's TensorBoard logger, with the most informative curves first, in groups; see ``gbplan.report.tags``."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write each metric behind its group."""
        super().log_metrics({tag_of(name): value for name, value in metrics.items()}, step)

    def draw_charts(self) -> None:
        """Describe the charts of *Custom Scalars*: success with its interval as a band, and the other groups."""
        _, *others = GROUPS
        bands = {
            f"success on {tasks}": ["Margin", [tag_of(f"{name}/success{end}") for end in ("", "_low", "_high")]]
            for name, tasks in (("val", "validation tasks"), ("online", "new tasks of online rounds"))
        }
        lines = {group.partition("_")[2]: ["Multiline", [f"{group}/.*"]] for group in others}
        self.experiment.add_custom_scalars({"training": bands | lines})
