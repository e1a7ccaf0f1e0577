"""Encoders of pictures and of what a robot knows of itself; frozen or trained."""

import pytest
import torch

from gbplan.networks import (
    ConvEncoder,
    IdentityEncoder,
    MLPPredictor,
    Probe,
    ProprioceptiveEncoder,
    ViTEncoder,
    WorldModel,
)


def seen(rows=2, size=16):
    generator = torch.Generator().manual_seed(0)
    picture = torch.randint(0, 256, (2, rows, size, size, 3), generator=generator).to(torch.uint8)
    return {
        "observation": torch.arange(2.0 * rows).reshape(rows, 2),
        "desired_goal": -torch.ones(rows, 2),
        "pixels": picture[0],
        "desired_pixels": picture[1],
    }


def conv(**changes):
    return ConvEncoder(5, 16, **{"width": 4} | changes)


def vit(**changes):
    return ViTEncoder(5, 16, **{"patch_size": 4, "width": 8, "heads": 2, "mlp_size": 16} | changes)


trained_here = pytest.mark.parametrize("make", [conv, vit])


@trained_here
@pytest.mark.parametrize("tokens", [False, True])
def test_pictures_become_latents_of_the_stated_shape(make, tokens):
    encoder = make(tokens=tokens)
    latents = encoder.encode(
        {key: value[:, None].repeat(1, 3, 1, 1, 1) for key, value in seen().items() if "pix" in key}
    )
    assert latents.shape == (2, 3, *encoder.latent_shape)
    torch.testing.assert_close(latents[:, 2], encoder.encode(seen()))
    assert encoder.encode_goal(seen()).shape == encoder.goal_features(latents[:, 0]).shape


def test_token_of_a_cell_depends_on_what_is_near_it_only():
    encoder = ConvEncoder(5, 64, width=4, tokens=True)
    before = seen(1, 64)
    after = {**before, "pixels": before["pixels"].clone()}
    after["pixels"][:, :8, :8] = 0
    moved = (encoder.encode(after) - encoder.encode(before))[0].abs().amax(1) > 0
    assert moved[0]
    assert not moved[[3, 7, 11, 12, 13, 14, 15]].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.float(), r"'pixels' must be uint8 pictures of shape \(16, 16, 3\) .*got torch.float32"),
        (lambda x: x[:, :8], r"got torch.uint8 of \(8, 16, 3\)"),
        (
            lambda x: x.movedim(-1, 1),
            r"channels last\), got torch.uint8 of \(3, 16, 16\); move the channels to the end",
        ),
    ],
)
@trained_here
def test_other_pictures_are_named(make, change, message):
    with pytest.raises(ValueError, match=message):
        make().encode({"pixels": change(seen()["pixels"])})


@pytest.mark.parametrize("size", [4, 7, 24, 100])
def test_sizes_that_cannot_be_halved_are_named(size):
    with pytest.raises(ValueError, match=rf"image_size must be 8, 16, 32, .*got {size}"):
        ConvEncoder(5, size)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 60}, "patch_size must divide image_size and heads divide width, got 8, 60, 4 and 64"),
        ({"heads": 3}, "patch_size must divide image_size and heads divide width, got 8, 64, 3 and 64"),
        ({"depth": 0}, r"depth, heads and mlp_size must be at least 1, got \[16, 64, 8, 3, 64, 0, 4, 128\]"),
    ],
)
def test_sizes_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ViTEncoder(**arguments)


def test_a_vit_without_attention_sees_each_patch_by_itself():
    encoder = vit(tokens=True)
    for layer in encoder.layers[:-1]:
        torch.nn.init.zeros_(layer.self_attn.out_proj.weight)
    before = seen(1)
    after = {**before, "pixels": before["pixels"].clone()}
    after["pixels"][:, :4, 4:8] = 0
    moved = (encoder.encode(after) - encoder.encode(before))[0].abs().amax(1) > 0
    assert moved.nonzero().tolist() == [[1]]


@pytest.mark.parametrize("tokens", [False, True])
def test_proprioception_stands_beside_the_picture_weighted(tokens):
    conv = ConvEncoder(5, 16, width=4, tokens=tokens)
    encoder = ProprioceptiveEncoder(conv, 2, weight=3.0)
    latent = encoder.encode(seen())
    assert latent.shape[1:] == encoder.latent_shape
    torch.testing.assert_close(latent[..., :5], conv.encode(seen()))
    for row, state in enumerate(seen()["observation"]):
        assert latent[row, ..., 5:].reshape(-1, 2).eq(3 * state).all()
    goal = encoder.encode_goal(seen())
    assert goal.shape == encoder.goal_features(latent).shape
    assert goal[..., 5:].eq(-3.0).all()


def test_a_goal_without_proprioception_is_a_picture():
    encoder = ProprioceptiveEncoder(ConvEncoder(5, 16, width=4), 2, goal_key=None)
    assert encoder.goal_keys == ("desired_pixels",)
    torch.testing.assert_close(encoder.goal_features(encoder.encode(seen())), encoder.encoder.encode(seen()))


def test_proprioception_may_be_some_numbers_of_the_state_and_fewer_of_the_goal():
    encoder = ProprioceptiveEncoder(conv(), 3, indices=[0, 1, 6], goal_dim=2)
    observations = {**seen(), "observation": torch.arange(14.0).reshape(2, 7), "desired_goal": -torch.ones(2, 6)}
    latent, goal = encoder.encode(observations), encoder.encode_goal(observations)
    assert latent[:, 5:].tolist() == [[0.0, 1.0, 6.0], [7.0, 8.0, 13.0]]
    assert goal[:, 5:].tolist() == [[-1.0, -1.0], [-1.0, -1.0]]
    assert encoder.goal_features(latent)[:, 5:].tolist() == [[0.0, 1.0], [7.0, 8.0]]
    with pytest.raises(ValueError, match=r"must be below 6, how many numbers 'observation' has, got 6 in \[0, 1, 6\]"):
        encoder.encode({**seen(), "observation": torch.zeros(2, 6)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"indices": [0]}, "indices must be dim = 2 numbers >= 0"),
        ({"goal_dim": 3}, r"goal_dim must lie in 1\.\.2"),
        ({"goal_dim": 0}, r"goal_dim must lie in 1\.\.2"),
        ({"goal_dim": 1, "goal_key": None}, r"goal_dim must be null where .* \(goal_key is null\), got 1; leave it"),
    ],
)
def test_numbers_of_proprioception_must_fit_its_size(changes, message):
    with pytest.raises(ValueError, match=message):
        ProprioceptiveEncoder(conv(), 2, **changes)


@trained_here
def test_a_frozen_encoder_stays_in_eval_mode_and_gets_no_gradient(make):
    model = WorldModel(make(), MLPPredictor(5, 2)).train()
    assert model.predictor.training
    assert not any(part.training for part in model.encoder.modules())
    assert not model.encode(seen()).requires_grad
    assert not any(parameter.requires_grad for parameter in model.encoder.parameters())


@trained_here
def test_an_encoder_in_training_gets_gradients(make):
    model = WorldModel(make(frozen=False), MLPPredictor(5, 2)).train()
    assert all(part.training for part in model.encoder.modules())
    model.encode(seen()).sum().backward()
    assert all(parameter.grad is not None for parameter in model.encoder.parameters())


def test_only_an_exact_encoder_can_tell_what_it_achieves_without_a_probe():
    assert WorldModel(IdentityEncoder(2), MLPPredictor(2, 2)).has_probe
    model = WorldModel(ConvEncoder(5, 16, width=4), MLPPredictor(5, 2))
    assert not model.has_probe
    with pytest.raises(ValueError, match=r"a world model of ConvEncoder cannot say what it achieves .*give it a probe"):
        model.achieved_goal(model.encode(seen()))


def test_proprioception_of_another_size_is_named():
    with pytest.raises(ValueError, match=r"proprioception has dim = 3 numbers, the observation has \(2,\)"):
        ProprioceptiveEncoder(ConvEncoder(5, 16, width=4), 3).encode(seen())


def test_a_probe_of_other_latents_is_named():
    with pytest.raises(ValueError, match=r"the probe reads latents of shape \(10,\), the encoder makes \(5,\)"):
        WorldModel(ConvEncoder(5, 16, width=4), MLPPredictor(5, 2), probe=Probe(10, 2))


def test_a_part_of_the_state_may_be_the_latent():
    encoder = IdentityEncoder(3, goal_indices=[2, 0], state_indices=[4, 1, 0])
    state = torch.arange(10.0).reshape(2, 5)
    latent = encoder.encode({"observation": state})
    assert latent.tolist() == [[4.0, 1.0, 0.0], [9.0, 6.0, 5.0]]
    assert encoder.goal_features(latent).tolist() == [[0.0, 4.0], [5.0, 9.0]]


def test_a_state_index_that_the_observation_lacks_is_named():
    encoder = IdentityEncoder(2, state_indices=[0, 7], key="features")
    with pytest.raises(ValueError, match=r"state_indices must be below 4, how many numbers 'features' has, got 7 in"):
        encoder.encode({"features": torch.zeros(2, 4)})


def test_a_subclass_may_read_more_entries_beside_the_state():
    class WithAnother(IdentityEncoder):
        def __init__(self):
            super().__init__(2)
            self.observation_keys = ("observation", "wind")

        def encode(self, observations):
            return super().encode(observations) - observations["wind"]

    seen = {"observation": torch.tensor([[3.0, 4.0]]), "wind": torch.tensor([[1.0, 2.0]])}
    assert WithAnother().encode(seen).tolist() == [[2.0, 2.0]]


@pytest.mark.parametrize("indices", [[0, 1], [], [0, 1, -1]])
def test_state_indices_must_be_as_many_as_latent_dimensions(indices):
    with pytest.raises(ValueError, match="state_indices must be dim = 3 numbers >= 0"):
        IdentityEncoder(3, state_indices=indices)


def test_state_is_read_from_the_entry_that_is_asked_for():
    seen = {"observation": torch.zeros(2, 9), "features": torch.arange(6.0).reshape(2, 3)}
    encoder = IdentityEncoder(3, goal_indices=[1, 2], key="features")
    assert encoder.observation_keys == ("features",)
    assert torch.equal(encoder.encode(seen), seen["features"])
    assert torch.equal(encoder.goal_features(encoder.encode(seen)), torch.tensor([[1.0, 2.0], [4.0, 5.0]]))
