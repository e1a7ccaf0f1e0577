"""Yaml takes no more memory, time or stack than its length suggests, and makes plain data only."""

import pytest
import yaml

from gbplan.cli import main
from gbplan.cli.yaml_guard import DEEPEST, MOST_NODES, load_yaml


def bomb(levels):
    """A few lines that unfold to ten to the power of ``levels`` values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


BAD = {
    "alias bomb": (bomb(9), "its aliases unfold to more than 100,000 values"),
    "itself": ("a: &a [*a]", "its aliases unfold to more than 100,000 values"),
    "itself in a mapping": ("a: &a {b: *a}", "its aliases unfold to more than 100,000 values"),
    "depth": ("a: " + 900 * "[" + 900 * "]", "more than 50 lists or mappings lie within each other"),
    "depth that overflows the stack": ("a: " + 10**5 * "[" + 10**5 * "]", "more than 50 lists or mappings"),
}


@pytest.mark.parametrize(("text", "reason"), BAD.values(), ids=BAD)
def test_yaml_that_unfolds_without_end_is_refused_in_one_line(text, reason, tmp_path, capsys):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(SystemExit, match="2"):
        main(["fit", f"--config={tmp_path / 'bad.yaml'}"])
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("gbplan: error: ")
    assert reason in said
    assert str(tmp_path / "bad.yaml") in said


@pytest.mark.parametrize("text", ["a: !!python/object/apply:os.system ['touch {}']", "!!python/name:os.system"])
def test_yaml_makes_plain_data_only(text, tmp_path):
    with pytest.raises(yaml.YAMLError, match="could not determine a constructor"):
        load_yaml(text.format(tmp_path / "it-ran"))
    assert not (tmp_path / "it-ran").exists()


def test_aliases_that_unfold_to_little_are_read():
    assert load_yaml("a: &a {b: 1}\nc: [*a, *a]\nd: &d [*a]\ne: *d") == {
        "a": {"b": 1},
        "c": [{"b": 1}, {"b": 1}],
        "d": [{"b": 1}],
        "e": [{"b": 1}],
    }


def test_bounds_are_those_of_the_messages():
    load_yaml("[" * (DEEPEST - 1) + "]" * (DEEPEST - 1))
    load_yaml(f"[{'1, ' * (MOST_NODES - 2)}]")
    for text in ("[" * DEEPEST + "]" * DEEPEST, f"[{'1, ' * MOST_NODES}]"):
        with pytest.raises(yaml.YAMLError):
            load_yaml(text)
