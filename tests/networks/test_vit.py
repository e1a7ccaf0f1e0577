import pytest
import torch

from gbplan.networks import ViTPredictor


def vit(**changes):
    torch.manual_seed(0)
    made = ViTPredictor(**({"latent_shape": (3, 5), "action_dim": 2, "history": 3, "width": 8, "heads": 2} | changes))
    for parameter in made.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape)
    return made.double()


@pytest.mark.parametrize("conditioning", ["token", "adaln"])
def test_layers_are_those_of_a_plain_transformer(conditioning):
    """Attention by loops over tokens: a token sees its own frame and those before it, and nothing after it."""
    model = vit(conditioning=conditioning, depth=1)
    layer = model.layers[0]
    x = torch.randn(1, len(model.mask), 8, dtype=torch.float64)
    q, k, v = layer.qkv(x)[0].chunk(3, dim=1)
    per_frame = len(model.mask) // 3
    rows = []
    for i in range(len(model.mask)):
        seen = [j for j in range(len(model.mask)) if j // per_frame <= i // per_frame]
        heads = []
        for h in range(2):
            part = slice(4 * h, 4 * h + 4)
            weight = torch.softmax(k[seen][:, part] @ q[i, part] / 4**0.5, dim=0)
            heads.append(weight @ v[seen][:, part])
        rows.append(layer.out(torch.cat(heads)))
    torch.testing.assert_close(layer._attend(x, model.mask)[0], torch.stack(rows))


def test_new_adaln_layers_are_the_identity():
    torch.manual_seed(0)
    layer = ViTPredictor((3, 5), 2, 2, width=8, heads=2, conditioning="adaln").layers[0]
    x, action = torch.randn(2, 6, 8), torch.randn(2, 6, 8)
    assert torch.equal(layer(x, torch.ones(6, 6, dtype=torch.bool), action), x)


def test_parameters_are_counted_by_hand():
    # per layer: qkv 8 * 24 + 24, out 8 * 8 + 8, mlp 8 * 16 + 16 and 16 * 8 + 8, two norms of 8 + 8
    layer = 8 * 24 + 24 + 8 * 8 + 8 + 8 * 16 + 16 + 16 * 8 + 8 + 4 * 8
    # tokens 5 -> 8, actions 2 -> 8, 4 places (3 tokens and the action), 3 frames, last norm, 8 -> 5
    around = 5 * 8 + 8 + 2 * 8 + 8 + 4 * 8 + 3 * 8 + 16 + 8 * 5 + 5
    model = vit(conditioning="token", depth=2, mlp_size=16)
    assert sum(parameter.numel() for parameter in model.parameters()) == 2 * layer + around


@pytest.mark.parametrize("changes", [{"heads": 3}, {"depth": 0}, {"latent_shape": ()}])
def test_sizes_that_do_not_fit_are_named(changes):
    with pytest.raises(ValueError, match="must be at least 1 and heads divide width"):
        vit(**changes)


def test_an_unknown_conditioning_is_named():
    with pytest.raises(ValueError, match=r"conditioning must be one of \['token', 'adaln'\], got 'film'"):
        vit(conditioning="film")
