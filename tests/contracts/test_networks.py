"""What every reconstruction network keeps to."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from medad.functional.losses import reconstruction_loss
from medad.registry import networks
from medad.types import Reconstruction

NAMES = networks.names()


def built(name: str, channels: int, size: int) -> nn.Module:
    network: nn.Module = networks.get(name)(channels, size)
    return network.eval()


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(3)) * 2 - 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 32, 48, 64])
@pytest.mark.parametrize("name", NAMES)
def test_reconstruction_has_the_shape_of_the_images(name: str, size: int, channels: int) -> None:
    network, images = built(name, channels, size), noise(2, channels, size, size)
    for mode in (True, False):
        made = network.train(mode)(images)
        assert isinstance(made, Reconstruction)
        assert made.mean.shape == images.shape
        assert made.mean.isfinite().all()
        if made.log_variance is not None:
            assert made.log_variance.shape == images.shape
            assert made.log_variance.isfinite().all()
        if made.penalty is not None:
            assert made.penalty.shape == ()
            assert made.penalty >= 0


@pytest.mark.parametrize("size", [40, 8, 0])
@pytest.mark.parametrize("name", NAMES)
def test_other_sizes_are_refused(name: str, size: int) -> None:
    with pytest.raises(ValueError, match=rf"multiple of 16.*{size}"):
        networks.get(name)(1, size)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_all_parameters(name: str) -> None:
    # In evaluation mode: batch norms in training mode cancel the gradient of a bias before them.
    network, images = built(name, 1, 32), noise(4, 1, 32, 32)
    reconstruction_loss(images, network(images)).backward()
    without = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert not without


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_reconstructed_alike_in_any_batch(name: str) -> None:
    network, images = built(name, 1, 32), noise(4, 1, 32, 32)
    whole, alone = network(images), network(images[1:2])
    assert_close(whole.mean[1:2], alone.mean, rtol=1e-5, atol=1e-6)
    if whole.log_variance is not None:
        assert_close(whole.log_variance[1:2], alone.log_variance, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_images_are_left_as_they_were(name: str) -> None:
    network, images = built(name, 1, 32), noise(2, 1, 32, 32)
    before = images.clone()
    network.train()(images)
    assert torch.equal(images, before)
