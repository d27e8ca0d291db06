"""Networks against a second implementation: equal outputs under equal weights, and the published sizes."""

from __future__ import annotations

import pytest
import torch
from reference.plain import NETWORKS, Weights, asr_net, count_ae, count_asr
from torch import Generator, Tensor, nn
from torch.testing import assert_close

from medad.functional.losses import reconstruction_loss
from medad.networks._refinement import ASRNet
from medad.registry import networks

NAMES = ["ae", "aeu", "memae"]


def filled(network: nn.Module, seed: int) -> nn.Module:
    """The network with drawn weights, and with batch norms that are far from the identity."""
    rng = Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        drawn = torch.rand(value.shape, generator=rng)
        if name.endswith("running_var"):
            value.copy_(0.5 + drawn)
        elif value.ndim == 1:
            value.copy_(drawn * 1.5 - 0.5)
        else:  # the variance that keeps the size of the signal
            value.copy_((drawn - 0.5) * 3 * (value[0].numel() ** -0.5))
    return network


def noise(seed: int, *shape: int) -> Tensor:
    return torch.rand(shape, generator=Generator().manual_seed(seed)) * 2 - 1


def left_in_batch_norms(network: nn.Module) -> list[tuple[Tensor, Tensor]]:
    norms = [part for part in network.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    return [(norm.running_mean, norm.running_var) for norm in norms]


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_equals_the_second_implementation(name: str, size: int, channels: int, training: bool) -> None:
    network = filled(networks.get(name)(channels, size), seed=size + channels)
    images = noise(7, 6, channels, size, size)
    weights = Weights({key: value.clone() for key, value in network.state_dict().items()})
    expected = NETWORKS[name](images, weights, training)
    weights.finished()
    made = vars(network.train(training)(images))
    assert {key for key, value in made.items() if value is not None} == set(expected)
    for key, value in expected.items():
        assert value.ndim == 0 or value.std() > 0.05  # far from a constant
        assert_close(made[key], value, rtol=0, atol=1e-5, msg=lambda text, key=key: f"{key}: {text}")
    if training:
        assert_close(left_in_batch_norms(network), weights.running, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_learns_by_the_gradients_of_the_second_implementation(name: str) -> None:
    """In training mode and double precision: mean((x' - x)^2), or with s mean(exp(-s) (x' - x)^2) + mean(s), plus
    the penalty."""
    network = filled(networks.get(name)(1, 32), seed=9).double().train()
    images = noise(7, 6, 1, 32, 32).double()
    copies = {key: value.clone() for key, value in network.state_dict().items()}
    for key, _ in network.named_parameters():
        copies[key].requires_grad_()
    made = NETWORKS[name](images, Weights(copies), training=True)
    squares = (made["mean"] - images) ** 2
    if "log_variance" in made:
        squares = squares / torch.exp(made["log_variance"]) + made["log_variance"]
    expected = squares.sum() / images.numel() + made.get("penalty", 0)
    expected.backward()
    loss = reconstruction_loss(images, network(images))
    loss.backward()
    assert_close(loss, expected)
    for key, value in network.named_parameters():
        assert_close(value.grad, copies[key].grad, rtol=1e-6, atol=1e-9, msg=lambda text, key=key: f"{key}: {text}")


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("inputs", [1, 2])
@pytest.mark.parametrize("size", [32, 64])
@torch.no_grad()
def test_asr_net_equals_the_second_implementation(inputs: int, size: int, training: bool) -> None:
    network = filled(ASRNet(inputs), seed=size + inputs)
    maps = noise(8, 3, inputs, size, size).abs()
    weights = Weights({key: value.clone() for key, value in network.state_dict().items()})
    expected = asr_net(maps, weights, training)
    weights.finished()
    made = network.train(training)(maps)
    assert expected.std() > 0.05
    assert_close(made, expected, rtol=0, atol=1e-5)
    assert_close(made.sum(dim=1), torch.ones(3, size, size))
    if training:
        assert_close(left_in_batch_norms(network), weights.running, rtol=1e-5, atol=1e-5)


def learned(network: nn.Module) -> int:
    return sum(value.numel() for value in network.parameters())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [32, 48, 64])
def test_parameter_counts(size: int, channels: int) -> None:
    assert learned(networks.get("ae")(channels, size)) == count_ae(size, channels, channels)
    assert learned(networks.get("aeu")(channels, size)) == count_ae(size, channels, 2 * channels)
    assert learned(networks.get("memae")(channels, size)) == count_ae(size, channels, channels) + 25 * 16


def test_parameter_counts_as_numbers() -> None:
    """64 x 64, gray. AE: encoder 106 752 + 352 + 2 099 200 + 4 096 + 32 784, decoder 34 816 + 4 096 + 2 098 176
    + 106 752 + 224."""
    assert learned(networks.get("ae")(1, 64)) == count_ae(64, 1, 1) == 4_487_248
    assert learned(networks.get("aeu")(1, 64)) == count_ae(64, 1, 2) == 4_487_504  # + 16 * 16 for the log variance
    assert learned(networks.get("memae")(1, 64)) == count_ae(64, 1, 1) + 400 == 4_487_648  # + 25 * 16 in the memory
    # 1 280 (2 432 for two maps) + 256 + 147 584 + 256 + 2 306
    assert learned(ASRNet(1)) == count_asr(1) == 151_682
    assert learned(ASRNet(2)) == count_asr(2) == 152_834
