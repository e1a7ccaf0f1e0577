import torch

from gbplan.modules import Reconstruction
from gbplan.networks import Decoder


def test_it_decodes_the_last_frame_of_each_window():
    decoder = Decoder(3, 8, width=2)
    torch.nn.init.normal_(decoder.layers[-1].weight)  # it begins with the mean picture, whatever the latent
    latents, pictures = torch.randn(4, 2, 3, requires_grad=True), torch.zeros(4, 2, 8, 8, 3, dtype=torch.uint8)
    cost = Reconstruction(decoder, 2.0)(latents, torch.zeros(4, 1, 1), {"pixels": pictures})
    cost.backward()
    assert latents.grad[:, 1].any()
    assert not latents.grad[:, 0].any()
    decoded = decoder(latents[:, 1])
    torch.testing.assert_close(cost, 2 * decoded.square().sum((1, 2, 3)).mean())
