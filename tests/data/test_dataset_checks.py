from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

from gbplan.data import write_dataset


def test_wrong_trajectories_are_not_added(module, stored, ladder):
    stored(ladder(*[5] * 4))
    data = module()
    with pytest.raises(ValueError, match=r"must have the datasets' observations .*\(2,\).*, got .*\(3,\)"):
        data.extend(ladder(4, dim=3))
    fewer = ladder(4)
    del fewer.observations["desired_goal"]
    with pytest.raises(ValueError, match="must have the datasets' observations"):
        data.extend(fewer)
    wide = ladder(4)
    object.__setattr__(wide, "actions", np.zeros((5, 3), np.float32))
    with pytest.raises(ValueError, match=r"must have actions of shape \(2,\), got \(3,\)"):
        data.extend(wide)
    broken = ladder(4)
    broken.actions[1] = np.nan
    with pytest.raises(ValueError, match="the data to add has a NaN"):
        data.extend(broken)
    with pytest.raises(ValueError, match="does not fit a replay buffer"):
        module(buffer_capacity=3).extend(ladder(4))
    assert len(data.buffer) == 0


def test_pictures_of_another_size_or_type_are_not_added(module, ladder, picture_spec, tmp_path):
    def pictures(*lengths, size=64, dtype=np.uint8):
        trajectories = ladder(*lengths)
        picture = np.zeros((len(trajectories.actions), size, size, 3), dtype)
        trajectories.observations.update(pixels=picture, desired_pixels=picture)
        return trajectories

    write_dataset(pictures(3, 3), "toy-v0", picture_spec, root=tmp_path)
    data = module(validation_fraction=0.5)
    data.extend(pictures(2))
    with pytest.raises(ValueError, match=r"must have the datasets' observations .*64, 64.*, got .*32, 32"):
        data.extend(pictures(2, size=32))
    with pytest.raises(ValueError, match="have 'pixels' as float32, the datasets as uint8; a picture must be uint8 in"):
        data.extend(pictures(2, dtype=np.float32))


def test_pictures_of_numbers_in_0_to_1_are_refused(module, ladder, picture_spec, tmp_path):
    trajectories = ladder(3, 3)
    cast = np.random.default_rng(0).random((8, 64, 64, 3)).round().astype(np.uint8)
    trajectories.observations.update(pixels=cast, desired_pixels=cast[[0] * 4 + [4] * 4])
    write_dataset(trajectories, "toy-v0", picture_spec, root=tmp_path)
    with pytest.raises(ValueError, match=r"pixels' of the dataset toy-v0 hold 0 and 1 only; .*\(255 \* x\).round\(\)"):
        module(validation_fraction=0.5)


def within_walls(trajectories):
    """The same episodes, small enough for DoorWall's room."""
    return replace(trajectories, observations={key: array / 10 for key, array in trajectories.observations.items()})


def test_datasets_of_one_environment_made_differently_are_refused_unless_allowed(module, ladder, tmp_path):
    made = {"one-v0": {"task": "detour", "step_size": 0.2}, "two-v0": {"dynamics": "position", "step_size": 0.1}}
    for dataset_id, arguments in made.items():
        write_dataset(
            within_walls(ladder(3, 3, 3)), dataset_id, gym.make("DoorWall-v0", **arguments).spec, root=tmp_path
        )
    message = r"one-v0 and two-v0 .* DoorWall-v0 .*: dynamics not given against position, step_size 0.2 against 0.1; "
    with pytest.raises(ValueError, match=message):
        module(list(made))
    with pytest.raises(ValueError, match=r"arguments: dynamics not given against position; "):
        module(list(made), may_differ=["task", "step_size"])
    module(list(made), may_differ=["task", "step_size", "dynamics"])


def test_datasets_may_differ_in_what_was_asked_of_the_policy(module, ladder, tmp_path):
    asked = {"one-v0": {"task": "detour", "reward_type": "dense"}, "two-v0": {"goal_threshold": 0.3}}
    for dataset_id, arguments in asked.items():
        write_dataset(
            within_walls(ladder(3, 3, 3)), dataset_id, gym.make("DoorWall-v0", **arguments).spec, root=tmp_path
        )
    assert module(list(asked)).env_spec.id == "DoorWall-v0"


def test_datasets_that_do_not_go_together_are_refused(module, stored, ladder, tmp_path):
    stored(ladder(3, 3, 3, 3))
    wide = gym.make("Drift-v0", dim=3).spec
    write_dataset(ladder(3, 3, dim=3), "wide-v0", wide, root=tmp_path)
    with pytest.raises(ValueError, match=r"toy-v0 and wide-v0 cannot be mixed: observations .* against .*3"):
        module(["toy-v0", "wide-v0"])
    walls = gym.make("DoorWall-v0").spec
    write_dataset(within_walls(ladder(3, 3)), "walls-v0", walls, root=tmp_path)
    with pytest.raises(ValueError, match="cannot be mixed: environment Drift-v0 against DoorWall-v0"):
        module(["toy-v0", "walls-v0"])


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ([2**30 - 1, 2**30, 2**30 + 2**29 - 1, 5], r"2 of the 4 episodes of the dataset toy-v0 .* choose models"),
        ([2**31 - 1, 0, 1, 2], r"1 of the 4 episodes of the dataset toy-v0 .* judge .* seeds below 1073741824, as"),
    ],
)
def test_tasks_that_select_or_judge_models_do_not_train_one(module, ladder, spec, tmp_path, seeds, message):
    write_dataset(ladder(3, 3, 3, 3), "toy-v0", spec, seeds=seeds, root=tmp_path)
    with pytest.raises(ValueError, match=message):
        module()


def test_seeds_of_training_beyond_all_ranges_or_unknown_do_train(module, ladder, spec, tmp_path):
    write_dataset(ladder(3, 3, 3), "toy-v0", spec, seeds=[0, 2**30 - 1, 2**31], root=tmp_path)
    write_dataset(ladder(3, 3, 3), "unknown-v0", spec, root=tmp_path)
    assert len(module(["toy-v0", "unknown-v0"]).train_dataloader().dataset) == 12
