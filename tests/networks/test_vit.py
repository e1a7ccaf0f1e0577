import itertools

import pytest
import torch

from gbplan.networks import ViTPredictor

WAYS = list(itertools.product(("token", "adaln"), ("window", "sliding")))


def vit(**changes):
    torch.manual_seed(0)
    sizes = {"latent_shape": (3, 5), "action_dim": 2, "history": 3, "width": 8, "heads": 2, "mlp_size": 16}
    made = ViTPredictor(**(sizes | changes))
    for parameter in made.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape)
    return made.double()


def draw(model, rows, frames):
    generator = torch.Generator().manual_seed(1)
    shapes = (rows, frames, *model.latent_shape), (rows, frames, model.action_dim)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


# ---------------------------------------------------------------------------------- the same in plain loops over tokens


def normalised(norm, token):
    centred = token - token.mean()
    scaled = centred / (centred.square().mean() + norm.eps).sqrt()
    return scaled if norm.weight is None else scaled * norm.weight + norm.bias


def linear(layer, token):
    product = layer.weight @ token
    return product if layer.bias is None else product + layer.bias


def plainly_predicted(model, latents, actions):
    """The latent after the last of frames ``(T, *D)``, token by token, without a mask, a batch or a cache."""
    frames, count = len(latents), model.tokens
    x = {}  # of frame and place
    for t, p in itertools.product(range(frames), range(model.per_frame)):
        whole = latents[t].reshape(count, -1)
        token = linear(model.read_in, whole[p]) if p < count else linear(model.read_action, actions[t])
        x[t, p] = token + model.place[p] + (model.frame[t, 0] if model.attention == "window" else 0)
    for number, layer in enumerate(model.layers):
        shift, scale, gate = ({} for _ in range(3))
        for t in range(frames):
            if model.conditioning == "adaln":
                action = linear(model.read_action, actions[t])
                six = linear(model.modulation, action * action.sigmoid()).reshape(len(model.layers), 6, -1)[number]
                shift[t], scale[t], gate[t] = ((six[i], six[3 + i]) for i in range(3))
            else:
                shift[t], scale[t], gate[t] = (0, 0), (0, 0), (1, 1)
        q, k, v = {}, {}, {}
        for t, p in x:
            token = normalised(layer.norms[0], x[t, p]) * (1 + scale[t][0]) + shift[t][0]
            q[t, p], k[t, p], v[t, p] = (each.reshape(layer.heads, -1) for each in linear(layer.qkv, token).chunk(3))
        after = {}
        for t, p in x:
            heads = []
            for head in range(layer.heads):
                seen = [(s, r) for s, r in x if t - model.history < s <= t]
                score = torch.stack([q[t, p][head] @ k[at][head] / len(q[t, p][head]) ** 0.5 for at in seen])
                if model.attention == "sliding":
                    score = score + torch.stack([model.bias[head, t - s] for s, _ in seen])
                weight = score.exp() / score.exp().sum()
                heads.append(sum(w * v[at][head] for w, at in zip(weight, seen, strict=True)))
            token = x[t, p] + gate[t][0] * linear(layer.out, torch.cat(heads))
            hidden = linear(layer.mlp[0], normalised(layer.norms[1], token) * (1 + scale[t][1]) + shift[t][1])
            gelu = hidden * (1 + torch.erf(hidden / 2**0.5)) / 2
            after[t, p] = token + gate[t][1] * linear(layer.mlp[2], gelu)
        x = after
    change = [linear(model.read_out, normalised(model.norm, x[frames - 1, p])) for p in range(count)]
    return latents[-1] + torch.stack(change).reshape(model.latent_shape)


@pytest.mark.parametrize(("conditioning", "attention"), WAYS)
@pytest.mark.parametrize("latent_shape", [(3, 5), (4,)])
def test_prediction_is_that_of_a_transformer_in_plain_loops(conditioning, attention, latent_shape):
    model = vit(conditioning=conditioning, attention=attention, latent_shape=latent_shape, head_dim=3)
    latents, actions = draw(model, 2, 3)
    for row in range(2):
        torch.testing.assert_close(model(latents, actions)[row], plainly_predicted(model, latents[row], actions[row]))


@pytest.mark.parametrize("conditioning", ["token", "adaln"])
def test_sliding_attention_sees_no_further_back_than_the_history_in_each_layer(conditioning):
    """A sequence longer than the history, against the same loops over all of its frames."""
    model = vit(conditioning=conditioning, attention="sliding", history=2)
    latents, actions = draw(model, 1, 4)
    predicted = model.sequence(latents, actions)
    assert predicted.shape == (1, 3, 3, 5)
    for t in range(3):
        plain = plainly_predicted(model, latents[0, : t + 2], actions[0, : t + 2])
        torch.testing.assert_close(predicted[0, t], plain)


# ----------------------------------------------------------------------------------------------------- cached rollouts


@pytest.mark.parametrize("conditioning", ["token", "adaln"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("horizon", [1, 2, 3, 6])  # fewer steps than the history, as many, more
@pytest.mark.parametrize("history", [1, 3])
def test_rollout_with_kept_keys_and_values_equals_one_that_encodes_all_frames_again(
    conditioning, dtype, tolerance, horizon, history
):
    model = vit(conditioning=conditioning, attention="sliding", history=history).to(dtype)
    latents, actions = (values.to(dtype) for values in draw(model, 2, history - 1 + horizon))
    weight = torch.randn(2, horizon, 3, 5, generator=torch.Generator().manual_seed(2)).to(dtype)

    def again(context, past, tried):
        frames, taken = context, torch.cat([past, tried], dim=1)
        for t in range(horizon):
            following = model.sequence(frames, taken[:, : history + t])[:, -1:]
            frames = torch.cat([frames, following], dim=1)
        return frames[:, history:]

    found = []
    for way in (model.rollout, again):
        given = [x.clone().requires_grad_() for x in (latents[:, :history], actions[:, : history - 1])]
        given.append(actions[:, history - 1 :].clone().requires_grad_())
        predicted = way(*given)
        gradients = torch.autograd.grad((predicted * weight).sum(), [given[0], given[2], *model.parameters()])
        found.append([predicted, *gradients])
    for cached, plain in zip(*found, strict=True):
        torch.testing.assert_close(cached, plain, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("attention", ["window", "sliding"])
def test_candidates_of_a_task_are_rolled_out_as_if_each_had_its_own_past(attention):
    model = vit(attention=attention)
    latents, actions = draw(model, 6, 6)
    context, past, tried = latents[:2, :3], actions[:2, :2], actions[:, 2:]
    apart = model.rollout(context.repeat_interleave(3, 0), past.repeat_interleave(3, 0), tried)
    torch.testing.assert_close(model.rollout(context, past, tried), apart)


def test_a_frame_is_encoded_once_in_a_rollout_with_sliding_attention():
    model = vit(attention="sliding")
    latents, actions = draw(model, 4, 7)
    encoded = []
    model.read_in.register_forward_hook(lambda module, given, made: encoded.append(made[..., 0, 0].numel()))
    model.rollout(latents[:2, :3], actions[:2, :2], actions[:, 2:])  # two tasks, two candidates each, five steps
    assert sum(encoded) == 2 * 2 + 4 * 5  # the past of each task, and each candidate's frames that have an action


# --------------------------------------------------------------------------------------------------- sizes, bad values


def test_new_adaln_layers_are_the_identity():
    torch.manual_seed(0)
    model = ViTPredictor((3, 5), 2, 2, width=8, heads=2, conditioning="adaln")
    latents, actions = torch.randn(2, 2, 3, 5), torch.randn(2, 2, 2)
    through = model.read_in(latents) + model.place + model.frame
    assert torch.equal(model._encode(latents, model._read_actions(actions), model._mask(2)), through)


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_parameters_are_counted_by_hand():
    # per layer: qkv 8 * 24, out 8 * 8 + 8, mlp 8 * 16 + 16 and 16 * 8 + 8, two norms of 8 + 8
    layer = 8 * 24 + 8 * 8 + 8 + 8 * 16 + 16 + 16 * 8 + 8 + 4 * 8
    # tokens 5 -> 8, actions 2 -> 8, 4 places (3 tokens and the action), 3 frames, last norm, 8 -> 5
    around = 5 * 8 + 8 + 2 * 8 + 8 + 4 * 8 + 3 * 8 + 16 + 8 * 5 + 5
    assert count(vit(conditioning="token", depth=2)) == 2 * layer + around


def layers(width, inner, mlp):
    """Six published layers: qkv without bias, out, and a perceptron."""
    return 6 * (3 * width * inner + inner * width + width + width * mlp + mlp + mlp * width + width)


def test_dino_wm_has_about_20_million_parameters():
    """Tokens of 384 and proprioception of 10, 404 wide with their actions; theirs: 6 layers, 588 places, the norms."""
    model = ViTPredictor((196, 394), 10, 3, 404, 6, 16, 2048, conditioning="token", head_dim=64)
    theirs = layers(404, 1024, 2048) + 588 * 404 + 13 * 2 * 404
    assert theirs == 20_122_600
    # Ours: 197 places and 3 frames for 588 places; read in, action and out.
    ours = theirs + (197 + 3 - 588) * 404 + 395 * 404 + 11 * 404 + 405 * 394
    assert count(model) == ours == 20_289_442


def test_leworldmodels_predictor_has_about_11_million_parameters():
    """One token of 192; theirs: 6 layers with AdaLN and a second norm before attention and perceptron, 3 places."""
    model = ViTPredictor((192,), 10, 3, 192, 6, 16, 2048, conditioning="adaln", head_dim=64)
    theirs = layers(192, 1024, 2048) + 6 * 193 * 6 * 192 + 3 * 192 + 13 * 2 * 192
    assert theirs == 10_791_360
    # Ours: no second norms, one more place; read in, action and out.
    ours = theirs - 12 * 2 * 192 + 192 + 2 * 193 * 192 + 11 * 192
    assert count(model) == ours == 10_863_168


@pytest.mark.parametrize("changes", [{"heads": 3}, {"depth": 0}, {"latent_shape": ()}, {"head_dim": 0}])
def test_sizes_that_do_not_fit_are_named(changes):
    with pytest.raises(ValueError, match="must be at least 1, and heads divide width where head_dim is not given"):
        vit(**changes)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"conditioning": "film"}, r"conditioning must be one of \['token', 'adaln'\], got 'film'"),
        ({"attention": "full"}, r"attention must be one of \['window', 'sliding'\], got 'full'"),
    ],
)
def test_an_unknown_choice_is_named(changes, named):
    with pytest.raises(ValueError, match=named):
        vit(**changes)
