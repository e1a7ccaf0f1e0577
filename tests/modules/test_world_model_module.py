import lightning as L
import pytest
import torch

from gbplan.data import TrajectoryDataModule
from gbplan.modules import VICReg, WorldModelModule
from gbplan.networks import ConvEncoder, Decoder, IdentityEncoder, MLPPredictor, Probe, WorldModel
from gbplan.report.tags import name_of, tag_of


def make_world_model(dim=2, hidden=(8,)):
    return WorldModel(IdentityEncoder(dim, list(range(dim))[:2]), MLPPredictor(dim, 2, hidden))


def batch_of(states, actions):
    return {"observations": {"observation": torch.tensor(states)}, "actions": torch.tensor(actions)}


def doubling_module(rollout_steps=1):
    """A model that says the next state is twice this one plus the action."""
    model = make_world_model(dim=1, hidden=())
    model.predictor = MLPPredictor(1, 1, hidden_sizes=(), residual=False)
    with torch.no_grad():
        model.predictor.net[0].weight.copy_(torch.tensor([[2.0, 1.0]]))
        model.predictor.net[0].bias.zero_()
    model.normalizer.action_mean, model.normalizer.action_std = torch.zeros(1), torch.ones(1)
    return WorldModelModule(model, rollout_steps=rollout_steps)


def test_teacher_forced_loss_compares_each_step_with_the_true_next_state():
    batch = batch_of([[[1.0], [2.0], [10.0]]], [[[1.0], [0.0]]])
    # predicted 2 * 1 + 1 = 3 and 2 * 2 + 0 = 4; true 2 and 10
    assert doubling_module().loss(batch).item() == pytest.approx((1 + 36) / 2)


def test_rollout_loss_feeds_predictions_back():
    batch = batch_of([[[1.0], [2.0], [10.0]]], [[[1.0], [0.0]]])
    # predicted 3, then 2 * 3 = 6; true 2 and 10
    assert doubling_module(rollout_steps=2).loss(batch).item() == pytest.approx((1 + 16) / 2)


def test_history_is_predicted_from_where_it_is_whole():
    model = WorldModel(IdentityEncoder(1, [0]), MLPPredictor(1, 1, hidden_sizes=(), residual=False, history=2))
    with torch.no_grad():
        model.predictor.net[0].weight.copy_(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))  # two frames, two actions
        model.predictor.net[0].bias.zero_()
    batch = batch_of([[[1.0], [2.0], [3.0], [4.0]]], [[[0.0], [1.0], [1.0]]])
    # 1 + 2 * 2 + 3 * 0 + 4 * 1 = 9, and 2 + 2 * 3 + 3 * 1 + 4 * 1 = 15; true 3 and 4
    assert WorldModelModule(model).loss(batch).item() == pytest.approx((36 + 121) / 2)
    # 9, then 2 + 2 * 9 + 3 * 1 + 4 * 1 = 27
    assert WorldModelModule(model, rollout_steps=2).loss(batch).item() == pytest.approx((36 + 23**2) / 2)


def test_the_probe_learns_and_leaves_the_rest_alone():
    model = WorldModel(IdentityEncoder(1, [0]), MLPPredictor(1, 1, ()), probe=Probe(1, 1, ()))
    module = WorldModelModule(model)
    batch = batch_of([[[1.0], [2.0]]], [[[0.0]]])
    batch["observations"]["achieved_goal"] = torch.tensor([[[5.0], [7.0]]])
    model.probe.set_units(torch.tensor([6.0]), torch.tensor([2.0]))
    loss = module.probe_loss(batch)
    told = (model.probe(torch.tensor([[1.0], [2.0]])) - torch.tensor([[5.0], [7.0]])) / 2
    assert loss.item() == pytest.approx(told.square().mean().item())
    loss.backward()
    assert all(parameter.grad is not None for parameter in model.probe.parameters())
    assert all(parameter.grad is None for parameter in model.predictor.parameters())


def test_an_encoder_in_training_sees_a_batch_once_whatever_reads_it(learned_encoder, fit_for_a_moment):
    model = WorldModel(learned_encoder, MLPPredictor(2, 2, (8,)), probe=Probe(2, 2))
    fit_for_a_moment(model, VICReg(2, 2))
    assert model.encoder.calls == 2  # batches


def test_rollout_loss_says_how_to_get_longer_windows():
    batch = batch_of([[[1.0], [2.0]]], [[[1.0]]])
    with pytest.raises(
        ValueError,
        match=r"rollout_steps = 2 with a history of 1 frames needs windows of at least 2 steps, got 1; .*--data.steps",
    ):
        doubling_module(rollout_steps=2).loss(batch)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rollout_steps": 0}, "rollout_steps must be at least 1, got 0"),
        ({"validation_horizons": [0, 5]}, "validation_horizons must be one or more steps >= 1"),
        ({"validation_horizons": []}, "validation_horizons must be one or more steps >= 1"),
    ],
)
def test_bad_numbers_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        WorldModelModule(make_world_model(), **arguments)


def test_training_lowers_the_error_and_reports_it_in_both_units(base_run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(base_run)).Reload()
    names = map(name_of, events.Tags()["scalars"])
    assert {
        "train/loss",
        "val/loss",
        "val/one_step_error",
        "val/one_step_distance",
        "val/rollout_error/5",
        "val/rollout_distance/10",
    } <= set(names)
    losses = [event.value for event in events.Scalars(tag_of("val/loss"))]
    assert losses[-1] < losses[0]


@pytest.fixture(scope="module")
def whole(fit, tmp_path_factory):
    return fit(tmp_path_factory.mktemp("resume") / "whole", epochs=4)


@pytest.mark.end_to_end
@pytest.mark.parametrize("stop_after", [1, 3])
def test_resumed_run_equals_the_uninterrupted_one_bit_for_bit(fit, whole, tmp_path, stop_after):
    parts = fit(tmp_path / "parts", epochs=stop_after)
    fit(parts, f"--ckpt_path={parts / 'last.ckpt'}", "--seed_everything=7", epochs=4)
    one, two = (torch.load(folder / "last.ckpt", weights_only=True) for folder in (whole, parts))
    assert one["epoch"] == two["epoch"] == 3
    assert one["global_step"] == two["global_step"]
    for name, value in one["state_dict"].items():
        assert torch.equal(value, two["state_dict"][name]), name
    for index, state in one["optimizer_states"][0]["state"].items():
        for name, value in state.items():
            assert torch.equal(value, two["optimizer_states"][0]["state"][index][name]), (index, name)


def test_checkpoint_of_the_cli_rebuilds_the_module_by_itself(base_run):
    for name in ("best.ckpt", "last.ckpt"):
        module = WorldModelModule.load_from_checkpoint(base_run / name)  # weights_only, Lightning's default
        assert module.world_model.normalizer.fitted
        assert module.world_model.predictor.net[0].out_features == 128


def test_checkpoint_of_a_module_built_in_python_takes_its_model_again(dataset_root, tmp_path):
    data = TrajectoryDataModule(["door-wall/tiny-v0"], root=str(dataset_root), validation_steps=10)
    module = WorldModelModule(make_world_model(), validation_horizons=[5])
    trainer = L.Trainer(
        default_root_dir=tmp_path, max_epochs=1, logger=False, enable_progress_bar=False, enable_model_summary=False
    )
    trainer.fit(module, data)
    trainer.save_checkpoint(tmp_path / "python.ckpt")
    loaded = WorldModelModule.load_from_checkpoint(tmp_path / "python.ckpt", world_model=make_world_model())
    assert loaded.validation_horizons == [5]
    for name, value in module.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name]), name


def test_init_from_starts_with_the_weights_and_the_normaliser_of_another_run(fit, base_run, tmp_path):
    # a learning rate of zero leaves everything as it began
    run = fit(
        tmp_path / "warm", f"--model.init_from={base_run / 'last.ckpt'}", "--model.optimizer.init_args.lr=0.0", epochs=1
    )
    one, two = (torch.load(folder / "last.ckpt", weights_only=True)["state_dict"] for folder in (base_run, run))
    for name, value in one.items():
        assert torch.equal(value, two[name]), name


def test_data_of_another_dimension_is_refused_before_training(fit, tmp_path):
    with pytest.raises(
        ValueError,
        match=r"has latent_shape \(4,\), but encodes frames .* into \(1, 2, 2\)",
    ):
        fit(
            tmp_path / "run",
            "--model.world_model.init_args.encoder.init_args.dim=4",
            "--model.world_model.init_args.predictor.init_args.latent_dim=4",
        )
    with pytest.raises(ValueError, match=r"data's actions have 2 numbers, so the predictor's action_dim must be 2"):
        fit(tmp_path / "run", "--model.world_model.init_args.predictor.init_args.action_dim=3")


def test_diverged_training_stops_before_its_weights_replace_a_checkpoint(fit, tmp_path):
    with pytest.raises(ValueError, match=r"the training loss became (nan|inf) in epoch 0; lower the learning rate"):
        fit(tmp_path / "run", "--model.optimizer.class_path=torch.optim.SGD", "--model.optimizer.init_args.lr=1.0e+20")
    assert not (tmp_path / "run" / "last.ckpt").exists()


def test_the_decoder_learns_and_leaves_the_rest_alone():
    model = WorldModel(ConvEncoder(3, 16, width=2), MLPPredictor(3, 1, ()), decoder=Decoder(3, 16, width=2))
    batch = {
        "observations": {"pixels": torch.randint(0, 256, (4, 2, 16, 16, 3), dtype=torch.uint8)},
        "actions": torch.zeros(4, 1, 1),
    }
    model.normalizer.set(torch.zeros(3), torch.ones(3), torch.zeros(1), torch.ones(1))
    model.encoder.requires_grad_(True)
    WorldModelModule(model).decoder_loss(batch).backward()
    assert all(parameter.grad is not None for parameter in model.decoder.parameters())
    assert all(parameter.grad is None for part in (model.encoder, model.predictor) for parameter in part.parameters())
