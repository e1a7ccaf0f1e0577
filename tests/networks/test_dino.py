"""A frozen DINO is transformers' own model, on pictures that are resized and normalised as it expects them."""

import copy
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from dino_folders import KINDS, write_dino, write_hub
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn

from gbplan.modules import load_encoder_weights, load_world_model_weights
from gbplan.networks import DinoEncoder, MLPPredictor, ProprioceptiveEncoder, ViTPredictor, WorldModel
from gbplan.networks.encoder import encoder_hash

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dino") / "dinov2"
    write_dino(folder)
    return folder


@pytest.fixture
def changed(folder, tmp_path):
    """Return a function that changes the files of a copy, and returns the copy."""

    def change(how):
        for path in folder.iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())
        how(tmp_path)
        return tmp_path

    return change


def pictures(*lead, size=28):
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(0, 256, (2, *lead, size, size, 3), generator=generator).to(torch.uint8)
    return {"pixels": drawn[0], "desired_pixels": drawn[1]}


def normalised(seen, mean=MEAN, std=STD):
    return ((seen.double() / 255 - mean.double()) / std.double()).movedim(-1, 1).float()


# ------------------------------------------------------------------------------------------------------ known answers


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("features", ["patches", "cls", "mean"])
def test_latents_are_those_of_the_model_itself(kind, features, tmp_path):
    model = write_dino(tmp_path, kind)
    encoder = DinoEncoder(str(tmp_path), grid=2, features=features)
    seen = pictures(3, size=encoder.image_size)
    with torch.no_grad():
        tokens = model(pixel_values=normalised(seen["pixels"])).last_hidden_state
    assert tokens.shape[1] == 4 + (1 if kind == "dinov2" else 5)
    expected = {"patches": tokens[:, -4:], "cls": tokens[:, 0], "mean": tokens[:, -4:].mean(1)}[features]
    latents = encoder.encode(seen)
    assert latents.shape[1:] == encoder.latent_shape == expected.shape[1:]
    torch.testing.assert_close(latents, expected, rtol=1e-4, atol=1e-5)
    assert latents.flatten(1).std(0).min() > 1e-3  # of different pictures they differ


def test_pictures_of_another_size_are_resized_as_pillow_does(folder):
    encoder = DinoEncoder(str(folder), grid=2)
    seen = pictures(2, size=64)["pixels"]
    resized = [np.asarray(Image.fromarray(each.numpy()).resize((28, 28), Image.Resampling.BICUBIC)) for each in seen]
    expected = normalised(torch.from_numpy(np.stack(resized)))
    found = encoder.preprocess(seen.movedim(-1, 1))
    assert ((found - expected) * STD[:, None, None] * 255).abs().max() < 2  # of 255: Pillow rounds twice
    assert encoder.encode({"pixels": pictures(2, size=40)["pixels"][:, :20]}).shape == (2, 4, 32)


@pytest.mark.parametrize(
    ("preprocessing", "mean", "std"),
    [
        ({"image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.5, 0.25]}, [0.5, 0.4, 0.3], [0.5, 0.5, 0.25]),
        ({"do_normalize": False}, [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]),
        ({"size": {"height": 224}}, MEAN.tolist(), STD.tolist()),
    ],
)
def test_pictures_are_normalised_as_the_folder_says(tmp_path, preprocessing, mean, std):
    write_dino(tmp_path, preprocessing=preprocessing)
    seen = pictures(2)["pixels"]
    found = DinoEncoder(str(tmp_path), grid=2).preprocess(seen.movedim(-1, 1))
    torch.testing.assert_close(found, normalised(seen, torch.tensor(mean), torch.tensor(std)))


def test_leading_axes_and_chunks_change_nothing(folder):
    encoder = DinoEncoder(str(folder), grid=2)
    seen = pictures(5, 7)
    latents = encoder.encode(seen)
    assert latents.shape == (5, 7, 4, 32)
    torch.testing.assert_close(latents[3, 2], encoder.encode({"pixels": seen["pixels"][3, 2]}))
    assert encoder.encode_goal(seen).shape == encoder.goal_features(latents).shape


def test_projection_about_preserves_distances_and_is_the_same_every_time(folder):
    whole, small = DinoEncoder(str(folder), grid=2), DinoEncoder(str(folder), grid=2, project_to=16)
    seen = pictures(40)
    latents, projected = whole.encode(seen), small.encode(seen)
    assert projected.shape == (40, 4, 16)
    torch.testing.assert_close(projected, latents @ small.projection)
    assert torch.equal(projected, DinoEncoder(str(folder), grid=2, project_to=16).encode(seen))
    ratio = (projected[1:] - projected[0]).flatten(1).norm(dim=1) / (latents[1:] - latents[0]).flatten(1).norm(dim=1)
    assert 0.6 < ratio.min() < ratio.max() < 1.6


# --------------------------------------------------------------------------------------------------- as a gbplan part


def test_it_is_frozen_for_good(folder):
    model = WorldModel(
        DinoEncoder(str(folder), grid=2), ViTPredictor((4, 32), 2, width=8, heads=2), normalize="channel"
    )
    model.train().requires_grad_(True)
    assert not any(part.training for part in model.encoder.modules())
    assert not model.encode(pictures(1)).requires_grad


def test_proprioception_stands_beside_every_patch(folder):
    encoder = ProprioceptiveEncoder(DinoEncoder(str(folder), grid=2), 2, weight=3.0)
    assert encoder.latent_shape == (4, 34)
    seen = {"observation": torch.tensor([[1.0, 2.0]]), "desired_goal": torch.zeros(1, 2), **pictures(1)}
    latent = encoder.encode(seen)
    assert latent[0, :, 32:].tolist() == [[3.0, 6.0]] * 4
    assert encoder.encode_goal(seen).shape == encoder.goal_features(latent).shape == (1, 4, 34)


def test_its_hash_is_of_weights_and_settings_not_of_the_folder(folder, changed, tmp_path):
    copied = changed(lambda _: None)
    write_dino(tmp_path / "other", seed=1)
    same = encoder_hash(DinoEncoder(str(folder), grid=2))
    assert encoder_hash(DinoEncoder(str(copied), grid=2)) == same
    others = [
        DinoEncoder(str(tmp_path / "other"), grid=2),
        DinoEncoder(str(folder), grid=3),
        DinoEncoder(str(folder), grid=2, features="mean"),
        DinoEncoder(str(folder), grid=2, project_to=8),
    ]
    assert len({same, *map(encoder_hash, others)}) == 5


@pytest.mark.end_to_end
def test_transformers_is_imported_when_used_and_the_hash_is_the_same_in_every_process(folder):
    code = (
        "import sys; from gbplan.networks import DinoEncoder; from gbplan.networks.encoder import encoder_hash; "
        f"assert 'transformers' not in sys.modules; print(encoder_hash(DinoEncoder({str(folder)!r}, grid=2)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == encoder_hash(DinoEncoder(str(folder), grid=2))
    assert told.stderr == ""


# --------------------------------------------------------------------------------------------------------- checkpoints


def world(folder, seed=0):
    torch.manual_seed(seed)
    return WorldModel(DinoEncoder(str(folder), grid=2, features="cls"), MLPPredictor(32, 2))


def saved(model, path):
    torch.save({"state_dict": {f"world_model.{name}": value for name, value in model.state_dict().items()}}, path)
    return path


def test_checkpoints_have_the_hash_of_its_weights_and_not_the_weights(folder, tmp_path):
    first, second = world(folder), world(folder, seed=1)
    assert [name for name in first.state_dict() if "encoder" in name] == ["encoder.weights_hash"]
    load_world_model_weights(second, saved(first, tmp_path / "a.ckpt"))
    load_encoder_weights(second.encoder, tmp_path / "a.ckpt")
    seen = pictures(2)
    assert torch.equal(first.encode(seen), second.encode(seen))
    assert torch.equal(first.encode(seen), copy.deepcopy(first).encode(seen))


def test_a_checkpoint_of_other_normalisation_is_refused(folder, changed, tmp_path):
    path = saved(world(folder), tmp_path / "a.ckpt")
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    other = changed(lambda it: (it / "preprocessor_config.json").write_text(json.dumps(half)))
    with pytest.raises(
        ValueError, match=r"has other weights, or another normalisation of pictures.*; put the original files there"
    ):
        load_world_model_weights(world(other), path)


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_averaged_weights_are_of_the_same_encoder(folder, decay):
    model = world(folder)
    average = AveragedModel(model, avg_fn=get_ema_avg_fn(decay), use_buffers=True)
    for _ in range(20):
        average.update_parameters(model)
    other = world(folder)
    other.load_state_dict(average.module.state_dict())
    assert encoder_hash(other.encoder) == encoder_hash(model.encoder)
    torch.testing.assert_close(average.module.encode(pictures(2)), model.encode(pictures(2)))


@pytest.mark.parametrize("loads", [load_world_model_weights, lambda m, path: load_encoder_weights(m.encoder, path)])
def test_a_checkpoint_of_other_weights_is_refused(folder, tmp_path, loads):
    write_dino(tmp_path / "other", seed=1)
    path = saved(world(folder), tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match=r"other has other weights, .*, than this model was trained with; put the"):
        loads(world(tmp_path / "other"), path)


# ----------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.float() / 255, r"'pixels' must be uint8 .*got torch.float32 .*\(255 \* x\).round\(\)"),
        (
            lambda x: x.movedim(-1, 1),
            r"\(height, width, 3\) \(channels last\), got .* \(3, 28, 28\); move the channels",
        ),
        (lambda x: x[..., :1], r"got torch.uint8 of \(28, 28, 1\); use an encoder of that many channels"),
        (lambda x: x[0, 0], r"got torch.uint8 of \(28, 3\); give it the picture itself"),
    ],
    ids=["floats", "channels first", "grey", "a part"],
)
def test_other_pictures_are_named(folder, change, message):
    with pytest.raises(ValueError, match=message):
        DinoEncoder(str(folder), grid=2).encode({"pixels": change(pictures(1)["pixels"])})


def edit(path, **changes):
    (path / "config.json").write_text(json.dumps(json.loads((path / "config.json").read_text()) | changes))


def weights(path, change):
    state = load_file(path / "model.safetensors")
    change(state)
    save_file(state, path / "model.safetensors", metadata={"format": "pt"})


def pickled(path):
    torch.save(load_file(path / "model.safetensors"), path / "pytorch_model.bin")
    (path / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (lambda path: (path / "config.json").unlink(), "has no config.json, so it is no model of transformers"),
        (lambda path: (path / "config.json").write_text("{"), "config.json is not JSON"),
        (lambda path: (path / "config.json").write_text("[]"), r"config.json must be dict, got \[\]"),
        (lambda path: (path / "config.json").write_text("{}"), "config.json lacks model_type"),
        (
            lambda path: edit(path, model_type="vit"),
            "architecture 'vit', DinoEncoder reads dinov2, dinov2_with_registe",
        ),
        (
            lambda path: (path / "model.safetensors").unlink(),
            "has no model.safetensors; DinoEncoder reads weights as sa",
        ),
        (
            pickled,
            "has only pytorch_model.bin, which could run code when read; DinoEncoder reads weights as safetensors",
        ),
        (
            lambda path: weights(path, lambda it: it.pop("layernorm.weight")),
            r"lacks weights of its model \(layernorm.we",
        ),
        (
            lambda path: weights(path, lambda it: it["layernorm.bias"].fill_(torch.nan)),
            "are NaN or infinite .layernorm",
        ),
        (lambda path: edit(path, hidden_size=48), "holds no model that transformers can load .* fetch them again"),
        (
            lambda path: edit(path, hidden_size="many"),
            "holds no model that transformers can load .*expected int, got str",
        ),
        (lambda path: (path / "model.safetensors").write_bytes(b"cut off"), "holds no model that .*SafetensorError"),
        (lambda path: edit(path, num_channels=1), "holds no model that|reads models of three colours"),
        (
            lambda path: (path / "preprocessor_config.json").write_text('{"image_mean": [1, 2]}'),
            r"must give image_mean and image_std for three colours, got \[1, 2\]",
        ),
        (
            lambda path: (path / "preprocessor_config.json").write_text('{"image_std": [0, 1, 1]}'),
            r"preprocessor_config.json: image_std: 0 must be a finite number from 1e-06, got 0",
        ),
    ],
)
def test_a_folder_that_is_no_such_model_is_refused_in_one_line(changed, how, message, capsys):
    folder = changed(how)
    with pytest.raises(ValueError, match=message) as caught:
        DinoEncoder(str(folder), grid=2)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().err == ""


def test_a_folder_does_not_choose_code(changed, folder):
    plain = DinoEncoder(str(folder), grid=2)
    chosen = {"attn_implementation": "somebody/kernels", "auto_map": {"AutoModel": "its.Model"}}
    other = changed(lambda path: edit(path, quantization_config={"quant_method": "bitsandbytes"}, **chosen))
    assert torch.equal(DinoEncoder(str(other), grid=2).encode(pictures(1)), plain.encode(pictures(1)))


@pytest.mark.parametrize("name", ["no/such-model", "/no/such/folder", "../nowhere"])
def test_a_model_that_is_not_there_is_named_and_not_fetched(name, monkeypatch, tmp_path):
    def connect(*_):
        raise AssertionError("something is downloaded")

    monkeypatch.setattr("socket.socket.connect", connect)
    with pytest.raises(FileNotFoundError, match=rf"there is no folder {name}, which DinoEncoder should read") as caught:
        DinoEncoder(name)
    assert ("hf download no/such-model" in str(caught.value)) == (name == "no/such-model")


def test_a_model_of_the_hubs_cache_is_read_by_its_id(folder, tmp_path, monkeypatch):
    write_hub(tmp_path, "facebook/dinov2-tiny")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    found = DinoEncoder("facebook/dinov2-tiny", grid=2)
    assert torch.equal(found.encode(pictures(1)), DinoEncoder(str(folder), grid=2).encode(pictures(1)))


@pytest.mark.parametrize("module", ["transformers", "huggingface_hub"])
def test_without_transformers_the_extra_is_named(folder, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    name = str(folder) if module == "transformers" else "facebook/dinov2-small"
    with pytest.raises(ImportError, match=rf"{module} .*run pip install 'gbplan\[vision\]'"):
        DinoEncoder(name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frozen": False}, "DinoEncoder is not trained here, so frozen must be true; to train one, use ViTEncoder"),
        ({"grid": 0}, "grid and project_to must be at least 1, got 0 and None"),
        ({"project_to": 0}, "grid and project_to must be at least 1, got 14 and 0"),
        ({"features": "pooled"}, r"features must be one of \['patches', 'cls', 'mean'\], got 'pooled'"),
    ],
)
def test_bad_arguments_are_named_before_anything_is_read(arguments, message):
    with pytest.raises(ValueError, match=message):
        DinoEncoder("/no/such/folder", **arguments)
