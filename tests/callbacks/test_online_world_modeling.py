import random

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gbplan.callbacks import OnlineWorldModeling
from gbplan.data import (
    HELD_OUT_SEEDS,
    TRAINING_SEEDS,
    VALIDATION_SEEDS,
    Trajectories,
    TrajectoryDataModule,
    read_dataset,
)
from gbplan.evaluation import TaskSet
from gbplan.planners import GradientPlanner
from gbplan.policies import Agent


def planner(**changes):
    return GradientPlanner(**({"horizon": 8, "iterations": 2, "num_samples": 4, "restarts": 1} | changes))


def episodes_of(data):
    """Observations and actions of every episode in the replay buffer."""
    for part in data.buffer.episodes():
        for frames in part.episodes():
            yield {key: value[frames] for key, value in part.observations.items()}, part.actions[frames][:-1]


# ------------------------------------------------------------------------------------------------------ what is added


def test_buffer_of_the_two_state_world_is_known_to_the_last_number(two_states_callback, two_states_fit):
    callback = two_states_callback()
    _, _, data = two_states_fit(callback, epochs=2)
    first, second = (callback.tasks.draw(start) for start in (0, 6))
    starts = np.concatenate([first.states, second.states])
    assert set(starts.ravel()) == {-1.0, 1.0}
    # The model believes x' = x + a, so the best action points at the goal with all its might, and arrives.
    expected = [([[start], [-start]], [[-start]]) for start in starts[:, 0]]
    found = list(episodes_of(data))
    assert len(found) == 12
    for (path, actions), (observations, taken) in zip(expected, found, strict=True):
        np.testing.assert_array_equal(observations["observation"], path)
        np.testing.assert_array_equal(observations["achieved_goal"], path)
        np.testing.assert_array_equal(observations["desired_goal"], [path[1]] * 2)
        np.testing.assert_array_equal(taken, actions)
    assert data.buffer.lengths.tolist() == [1] * 12
    assert (callback.rounds, callback.transitions) == (2, 12)


def test_transitions_are_the_environments_and_no_window_joins_two_episodes(door_wall_fit, tmp_path):
    _, _, data = door_wall_fit(tmp_path, 2, data={"online_fraction": 1.0})
    found = list(episodes_of(data))
    assert len(found) == 8
    for observations, actions in found:
        np.testing.assert_array_equal(observations["observation"], observations["achieved_goal"])
        assert (observations["desired_goal"] == observations["desired_goal"][0]).all()
        moved = np.diff(observations["observation"], axis=0)
        free = np.abs(observations["observation"][1:]).min(axis=1) > 0.2  # nowhere near a wall
        free &= np.abs(observations["observation"][1:]).max(axis=1) < 1.8
        np.testing.assert_allclose(moved[free], 0.1 * actions[free], atol=1e-6)
    pairs = {
        (*a, *b)
        for observations, _ in found
        for a, b in zip(
            observations["observation"][:-1].tolist(), observations["observation"][1:].tolist(), strict=True
        )
    }
    trained = [batch["observations"]["observation"] for batch in data.train_dataloader()]
    assert all((*a, *b) in pairs for batch in trained for a, b in batch.tolist())


def test_plans_made_once_end_with_the_plan_and_others_with_the_time_limit(door_wall_fit, tmp_path):
    _, _, data = door_wall_fit(tmp_path, 1, rounds={"tasks": {"count": 3}, "open_loop_fraction": 0.34})
    # of 3 uniform and 3 detour tasks one each is open loop; a model hardly trained reaches nothing
    assert data.buffer.lengths.tolist() == [8, 16, 16, 8, 16, 16]


def test_rounds_keep_to_the_schedule(two_states_callback, two_states_fit):
    for epochs, rounds in [(1, 0), (4, 1), (5, 2)]:
        callback = two_states_callback(first_round_after=2, every_n_epochs=3)
        two_states_fit(callback, epochs)
        assert callback.rounds == rounds, epochs


def test_what_a_round_adds_is_trained_on_from_the_next_epoch(two_states_callback, two_states_fit):
    seen = []

    class Watch(OnlineWorldModeling):
        def on_train_epoch_start(self, trainer, pl_module):
            online = trainer.train_dataloader.batch_sampler.sampler.draws
            seen.append((len(online), trainer.datamodule.buffer.added))

    callback = two_states_callback(Watch, every_n_epochs=2)
    two_states_fit(callback, 4)
    assert seen == [(1, 0), (2, 6), (2, 6), (2, 12)]


def test_tasks_are_new_in_every_round_and_none_is_of_validation_or_held_out(door_wall_fit, tmp_path):
    loop, _, _ = door_wall_fit(tmp_path, 3, rounds={"write_to": "door-wall/online-v0", "write_root": str(tmp_path)})
    seeds = loop.callbacks[0]._seeds
    assert len(set(seeds)) == len(seeds) == 12
    assert all(seed in TRAINING_SEEDS for seed in seeds)
    assert not any(seed in HELD_OUT_SEEDS or seed in VALIDATION_SEEDS for seed in seeds)
    with pytest.raises(ValueError, match=r"seed must lie in 0..1072"):  # beyond lie the other ranges
        TaskSet(split="training", seed=1073)


def test_rounds_become_smaller_and_stop_before_the_budget_is_exceeded(two_states_callback, two_states_fit):
    # open loop: at most 1 step per task, hence 6 + 4 + 0 tasks
    callback = two_states_callback(max_transitions=10, open_loop_fraction=1.0)
    two_states_fit(callback, 4)
    assert (callback.rounds, callback.transitions) == (2, 10)


def test_written_episodes_are_a_dataset_that_trains(door_wall_fit, dataset_root, tmp_path):
    rounds = {"write_to": "door-wall/online-v0", "write_root": str(dataset_root), "overwrite": True}
    _, _, data = door_wall_fit(tmp_path, 2, rounds=rounds)
    episodes, info = read_dataset("door-wall/online-v0", dataset_root)
    assert info.env_spec.id == "DoorWall-v0"
    assert info.metadata["algorithm_name"] == "OnlineWorldModeling(GradientPlanner)"
    assert {"is_success", "distance", "contact"} <= episodes.infos.keys()
    collected = Trajectories.concatenate(list(data.buffer.episodes()))
    for key, array in {**episodes.observations, "actions": episodes.actions}.items():
        np.testing.assert_array_equal(array, {**collected.observations, "actions": collected.actions}[key])
    mixed = TrajectoryDataModule(
        {"door-wall/tiny-v0": 1.0, "door-wall/online-v0": 1.0}, str(dataset_root), validation_steps=5,
        validation_fraction=0.3,
    )  # fmt: skip
    mixed.setup()
    assert next(iter(mixed.train_dataloader()))["actions"].shape[2] == 2
    with pytest.raises(FileExistsError, match="door-wall/online-v0"):
        door_wall_fit(tmp_path, 1, rounds=rounds | {"overwrite": False})


def test_callback_of_another_training_begins_from_nothing(two_states_callback, two_states_fit):
    callback = two_states_callback()
    for _ in range(2):
        two_states_fit(callback, epochs=2)
        assert (callback.rounds, callback.transitions) == (2, 12)


def test_data_module_of_another_training_begins_without_its_episodes(two_states_callback, two_states_fit, tmp_path):
    _, _, data = two_states_fit(two_states_callback(), epochs=2)
    before = sorted(path.name for path in (tmp_path / "buffer").iterdir())
    callback = two_states_callback()
    loop, module, _ = two_states_fit(callback, epochs=0)
    loop = L.Trainer(
        max_epochs=1, callbacks=[callback], default_root_dir=tmp_path / "second", accelerator="cpu", logger=False,
        reload_dataloaders_every_n_epochs=1, enable_progress_bar=False,
    )  # fmt: skip
    loop.fit(module, datamodule=data)
    assert data.buffer.added == callback.transitions == 6
    assert sorted(path.name for path in (tmp_path / "buffer").iterdir()) == before


def test_a_second_fit_of_the_same_trainer_goes_on_with_the_rounds(two_states_callback, two_states_fit):
    callback = two_states_callback()
    loop, module, data = two_states_fit(callback, epochs=2)
    loop.fit_loop.max_epochs = 3
    loop.fit(module, datamodule=data)
    whole = two_states_callback()
    two_states_fit(whole, epochs=3)
    assert (callback.rounds, callback.transitions) == (whole.rounds, whole.transitions) == (3, 18)
    assert callback.state_dict() == whole.state_dict()


# --------------------------------------------------------------------------------------------------- what is left alone


def test_the_model_plans_in_eval_mode_and_every_part_gets_its_mode_back(two_states_callback, two_states_fit):
    modes = []

    class Watch(OnlineWorldModeling):
        def on_train_epoch_start(self, trainer, pl_module):
            pl_module.world_model.encoder.eval()  # a frozen part
            pl_module.world_model.predictor.register_forward_hook(lambda *_: None)

        def _run_round(self, trainer, model, count):
            modes.append([part.training for part in model.modules()])
            return super()._run_round(trainer, model, count)

        def on_train_epoch_end(self, trainer, pl_module):
            super().on_train_epoch_end(trainer, pl_module)
            model = pl_module.world_model
            modes.append((model.training, model.predictor.training, model.encoder.training))
            modes.append([parameter.grad for parameter in model.parameters() if parameter.grad is None])

    callback = two_states_callback(Watch)
    two_states_fit(callback, 1)
    assert not any(modes[0])
    assert modes[1] == (True, True, False)


def test_a_round_draws_nothing_from_the_global_streams(two_states_callback, two_states_fit):
    states = []

    class Watch(OnlineWorldModeling):
        def on_train_epoch_end(self, trainer, pl_module):
            states.append((torch.get_rng_state().tolist(), random.getstate()))
            super().on_train_epoch_end(trainer, pl_module)
            states.append((torch.get_rng_state().tolist(), random.getstate()))

    callback = two_states_callback(Watch)
    two_states_fit(callback, 1)
    assert states[0] == states[1]


# ------------------------------------------------------------------------------------------------------ what is logged


def test_every_round_is_logged_with_a_figure(door_wall_fit, tmp_path):
    logger = TensorBoardLogger(tmp_path, name="", version="")
    door_wall_fit(tmp_path, 2, rounds={"figure_tasks": 4}, logger=logger, log_every_n_steps=1)
    events = EventAccumulator(str(tmp_path)).Reload()
    expected = (
        "success success_low success_high success/uniform/open_loop success/uniform/mpc "
        "success/detour/open_loop success/detour/mpc "
        "believed_success final_distance model_error_planned model_error_expert gap round transitions "
        "latent_error_planned latent_error_expert "
        "buffer_transitions seconds_planning seconds_training"
    )
    found = {tag for tag in events.Tags()["scalars"] if tag.startswith("online/")}
    assert found == {f"online/{name}" for name in expected.split()}
    value = {name: [event.value for event in events.Scalars(f"online/{name}")] for name in expected.split()}
    assert value["round"] == [1, 2]
    assert value["transitions"] == value["buffer_transitions"]
    planned, expert = value["model_error_planned"], value["model_error_expert"]
    np.testing.assert_allclose(value["gap"], np.subtract(planned, expert), atol=1e-6)
    assert all(seconds > 0 for seconds in value["seconds_planning"] + value["seconds_training"])
    assert len(events.Images("online/paths")) == 2


def test_logged_numbers_of_the_two_state_world_are_known(two_states_callback, two_states_fit):
    trainer, _, _ = two_states_fit(two_states_callback(), 1)
    logged = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("online/")}
    assert logged["online/success"] == logged["online/success/mpc"] == logged["online/success/open_loop"] == 1
    # It believes to come half the way, to 0, and errs by the other half.
    assert logged["online/believed_success"] == 0
    assert logged["online/final_distance"] == 0
    assert logged["online/model_error_planned"] == 1
    assert logged["online/transitions"] == logged["online/buffer_transitions"] == 6
    assert "online/gap" not in logged  # there is no expert to compare with


def test_fast_dev_run_has_one_small_round(door_wall_fit, tmp_path):
    loop, _, _ = door_wall_fit(
        tmp_path, 9, rounds={"tasks": {"count": 20}, "write_to": "door-wall/never-v0"}, fast_dev_run=True, logger=None
    )
    assert loop.callbacks[0].rounds == 1
    assert len(loop.datamodule.buffer.lengths) == 4  # one task of each group
    assert not list(tmp_path.rglob("*never*"))


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every_n_epochs": 0}, "every_n_epochs must be at least 1, got 0"),
        ({"first_round_after": 0}, "first_round_after must be at least 1, got 0"),
        ({"max_transitions": 0}, "max_transitions must be at least 1, got 0"),
        ({"error_horizon": 0}, "error_horizon must be at least 1, got 0"),
        ({"figure_tasks": -1}, "figure_tasks must be finite and not negative, got -1"),
        ({"tasks": TaskSet()}, "must have tasks of the training split, got held_out; set tasks.split"),
        ({"open_loop_fraction": 1.5}, r"open_loop_fraction must lie in 0..1, got 1.5"),
        ({"kinds": ["detour", "detour"]}, "kinds must not repeat a kind of tasks"),
    ],
)
def test_numbers_out_of_range_are_refused_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        OnlineWorldModeling(Agent(planner()), **arguments)


@pytest.mark.parametrize(
    ("rounds", "data", "message"),
    [
        ({"agent": Agent(planner(horizon=4))}, {}, "horizon of 4 model steps exceeds the time limit of 3 steps"),
        ({"error_horizon": 26}, {}, "error_horizon must not exceed the 3 model steps of an episode, got 26"),
        ({"tasks": {"env_id": "TwoStatesForEver-v0"}}, {}, "TwoStatesForEver-v0 has no time limit"),
        ({"tasks": {"env_kwargs": {"heeds": ("goal",)}}}, {}, "TwoStates-v0 cannot be put into a state"),
        ({"tasks": {"env_kwargs": {"heeds": ("state",)}}}, {}, r"cannot be put into a goal: reset\(options={'goal'"),
        ({"tasks": {"env_id": "DoorWall-v0"}}, {}, "must have the datasets' observations"),
        ({"kinds": ["detour"]}, {}, "task"),
        ({}, {"buffer_capacity": 11}, r"6 tasks can have 12 transitions, but the replay buffer holds 11; raise"),
        ({"max_transitions": 2, "open_loop_fraction": 0.0}, {}, "max_transitions = 2 does not allow even one task"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_before_the_first_epoch(two_states_callback, two_states_fit, rounds, data, message):
    class Never(OnlineWorldModeling):
        def on_train_start(self, trainer, pl_module):
            raise AssertionError("the training has begun")

    callback = two_states_callback(Never, **rounds)
    with pytest.raises((ValueError, TypeError), match=message):
        two_states_fit(callback, data=data)


def test_trainer_that_would_never_look_at_new_data_is_refused(two_states_callback, two_states_fit):
    for every in (0, 2):
        with pytest.raises(ValueError, match=f"needs reload_dataloaders_every_n_epochs=1, .*the trainer has {every}"):
            two_states_fit(two_states_callback(), reload_dataloaders_every_n_epochs=every)


def test_module_without_a_world_model_and_other_data_are_refused(two_states_callback):
    import lightning as L

    class Strange(L.LightningModule):
        def training_step(self, batch, batch_index):
            raise AssertionError("the training has begun")

        def configure_optimizers(self):
            return None

    loop = L.Trainer(
        accelerator="cpu", callbacks=[two_states_callback()], logger=False, enable_checkpointing=False, max_epochs=1
    )
    with pytest.raises(TypeError, match="adds to the replay buffer of a TrajectoryDataModule, got NoneType"):
        loop.fit(Strange(), train_dataloaders=[torch.zeros(1)])
