"""Tables, figures and one page from result files alone; needs neither torch nor an environment."""

from gbplan.report.table import report, results_table

__all__ = ["report", "results_table"]
