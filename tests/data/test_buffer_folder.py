from pathlib import Path
from types import SimpleNamespace

import pytest

from gbplan.data.buffer_folder import buffer_folder, buffer_folders_near


def trainer(root, fast_dev_run=False):
    return SimpleNamespace(default_root_dir=root, fast_dev_run=fast_dev_run)


def test_the_buffer_is_in_the_folder_of_the_run():
    assert buffer_folder(trainer("runs/one")) == Path.cwd() / "runs" / "one" / "buffer"


@pytest.mark.parametrize("of", [None, trainer("s3://bucket/run"), trainer(""), trainer("runs/one", fast_dev_run=True)])
def test_a_run_without_a_folder_on_this_disk_has_none(of):
    assert buffer_folder(of) is None


def test_the_buffer_of_a_checkpoint_is_looked_for_in_its_folder_and_those_above():
    folders = buffer_folders_near("/runs/one/version_0/checkpoints/last.ckpt")
    above = ("runs/one/version_0/checkpoints", "runs/one/version_0", "runs/one", "runs")
    assert folders == [Path("/", folder, "buffer") for folder in above]
    assert buffer_folders_near(None) == []
