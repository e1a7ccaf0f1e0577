import pytest
import torch

from gbplan.networks import ConvEncoder, Decoder, MLPPredictor, WorldModel


@pytest.mark.parametrize("latent", [5, (16, 3), (5, 3), (2, 3, 4)])
@pytest.mark.parametrize("size", [8, 16, 30])
def test_latents_of_any_shape_and_any_leading_axes_become_pictures(latent, size):
    decoder = Decoder(latent, size, width=2)
    pictures = decoder.decode(torch.randn(2, 3, *decoder.latent_shape))
    assert pictures.shape == (2, 3, size, size, 3)
    assert pictures.dtype == torch.uint8


def test_a_decoder_learns_two_pictures():
    torch.manual_seed(0)
    decoder, latents = Decoder(1, 8, channels=1, width=8), torch.tensor([[-1.0], [1.0]])
    pictures = torch.tensor([20, 200], dtype=torch.uint8)[:, None, None, None].repeat(1, 8, 8, 1)
    pictures[1, :4] = 90
    descent = torch.optim.Adam(decoder.parameters(), 0.02)
    for _ in range(300):
        descent.zero_grad()
        decoder.loss(latents, {"pixels": pictures}).backward()
        descent.step()
    assert (decoder.decode(latents).int() - pictures.int()).abs().max() < 15


def test_a_decoder_begins_with_the_mean_picture_of_its_first_batch():
    decoder, latents = Decoder(3, 8, width=2), torch.randn(2, 3)
    first = {"pixels": torch.stack([torch.full((8, 8, 3), each, dtype=torch.uint8) for each in (100, 200)])}
    decoder.loss(latents, first)
    decoder.loss(latents, {"pixels": 0 * first["pixels"]})
    assert (decoder.decode(latents) == 150).all()


@pytest.mark.parametrize(
    ("latents", "observations", "message"),
    [
        ((2, 3), {"observation": torch.zeros(2, 4)}, r"trained on 'pixels', the batch has observation; set its"),
        ((2, 3), {"pixels": torch.zeros(2, 8, 8, 3)}, r"'pixels' is torch.float32 of \(8, 8, 3\); set the decoder's"),
        ((2, 3), {"pixels": torch.zeros(2, 9, 9, 3, dtype=torch.uint8)}, r"uint8 pictures of shape \(8, 8, 3\), "),
        ((2, 4), {"pixels": torch.zeros(2, 8, 8, 3, dtype=torch.uint8)}, r"latents of shape \(3,\), .* \(4,\); set"),
    ],
)
def test_what_does_not_fit_is_named(latents, observations, message):
    with pytest.raises(ValueError, match=message):
        Decoder(3, 8).loss(torch.zeros(latents), observations)


def test_a_decoder_of_other_latents_than_the_models_is_refused():
    with pytest.raises(ValueError, match=r"the decoder reads latents of shape \(5,\), the encoder makes \(4,\)"):
        WorldModel(ConvEncoder(4, 16), MLPPredictor(4, 2), decoder=Decoder(5, 16))


@pytest.mark.parametrize("arguments", [{"latent_dim": 0}, {"latent_dim": ()}, {"image_size": 4}, {"width": 0}])
def test_sizes_below_what_works_are_named(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} must be at least"):
        Decoder(**({"latent_dim": 3} | arguments))


def test_weights_with_a_decoder_can_be_averaged_with_their_buffers():
    decoder = Decoder(3, 16, width=2)
    averaged = torch.optim.swa_utils.AveragedModel(decoder, use_buffers=True)
    for _ in range(2):
        averaged.update_parameters(decoder)
    assert averaged.module.has_mean == decoder.has_mean
