import lightning as L
import minari
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gbplan.attacks import FGSM, PGD, NoAttack, RandomNoise
from gbplan.cli import main
from gbplan.data import TrajectoryDataModule
from gbplan.evaluation.run import load_world_model
from gbplan.modules import AdversarialWorldModelModule, WorldModelModule
from gbplan.networks import ConvEncoder, IdentityEncoder, MLPPredictor, WorldModel
from gbplan.report.tags import tag_of

CORNER = FGSM(step_size=2.0)  # where the gradient keeps its sign, this ends in the corner wherever it starts


def make_world_model():
    return WorldModel(IdentityEncoder(2), MLPPredictor(2, 2, (8,)))


def batch_of(states, actions):
    return {"observations": {"observation": torch.tensor(states)}, "actions": torch.tensor(actions)}


def doubling_module(attack=CORNER, residual=False, **arguments):
    """A model that says the next state is twice this one plus the action."""
    model = WorldModel(IdentityEncoder(1, [0]), MLPPredictor(1, 1, hidden_sizes=(), residual=residual))
    with torch.no_grad():
        model.predictor.net[0].weight.copy_(torch.tensor([[1.0 if residual else 2.0, 1.0]]))
        model.predictor.net[0].bias.zero_()
    module = AdversarialWorldModelModule(model, attack, **arguments)
    module.on_train_epoch_start()
    return module


# Latents 1 and 2 and actions 1 and 0 have standard deviation 0.5; predicted 3 and 4, true 2 and 10.
BATCH = batch_of([[[1.0], [2.0], [10.0]]], [[[1.0], [0.0]]])


@pytest.mark.parametrize("residual", [False, True])
def test_loss_is_that_of_the_worst_corner_against_the_clean_next_state(residual):
    module = doubling_module(residual=residual, latent_factor=0.1, action_factor=0.2)
    # radii 0.05 and 0.1: the errors 1 and -6 grow by 2 * 0.05 + 0.1
    assert module.training_loss(BATCH, 0).item() == pytest.approx((1.2**2 + 6.2**2) / 2)
    assert module.loss(BATCH).item() == pytest.approx((1 + 36) / 2)


def test_rollout_attacks_the_first_latent_and_all_actions():
    batch = batch_of([[[1.0], [2.0], [10.0]], [[3.0], [6.0], [14.0]]], [[[1.0], [0.0]], [[1.0], [0.0]]])
    module = doubling_module(rollout_steps=2, latent_factor=0.1, action_factor=0.2)
    # first latents 1 and 3, radius 0.1; actions' radius 0.1. First window: errors 1 and 6 - 10 = -4, whose slopes are
    # 2 * 1 + 4 * -4, 1 + 2 * -4 and -4: all are lowered. Second window: 7 - 6 = 1 and 14 - 14 = 0: all are raised.
    first = (1 - 0.3) ** 2 + (-4 - 0.4 - 0.2 - 0.1) ** 2
    second = (1 + 0.3) ** 2 + (0.4 + 0.2 + 0.1) ** 2
    module.training_loss(batch, 0)
    assert module.latent_radius.tolist() == pytest.approx([0.1])
    # the second window's second error may be pushed either way by the start; a longer climb settles it
    module.attack = PGD(steps=10, step_size=2.0)
    assert module.training_loss(batch, 0).item() == pytest.approx((first + second) / 4)


def radii_of(module):
    return module.latent_radius.item(), module.action_radius.item()


def test_all_frames_of_a_history_and_all_their_actions_are_attacked():
    """The model adds up three frames and the actions at them; all slopes are 1, and the error is negative."""
    model = WorldModel(IdentityEncoder(1, [0]), MLPPredictor(1, 1, hidden_sizes=(), residual=False, history=3))
    with torch.no_grad():
        model.predictor.net[0].weight.fill_(1.0)
        model.predictor.net[0].bias.zero_()
    module = AdversarialWorldModelModule(model, CORNER, latent_factor=0.1, action_factor=0.2)
    module.on_train_epoch_start()
    batch = batch_of([[[0.0], [1.0], [2.0], [10.0]]], [[[0.0], [1.0], [2.0]]])
    std = (2 / 3) ** 0.5  # of 0, 1, 2
    assert module.training_loss(batch, 0).item() == pytest.approx((10 - 6 + 3 * std * (0.1 + 0.2)) ** 2)


def test_fixed_radii_are_those_of_the_first_batch_and_adaptive_ones_of_each():
    wider = batch_of([[[1.0], [5.0], [10.0]]], [[[4.0], [0.0]]])
    fixed, adaptive = (
        doubling_module(radii=radii, latent_factor=0.1, action_factor=0.2) for radii in ("fixed", "adaptive")
    )
    for module in (fixed, adaptive):
        module.training_loss(BATCH, 0)
        assert radii_of(module) == pytest.approx((0.05, 0.1))
        module.training_loss(wider, 1)
    assert radii_of(fixed) == pytest.approx((0.05, 0.1))
    assert radii_of(adaptive) == pytest.approx((0.2, 0.4))


def test_radii_are_per_dimension():
    module = AdversarialWorldModelModule(make_world_model(), NoAttack(), latent_factor=1.0, action_factor=0.0)
    module.on_train_epoch_start()
    module.training_loss(batch_of([[[1.0, 3.0], [0.0, 0.0]], [[3.0, 3.0], [0.0, 0.0]]], [[[0.0, 1.0]]] * 2), 0)
    assert module.latent_radius.tolist() == [1.0, 0.0]
    assert module.action_radius.tolist() == [0.0, 0.0]


def test_a_factor_for_each_dimension_makes_its_radius():
    model = make_world_model()
    module = AdversarialWorldModelModule(model, NoAttack(), latent_factor=[1.0, 0.5], action_factor=[0.0, 2.0])
    module.on_train_epoch_start()
    module.training_loss(
        batch_of([[[1.0, 3.0], [0.0, 0.0]], [[3.0, 7.0], [0.0, 0.0]]], [[[0.0, 1.0]], [[0.0, 3.0]]]), 0
    )
    assert module.latent_radius.tolist() == [1.0, 1.0]
    assert module.action_radius.tolist() == [0.0, 2.0]


def test_channels_of_tokens_may_have_factors_of_their_own():
    model = WorldModel(ConvEncoder(2, 8, width=2, tokens=True), MLPPredictor((16, 2), 1), normalize="channel")
    module = AdversarialWorldModelModule(model, NoAttack(), latent_factor=[1.0, 0.5])
    module.on_train_epoch_start()
    latents = torch.randn(6, 2, 16, 2, generator=torch.Generator().manual_seed(0))
    module.training_loss({"latents": latents, "actions": torch.randn(6, 1, 1)}, 0)
    spread = latents[:, :1].std((0, 1), correction=0)
    torch.testing.assert_close(module.latent_radius, spread * torch.tensor([1.0, 0.5]))


def test_another_number_of_factors_than_dimensions_is_refused():
    module = AdversarialWorldModelModule(make_world_model(), NoAttack(), latent_factor=[1.0, 0.5, 0.1])
    with pytest.raises(ValueError, match=r"latent_factor has 3 numbers, but latents have shape \(2,\)"):
        module.training_loss(batch_of([[[1.0, 3.0], [0.0, 0.0]]] * 2, [[[0.0, 1.0]]] * 2), 0)


def test_radii_may_be_a_share_of_how_far_latents_move_in_a_step():
    module = doubling_module(radii="displacement", latent_factor=0.1, action_factor=0.2)
    module.training_loss(batch_of([[[5.0], [8.0], [12.0]]], [[[1.0], [3.0]]]), 0)
    assert radii_of(module) == pytest.approx((0.1 * 12.5**0.5, 0.2))  # moves of 3 and 4; actions deviate by 1


def test_each_group_has_its_own_share_of_its_own_displacement():
    # The agent moves by 3 and 4, the block by 0 and 2; their places deviate by far more.
    latents = [[[0.0, 100.0], [3.0, 100.0]], [[50.0, -100.0], [54.0, -98.0]]]
    model = make_world_model()
    module = AdversarialWorldModelModule(
        model, NoAttack(), radii="displacement", latent_factor=[0.1, 0.5], action_factor=0.0
    )
    module.on_train_epoch_start()
    module.training_loss(batch_of(latents, [[[0.0, 1.0]], [[0.0, 3.0]]]), 0)
    assert module.latent_radius.tolist() == pytest.approx([0.1 * 12.5**0.5, 0.5 * 2**0.5])
    # A radius of one batch holds for the run: the rule is fixed, not adaptive.
    module.training_loss(batch_of([[[0.0, 0.0], [9.0, 9.0]]] * 2, [[[0.0, 1.0]], [[0.0, 3.0]]]), 1)
    assert module.latent_radius.tolist() == pytest.approx([0.1 * 12.5**0.5, 0.5 * 2**0.5])


def test_first_batch_without_any_spread_is_refused():
    batch = batch_of([[[1.0], [2.0]]], [[[1.0]]])
    with pytest.raises(ValueError, match="the latents of the first batch of 1 are all alike, so their radius would be"):
        doubling_module().training_loss(batch, 0)
    doubling_module(radii="adaptive").training_loss(batch, 0)


def of_two_processes(monkeypatch, others_std):
    """Pretend to be one of two processes; the other one has this standard deviation."""
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda std: std.add_(others_std))


def test_a_process_whose_first_batch_has_no_spread_takes_part_in_the_radii_of_all(monkeypatch):
    alike = batch_of([[[1.0], [2.0]]], [[[1.0]]])
    of_two_processes(monkeypatch, others_std=0.5)
    module = doubling_module(latent_factor=0.1, action_factor=0.2)
    module.training_loss(alike, 0)
    assert radii_of(module) == pytest.approx((0.025, 0.05))
    of_two_processes(monkeypatch, others_std=0.0)
    with pytest.raises(ValueError, match="are all alike"):
        doubling_module().training_loss(alike, 0)


def test_clean_fraction_of_the_samples_is_left_alone_and_the_gain_is_that_of_the_others():
    # latents 1, 3, 1, 3: standard deviation 1; every prediction is 1 too high, and the attack adds 2 * 0.1 to it
    batch = batch_of([[[1.0], [1.0]], [[3.0], [5.0]]] * 2, [[[0.0]]] * 4)
    module = doubling_module(latent_factor=0.1, action_factor=0.0, clean_fraction=0.25)
    assert module.training_loss(batch, 0).item() == pytest.approx((1 + 3 * 1.2**2) / 4)
    clean, gain, latent_radius, action_radius = (module._sums[0] / 4).tolist()
    assert (clean, gain) == (pytest.approx(1.0), pytest.approx(1.2**2 - 1))
    assert (latent_radius, action_radius) == (pytest.approx(0.1), 0.0)


def test_draws_depend_on_the_seed_the_epoch_and_the_batch_only():
    def loss(batch_idx, attack_seed=0):
        module = doubling_module(RandomNoise("uniform"), radii="adaptive", attack_seed=attack_seed)
        return module.training_loss(BATCH, batch_idx).item()

    assert loss(3) == loss(3)
    assert len({loss(3), loss(4), loss(3, attack_seed=1)}) == 3


def test_attack_leaves_no_gradient_on_the_model():
    module = doubling_module()
    module.training_loss(BATCH, 0)
    assert all(parameter.grad is None for parameter in module.parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"latent_factor": -0.1}, "latent_factor must be finite and not negative, got -0.1"),
        ({"action_factor": float("nan")}, "action_factor must be finite and not negative, got nan"),
        ({"radii": "guessed"}, r"radii must be one of \['fixed', 'adaptive', 'displacement'\], got 'guessed'"),
        ({"clean_fraction": 1.0}, r"clean_fraction must lie in 0..1, 1 excluded \(use NoAttack\), got 1.0"),
        ({"attack_seed": -1}, "attack_seed must not be negative, got -1"),
    ],
)
def test_bad_numbers_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        AdversarialWorldModelModule(make_world_model(), NoAttack(), **arguments)


def test_attack_that_is_none_is_refused():
    with pytest.raises(TypeError, match="attack must be an Attack, such as FGSM"):
        AdversarialWorldModelModule(make_world_model(), FGSM)


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model.attack=NoSuchAttack"], "NoSuchAttack"),
        (["--model.attack=FGSM", "--model.latent_factor=-1"], "latent_factor must be finite and not negative, got -1"),
        (["--model.attack=PGD", "--model.attack.steps=0"], "steps must be at least 1, got 0"),
    ],
)
def test_bad_command_line_is_one_line(capsys, tmp_path, arguments, message):
    with pytest.raises(SystemExit):
        main(
            [
                "fit",
                "--config=configs/door_wall/base.yaml",
                f"--trainer.default_root_dir={tmp_path}",
                "--model=AdversarialWorldModelModule",
                *arguments,
            ]
        )
    assert message in capsys.readouterr().err


def adversarial(attack, *args):
    return ["--model=AdversarialWorldModelModule", f"--model.attack={attack}", *args]


def weights(folder):
    return torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]


def require_equal(one, two):
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.equal(value, two[name]), name


@pytest.fixture(scope="module")
def train(dataset_root, tmp_path_factory):
    """Return a function that trains for an epoch from always the same start, and saves a checkpoint."""
    data = TrajectoryDataModule(["door-wall/tiny-v0"], root=str(dataset_root), validation_steps=10)
    start = make_world_model().state_dict()
    folder = tmp_path_factory.mktemp("python")

    def train(module, data=data):
        module.world_model.load_state_dict(start)
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        trainer = L.Trainer(default_root_dir=folder, max_epochs=1, enable_checkpointing=False, **quiet)
        trainer.fit(module, data)
        trainer.save_checkpoint(folder / "python.ckpt")
        return module.state_dict()

    train.checkpoint = folder / "python.ckpt"
    return train


@pytest.fixture
def integer_actions(tmp_path):
    """Data whose actions are whole numbers."""
    plane = Box(-10, 10, (2,), np.float64)
    space = Dict(observation=plane, achieved_goal=plane, desired_goal=plane)
    (tmp_path / "grid-v0").mkdir()
    storage = MinariStorage.new(tmp_path / "grid-v0/data", space, Box(-1, 1, (2,), np.int64), data_format="hdf5")
    storage.update_metadata({"dataset_id": "grid-v0", "minari_version": minari.__version__})
    episode = {
        "observations": {key: np.arange(6.0).reshape(3, 2) for key in space},
        "actions": np.array([[1, 0], [0, 1]]),
        "rewards": np.zeros(2),
        "terminations": np.zeros(2, np.bool_),
        "truncations": np.array([False, True]),
    }
    storage.update_episodes([EpisodeBuffer(**episode) for _ in range(4)])
    return TrajectoryDataModule(["grid-v0"], str(tmp_path), validation_steps=1, validation_fraction=0.25)


def test_attack_on_integer_actions_is_refused_before_training(integer_actions, train):
    module = AdversarialWorldModelModule(make_world_model(), FGSM(), validation_horizons=[1])
    with pytest.raises(TypeError, match=r"actions of type int64 cannot be attacked: .* set action_factor to 0"):
        train(module, integer_actions)
    latents_only = AdversarialWorldModelModule(make_world_model(), FGSM(), action_factor=0.0, validation_horizons=[1])
    train(latents_only, integer_actions)
    assert latents_only.action_radius.tolist() == [0.0, 0.0]


def test_no_attack_and_radius_zero_train_like_the_base_module_bit_for_bit(train):
    few = {"validation_horizons": [5]}
    plain = train(WorldModelModule(make_world_model(), **few))
    require_equal(plain, train(AdversarialWorldModelModule(make_world_model(), NoAttack(), **few)))
    zero = {"latent_factor": 0.0, "action_factor": 0.0}
    require_equal(plain, train(AdversarialWorldModelModule(make_world_model(), FGSM(), **zero, **few)))
    attacked = train(AdversarialWorldModelModule(make_world_model(), FGSM(), **few))
    assert not any(torch.equal(plain[name], attacked[name]) for name in plain if "weight" in name)


@pytest.fixture(scope="module")
def whole(fit, tmp_path_factory):
    return fit(tmp_path_factory.mktemp("adversarial") / "whole", *adversarial("FGSM"), epochs=3)


@pytest.mark.end_to_end
def test_resumed_run_equals_the_uninterrupted_one_bit_for_bit(fit, whole, tmp_path):
    parts = fit(tmp_path / "parts", *adversarial("FGSM"), epochs=1)
    fit(parts, *adversarial("FGSM"), f"--ckpt_path={parts / 'last.ckpt'}", "--seed_everything=7", epochs=3)
    one, two = (torch.load(folder / "last.ckpt", weights_only=True) for folder in (whole, parts))
    assert one["global_step"] == two["global_step"]
    require_equal(one["state_dict"], two["state_dict"])
    require_equal(one["attack_radii"], two["attack_radii"])


def test_epoch_means_are_logged(whole):
    events = EventAccumulator(str(whole)).Reload()

    def values(name):
        return [event.value for event in events.Scalars(tag_of(f"train/{name}"))]

    assert len(values("loss")) == 3
    assert values("adversarial_loss") == pytest.approx(values("loss"))
    assert all(gain > 0 for gain in values("attack_gain"))
    sums = [clean + gain for clean, gain in zip(values("clean_loss"), values("attack_gain"), strict=True)]
    assert values("adversarial_loss") == pytest.approx(sums)
    # latents are standardised, so that their radius is the factor, up to the first batch's sampling error
    assert values("latent_radius") == pytest.approx([0.05] * 3, rel=0.1)
    assert len(set(values("latent_radius") + values("action_radius"))) == 2


def test_checkpoint_of_the_cli_rebuilds_the_module_and_serves_as_a_plain_one(whole):
    module = AdversarialWorldModelModule.load_from_checkpoint(whole / "last.ckpt")
    assert type(module.attack) is FGSM
    assert module.latent_radius.tolist() == pytest.approx([0.05, 0.05], rel=0.2)
    plain = WorldModelModule.load_from_checkpoint(whole / "last.ckpt")
    assert type(plain) is WorldModelModule
    require_equal(module.state_dict(), plain.state_dict())
    require_equal(module.world_model.state_dict(), load_world_model(str(whole / "last.ckpt")).state_dict())


def test_checkpoint_of_a_module_built_in_python_takes_its_objects_again(train):
    module = AdversarialWorldModelModule(make_world_model(), PGD(2), latent_factor=0.1, validation_horizons=[5])
    train(module)
    loaded = AdversarialWorldModelModule.load_from_checkpoint(
        train.checkpoint, world_model=make_world_model(), attack=PGD(2)
    )
    assert (loaded.latent_factor, loaded.validation_horizons) == (0.1, [5])
    assert torch.equal(loaded.latent_radius, module.latent_radius)
    require_equal(module.state_dict(), loaded.state_dict())
    plain = WorldModelModule.load_from_checkpoint(train.checkpoint, world_model=make_world_model())
    require_equal(module.state_dict(), plain.state_dict())
