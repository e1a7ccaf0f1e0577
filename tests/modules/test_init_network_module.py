import pytest
import torch

from gbplan.cli import run
from gbplan.data.windows import window_starts
from gbplan.evaluation import load_world_model
from gbplan.modules import InitNetworkModule
from gbplan.networks import IdentityEncoder, InitNetwork, MLPPredictor, Probe, WorldModel
from gbplan.planners import GradientPlanner, InitializedPlanner

TINY = "door-wall/tiny-v0"


class Zero(InitNetwork):
    """Guesses zeros, and records its inputs."""

    def forward(self, latent, goal):
        self.asked = latent, goal
        return super().forward(latent, goal) * 0


def make_module(network=None, **changes):
    network = network or Zero(1, 1, 1, horizon=4, hidden_sizes=(2,))
    world_model = WorldModel(IdentityEncoder(1, [0]), MLPPredictor(1, 1, ()))
    return InitNetworkModule(network, world_model, **changes)


BATCH = {
    "observations": {"observation": torch.tensor([[[0.0], [1.0], [3.0], [6.0]], [[9.0], [8.0], [6.0], [3.0]]])},
    "actions": torch.tensor([[[1.0], [2.0], [3.0]], [[-1.0], [-2.0], [-3.0]]]),
}


def test_loss_is_that_of_the_actions_up_to_the_goal_and_of_zeros_after_it():
    module = make_module()
    assert module.hindsight_loss(BATCH, torch.tensor([1, 1])).item() == pytest.approx((1 + 1) / 8)
    assert module.hindsight_loss(BATCH, torch.tensor([3, 2])).item() == pytest.approx((1 + 4 + 9 + 1 + 4) / 8)


def test_network_plans_from_the_first_frame_to_the_goal_frame_without_normalisation():
    module = make_module()
    one = torch.ones(1)
    module.world_model.normalizer.set(5 * one, 2 * one, one, one)
    module.hindsight_loss(BATCH, torch.tensor([1, 3]))
    latent, goal = module.network.asked
    torch.testing.assert_close(latent, torch.tensor([[0.0], [9.0]]))
    torch.testing.assert_close(goal, torch.tensor([[1.0], [3.0]]))


def test_every_later_frame_is_a_goal_now_and_then():
    module = make_module()
    seen = set()
    for index in range(40):
        module.training_loss(BATCH, index)
        seen |= {float(x) for x in module.network.asked[1][0]}
    assert seen == {1.0, 3.0, 6.0}


@pytest.fixture(scope="module")
def fit(dataset_root, tmp_path_factory):
    def fit(folder, *args, epochs=3):
        run(
            [
                "fit",
                "--config=configs/door_wall/init_network.yaml",
                f"--trainer.default_root_dir={folder}",
                f"--trainer.max_epochs={epochs}",
                "--trainer.enable_progress_bar=false",
                "--trainer.enable_model_summary=false",
                "--trainer.check_val_every_n_epoch=1",
                "--checkpoint.every_n_epochs=1",
                f"--data.datasets=[{TINY}]",
                f"--data.root={dataset_root}",
                "--data.batch_size=128",
                "--data.validation_fraction=0.2",
                *args,
            ]
        )
        return folder

    return fit


@pytest.fixture(scope="module")
def trained(fit, tmp_path_factory):
    return fit(tmp_path_factory.mktemp("init") / "run")


def state_of(folder):
    return torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]


def test_training_lowers_the_loss(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    losses = [event.value for event in EventAccumulator(str(trained)).Reload().Scalars("4_loss/val/loss")]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.end_to_end
def test_resumed_training_equals_the_uninterrupted_one_and_trains_the_network_only(fit, trained, tmp_path):
    parts = fit(tmp_path / "parts", epochs=1)
    begun = state_of(parts)
    fit(parts, f"--ckpt_path={parts / 'last.ckpt'}", "--seed_everything=7")
    one, two = state_of(trained), state_of(parts)
    for name, value in one.items():
        assert torch.equal(value, two[name]) if isinstance(value, torch.Tensor) else value == two[name], name
        if name.startswith("world_model."):
            assert torch.equal(value, begun[name]), name
    assert not torch.equal(one["network.net.0.weight"], begun["network.net.0.weight"])


def test_trained_network_initialises_a_planner_named_in_yaml(trained, tmp_path):
    from gbplan.cli import build_parser

    path = tmp_path / "planner.yaml"
    path.write_text(
        "class_path: InitializedPlanner\n"
        "init_args:\n"
        f"  ckpt_path: {trained / 'best.ckpt'}\n"
        "  planner:\n"
        "    class_path: GradientPlanner\n"
        "    init_args: {horizon: 12}\n"
    )
    parser = build_parser("evaluate")
    parsed = parser.parse_args(["evaluate", "--tasks.env_id=DoorWall-v0", f"--agent.planner={path}", "--output=x"])
    planner = parser.instantiate(parsed)["evaluate"]["agent"].planner
    assert isinstance(planner, InitializedPlanner)
    assert isinstance(planner.planner, GradientPlanner)
    assert planner.horizon == 12
    assert planner.network.horizon == 50


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model.network.goal_dim=3",), "the init network's goal_dim must be the data's 2, got 3"),
        (("--model.network.latent_dim=4",), "the init network's latent_dim must be the data's 2, got 4"),
        (
            ("--model.network.horizon=20",),
            "windows must not be longer than the init network's horizon 20, got steps = 50",
        ),
        (
            ("--data.validation_steps=60",),
            "init network's horizon 50, got validation_steps = 60; lower data.validation_steps",
        ),
    ],
)
def test_a_network_that_does_not_fit_the_data_is_refused(fit, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        fit(tmp_path / "run", *arguments)


def test_its_checkpoint_is_not_taken_for_a_world_model(trained):
    with pytest.raises(ValueError, match=r"guesses plans.*--planner InitializedPlanner"):
        load_world_model(str(trained / "last.ckpt"))


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="goal_seed must not be negative, got -1"):
        make_module(goal_seed=-1)


def test_probe_of_the_world_model_takes_no_part(monkeypatch):
    world_model = WorldModel(IdentityEncoder(1, [0]), MLPPredictor(1, 1, ()), probe=Probe(1, 1))
    module = InitNetworkModule(Zero(1, 1, 1, horizon=4, hidden_sizes=(2,)), world_model)
    monkeypatch.setattr(module, "probe_loss", None)
    monkeypatch.setattr(module, "training_loss", lambda batch, index: torch.tensor(2.0))
    assert module.training_step(BATCH, 0) == 2


@pytest.mark.parametrize(("history", "block", "steps"), [(1, 1, 5), (3, 1, 5), (2, 2, 4)])
def test_held_by_a_whole_window_every_frame_is_a_start(history, block, steps):
    lengths = torch.tensor([7, 9])
    window = block * (history - 1 + steps)
    starts = window_starts(lengths + block * (history - 1 + steps), window)
    assert len(starts) == int((lengths + 1).sum())
