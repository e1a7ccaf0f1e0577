import pytest

import gbplan.envs  # noqa: F401, registers the environments
from gbplan.envs.registered import require_registered


@pytest.mark.parametrize("env_id", ["DoorWall-v0", "gbplan:DoorWall-v0", "gbplan:gbplan/PushT-v0", "gbplan/PushT-v0"])
def test_registered_id_with_or_without_its_module_is_accepted(env_id):
    require_registered(env_id)


@pytest.mark.parametrize(
    ("env_id", "meant"),
    [
        ("gbplan:PointMaze-v0", "gbplan/PointMaze-v0"),
        ("PushT-v0", "gbplan/PushT-v0"),
        ("push_t-v0", "gbplan/PushT-v0"),
        ("gbplan/DoorWall-v0", "DoorWall-v0"),
        ("DoorWal-v0", "DoorWall-v0"),
        ("DoorWall-v1", "DoorWall-v0"),
        ("DoorWall", "DoorWall-v0"),
        ("gymnasium:CartPol-v1", "gymnasium:CartPole-v1"),
    ],
)
def test_mistyped_id_is_answered_with_the_one_meant_and_how_to_name_a_module(env_id, meant):
    with pytest.raises(ValueError, match=f"env_id names no .*; did you mean {meant}[?] Or write module:id") as error:
        require_registered(env_id)
    assert str(error.value).count("mean") == 1


def test_unlike_id_and_unknown_module_get_no_suggestion():
    for env_id in ("Nothing-v0", "no_module:DoorWall-v0/"):
        with pytest.raises(ValueError, match=r"tasks.env_id names no registered .*; write module:id") as error:
            require_registered(env_id, "tasks.env_id")
        assert "mean" not in str(error.value)
