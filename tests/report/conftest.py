import csv

import pytest


@pytest.fixture
def beside(tmp_path):
    """Return a function that puts a result in a folder, beside the outcomes of its tasks.

    The first tasks are solved, as many as its rate says, and all of them within thresholds.
    """

    def beside(result):
        folder = tmp_path / result["method"]["model_sha256"]
        folder.mkdir()
        for kind, metrics in result["tasks"].items():
            solved = round(metrics["count"] * metrics["success"]["rate"])
            with (folder / f"{kind}.csv").open("w") as file:
                rows = [[10 if task < solved else -1, 5] for task in range(metrics["count"])]
                csv.writer(file).writerows([["first_hit", "first_hit@0.5"], *rows])
        return result | {"folder": str(folder)}

    return beside
