"""The self-supervised methods against the second implementation: networks, parameter counts, losses and maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contracts.fakes import small
from reference import plain_resnet as plain
from reference.plain import Weights, batch_norm, linear, relu
from reference.test_networks import filled, learned, left_in_batch_norms, noise
from torch import Generator, nn
from torch.testing import assert_close

from medad.functional.crops import random_crops
from medad.networks._resnet18 import EncoderDecoder, ResNet18


def copied(network: nn.Module) -> Weights:
    return Weights({key: value.clone() for key, value in network.state_dict().items()})


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize(("channels", "size"), [(1, 64), (3, 56)])
@torch.no_grad()
def test_encoder_and_decoder(channels: int, size: int, training: bool) -> None:
    network, images = filled(EncoderDecoder(channels, 8), seed=channels), noise(5, 3, channels, size, size)
    weights = copied(network)
    expected = plain.encoder_decoder(images, 8, weights, training)
    weights.finished()
    assert expected.std() > 0.05
    assert_close(network.train(training)(images), expected, rtol=1e-3, atol=1e-4)
    if training:
        assert_close(left_in_batch_norms(network), weights.running, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_stages_of_the_resnet() -> None:
    network, images = filled(ResNet18(1, 8), seed=2), noise(6, 2, 1, 70, 70)
    stages = network.eval()(images)
    assert [tuple(stage.shape[1:]) for stage in stages] == [(8, 18, 18), (16, 9, 9), (32, 5, 5), (64, 3, 3)]
    for ours, other in zip(stages, plain.resnet(images, 8, copied(network)), strict=True):
        assert_close(ours, other, rtol=1e-3, atol=1e-4)


def test_parameter_counts() -> None:
    """Of the published sizes; torchvision's ResNet-18 without its last layer has 11,176,512 parameters for RGB."""
    with torch.device("meta"):
        trunk, whole = ResNet18(3, 64), EncoderDecoder(1, 64)
    assert learned(trunk) == plain.count_resnet(3, 64) == 11_176_512
    assert learned(whole) == plain.count_resnet(1, 64) + plain.count_decoder(64)


@pytest.mark.parametrize("name", ["fpi", "pii", "nsa"])
@torch.no_grad()
def test_loss_score_and_map_of_foreign_patches(name: str) -> None:
    """The binary cross-entropy of what ``synthesize`` made of the crops; the mean of the map with its empty margin."""
    method = small(name, size=64)
    filled(method.network, seed=3)
    images = noise(4, 3, 1, 64, 64)
    rng = Generator().manual_seed(8)
    made, labels = method.synthesize(random_crops(images, rng), rng)
    marks = 1 / (1 + np.exp(-plain.encoder_decoder(made, 8, copied(method.network)).double().numpy()))
    expected = -(labels.numpy() * np.log(marks) + (1 - labels.numpy()) * np.log(1 - marks)).mean()
    assert labels.max() > 0
    assert float(method.loss(Generator().manual_seed(8), images)) == pytest.approx(expected, rel=1e-4)
    scored = method.score(images)["patch"]
    logits = plain.encoder_decoder(images[..., 4:60, 4:60], 8, copied(method.network)).double().numpy()
    assert scored.anomaly_map[..., 4:60, 4:60].numpy() == pytest.approx(1 / (1 + np.exp(-logits)), rel=1e-3, abs=1e-5)
    assert float(scored.score[1]) == pytest.approx((1 / (1 + np.exp(-logits[1]))).sum() / 64**2, rel=1e-4)


@torch.no_grad()
def test_loss_of_cutpaste() -> None:
    """The cross-entropy of three classes, from a head of two layers with batch norms."""
    method = small("cutpaste", width=4)
    filled(method.network, seed=4)
    made, classes = method.synthesize(noise(3, 4, 1, 48, 48), Generator().manual_seed(5))
    weights = copied(method.network)
    x = plain.resnet(made, 4, weights)[-1].mean(dim=(2, 3))
    for inputs, outputs in ((32, 32), (32, 128)):
        x = relu(batch_norm(linear(x, inputs, outputs, weights), weights, training=False))
    x = linear(x, 128, 3, weights).double().numpy()
    weights.finished()
    shares = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    expected = -np.log(shares[np.arange(12), [0] * 4 + [1] * 4 + [2] * 4]).mean()
    assert classes.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert float(method.loss(Generator().manual_seed(5), noise(3, 4, 1, 48, 48))) == pytest.approx(expected, rel=1e-4)
