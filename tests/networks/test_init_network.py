import pytest
import torch

from gbplan.networks import InitNetwork


def make(**changes):
    return InitNetwork(
        **({"latent_dim": 3, "goal_dim": 2, "action_dim": 2, "horizon": 5, "hidden_sizes": (8,)} | changes)
    )


def test_guesses_one_action_per_step():
    assert make()(torch.randn(4, 3), torch.randn(4, 2)).shape == (4, 5, 2)
    assert make(latent_dim=6)(torch.randn(4, 3, 2), torch.randn(4, 2)).shape == (4, 5, 2)


def test_inputs_are_standardised_by_what_was_seen_in_training():
    network = make()
    latent, goal = 100 + 20 * torch.randn(5000, 3), 1e-3 * torch.randn(5000, 2)
    for _ in range(60):
        network(latent, goal)
    standardised = network.eval().standardize(torch.cat([latent, goal], dim=1))
    torch.testing.assert_close(standardised.mean(0), torch.zeros(5), rtol=0, atol=0.05)
    assert standardised[:, :3].std(0).sub(1).abs().max() < 0.05


def test_rows_are_independent_in_eval_mode():
    network, latent, goal = make().eval(), torch.randn(4, 3), torch.randn(4, 2)
    torch.testing.assert_close(network(latent, goal)[2:3], network(latent[2:3], goal[2:3]))


def save(network, path):
    torch.save({"state_dict": {f"network.{key}": value for key, value in network.state_dict().items()}}, path)
    return path


def test_checkpoint_gives_back_the_network_in_eval_mode(tmp_path):
    network = make(hidden_sizes=(8, 4)).eval()
    loaded = InitNetwork.from_checkpoint(save(network, tmp_path / "a.ckpt"))
    assert not loaded.training
    latent, goal = torch.randn(4, 3), torch.randn(4, 2)
    assert torch.equal(loaded(latent, goal), network(latent, goal))


def test_broken_checkpoints_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="train an init network with"):
        InitNetwork.from_checkpoint(tmp_path / "none.ckpt")
    (tmp_path / "text.ckpt").write_text("text")
    with pytest.raises(ValueError, match="not a complete checkpoint"):
        InitNetwork.from_checkpoint(tmp_path / "text.ckpt")
    torch.save({"state_dict": {"world_model.x": torch.zeros(1)}}, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match="holds no init network; pass a checkpoint of an InitNetworkModule"):
        InitNetwork.from_checkpoint(tmp_path / "other.ckpt")
    network = make()
    with torch.no_grad():
        network.net[0].weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        InitNetwork.from_checkpoint(save(network, tmp_path / "nan.ckpt"))


@pytest.mark.parametrize(
    "sizes",
    [{"hidden_sizes": [2**30, 2**30]}, {"horizon": 6}, {"horizon": "many"}, {"hidden": 1}, {"hidden_sizes": None}],
    ids=str,
)
def test_sizes_that_are_not_those_of_the_weights_are_named_and_take_no_memory(tmp_path, sizes):
    path = save(make(), tmp_path / "a.ckpt")
    contents = torch.load(path)
    contents["state_dict"]["network._extra_state"] |= sizes
    torch.save(contents, path)
    with pytest.raises(
        ValueError, match=r"a.ckpt does not have weights of the sizes it names .*; it is damaged"
    ) as caught:
        InitNetwork.from_checkpoint(path)
    assert "\n" not in str(caught.value)


def test_weights_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"'horizon': 5.* this one has .*'horizon': 6"):
        make(horizon=6).load_state_dict(make().state_dict())


@pytest.mark.parametrize("size", [{"horizon": 0}, {"goal_dim": 0}, {"hidden_sizes": (8, 0)}], ids=str)
def test_sizes_below_one_are_refused(size):
    with pytest.raises(ValueError, match="must be at least 1"):
        make(**size)
