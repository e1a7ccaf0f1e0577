import torch

from gbplan.networks import ConvEncoder, ProprioceptiveEncoder
from gbplan.networks.encoder import encoder_hash


def encoder(weight=1.0, seed=0, **changes):
    torch.manual_seed(seed)
    return ProprioceptiveEncoder(ConvEncoder(4, 16, width=2, **changes), 2, weight=weight)


def test_the_same_encoder_has_the_same_hash_in_any_mode():
    assert encoder_hash(encoder()) == encoder_hash(encoder().train()) == encoder_hash(encoder().eval())


def test_weights_and_settings_change_the_hash():
    others = [encoder(seed=1), encoder(weight=2.0), encoder(pixels_key="front")]
    running = encoder()
    running.encoder.layers[1].running_mean.add_(1)
    assert len({encoder_hash(each) for each in [encoder(), running, *others]}) == 5


def test_private_settings_and_plain_tensors_change_the_hash():
    class Shifted(ConvEncoder):
        def __init__(self, scale, shift):
            super().__init__(4, 16, width=2)
            self._scale, self.shift = scale, torch.tensor(shift)

    hashes = set()
    for scale, shift in ((1, 1.0), (5, 1.0), (1, 5.0)):
        torch.manual_seed(0)
        hashes.add(encoder_hash(Shifted(scale, shift)))
    assert len(hashes) == 3
