"""The reconstruction methods against the second implementation: networks, parameter counts, losses and maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contracts.fakes import small
from reference import plain_reconstruction as plain
from reference.plain import Weights
from reference.test_networks import filled, learned, left_in_batch_norms, noise
from torch import Generator, Tensor
from torch.testing import assert_close

from medad.functional.imagenet import normalize_for_imagenet
from medad.functional.losses import standard_normal_divergence
from medad.functional.noise import coarse_noise
from medad.functional.similarity import dissimilarity
from medad.methods.base import Method
from medad.networks._unet import UNet

LATENT, HIDDEN = 4, 32  # of the small methods


def ready(name: str, channels: int = 1, **more: object) -> tuple[Method, Weights]:
    """A method whose trained network has drawn weights, and a copy of these in order."""
    method = small(name, channels=channels, latent=LATENT, hidden=HIDDEN, **more)
    filled(method.network, seed=channels)
    return method, Weights({key: value.clone() for key, value in method.network.state_dict().items()})


def reconstructed(images: Tensor, weights: Weights, training: bool = False) -> Tensor:
    code = plain.encode(images, LATENT, HIDDEN, weights, training)
    return plain.decode(code, images.shape[-1] // 16, images.shape[1], HIDDEN, weights, training)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("channels", [1, 3])
@torch.no_grad()
def test_autoencoder(channels: int, training: bool) -> None:
    method, weights = ready("autoencoder", channels)
    images = noise(7, 6, channels, 32, 32)
    expected = reconstructed(images, weights, training)
    weights.finished()
    method.train(training)
    assert_close(method.network(images), expected, rtol=1e-4, atol=1e-5)
    if training:
        assert_close(left_in_batch_norms(method.network), weights.running, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("difference", ["squared", "absolute"])
@torch.no_grad()
def test_loss_and_maps_of_the_autoencoder(difference: str) -> None:
    method, weights = ready("autoencoder", 3, difference=difference)
    images = noise(7, 6, 3, 32, 32)
    remainder = (reconstructed(images, weights) - images).double().numpy()
    expected = remainder**2 if difference == "squared" else np.abs(remainder)
    assert float(method.loss(Generator(), images)) == pytest.approx(expected.mean(), rel=1e-4)
    scored = method.score(images)["rec"]
    assert scored.anomaly_map[:, 0].numpy() == pytest.approx(expected.mean(axis=1), rel=1e-3, abs=1e-5)
    assert scored.score.numpy() == pytest.approx(expected.mean(axis=(1, 2, 3)), rel=1e-4)


@torch.no_grad()
def test_loss_and_maps_of_the_variational_autoencoder() -> None:
    method, weights = ready("vae")
    images = noise(7, 6, 1, 32, 32)
    code = plain.encode(images, 2 * LATENT, HIDDEN, weights, training=True)
    mean, log_variance = code[:, :LATENT], code[:, LATENT:]
    drawn = mean + torch.exp(log_variance) ** 0.5 * torch.randn(6, LATENT, generator=Generator().manual_seed(3))
    made = plain.decode(drawn, 2, 1, HIDDEN, weights, training=True)
    weights.finished()
    divergence = -0.5 * (1 + log_variance - mean**2 - torch.exp(log_variance)).mean()
    expected = ((made - images) ** 2).mean() + 0.005 * divergence
    method.train()
    assert_close(method.loss(Generator().manual_seed(3), images), expected, rtol=1e-4, atol=1e-5)
    method.eval()
    weights = Weights({key: value.clone() for key, value in method.network.state_dict().items()})
    mean = plain.encode(images, 2 * LATENT, HIDDEN, weights, training=False)[:, :LATENT]
    made = plain.decode(mean, 2, 1, HIDDEN, weights, training=False)
    assert_close(method.score(images)["rec"].anomaly_map, (made - images) ** 2, rtol=1e-3, atol=1e-4)


def test_divergence_by_hand() -> None:
    """m = 2, s = 0: 4 / 2; m = 0, s = log 4: (4 - 1 - log 4) / 2."""
    zero = torch.zeros(1, 1)
    assert float(standard_normal_divergence(zero, zero)) == 0
    assert float(standard_normal_divergence(zero + 2, zero)) == pytest.approx(2)
    assert float(standard_normal_divergence(zero, zero + np.log(4))) == pytest.approx((3 - np.log(4)) / 2)


@pytest.mark.parametrize("channels", [1, 3])
@torch.no_grad()
def test_unet(channels: int) -> None:
    network = filled(UNet(channels, 4, 3), seed=channels).double()
    weights = Weights({key: value.clone() for key, value in network.state_dict().items()})
    images = noise(7, 2, channels, 16, 16).double()
    expected = plain.unet(images, 4, 3, weights)
    weights.finished()
    assert expected.std() > 0.05
    assert_close(network(images), expected)


def test_coarse_noise_by_its_statistics() -> None:
    """On [-1, 1] a deviation of 0.2 is 0.4; at the grid's own points nothing is averaged, between four a quarter is."""
    images = torch.zeros(400, 1, 31, 31)
    noisy = coarse_noise(images, Generator().manual_seed(2), 0.2, 16)
    assert not images.any()
    variance = noisy.double().var(dim=0)[0]  # of every pixel over the images
    assert 0.35 < variance.max().sqrt() < 0.45
    assert 0.4**2 / 4 * 0.75 < variance.min() < 0.4**2 / 4 * 1.25
    assert abs(float(noisy.mean())) < 0.01
    apart = noisy.flatten(1)[:200].double()
    assert abs(float(torch.corrcoef(apart)[0, 1:].mean())) < 0.05  # each image has its own


def test_noise_on_the_foreground_alone_and_rolled() -> None:
    images = torch.full((2, 3, 32, 32), -1.0)
    images[:, :, 8:20, 8:20] = 0.3
    noisy = coarse_noise(images, Generator().manual_seed(2), 0.2, 8, foreground=True)
    changed = (noisy != images).all(dim=1)
    assert changed[:, 8:20, 8:20].all()
    assert changed.sum() == 2 * 12 * 12
    rolled = [coarse_noise(torch.zeros(1, 1, 32, 32), Generator().manual_seed(seed), 0.2, 4) for seed in range(20)]
    rows = {int((one[0, 0] - one[0, 0].roll(1, 0)).abs().mean(dim=1).argmax()) for one in rolled}
    assert len(rows) > 8  # the seam of the roll, where rows that were far apart meet, is anywhere


@torch.no_grad()
def test_dae_learns_to_remove_the_noise() -> None:
    method = small("dae", channels=3, width=4, depth=3, noise_grid=4)
    images = noise(5, 4, 3, 32, 32)
    noisy = coarse_noise(images, Generator().manual_seed(3), 0.2, 4)
    expected = ((method.network(noisy) - images) ** 2).mean()
    assert_close(method.loss(Generator().manual_seed(3), images), expected)
    maps = ((method.network(images) - images) ** 2).mean(dim=1, keepdim=True)
    assert_close(method.score(images)["rec"].anomaly_map, maps)


@pytest.mark.parametrize("channels", [1, 3])
@torch.no_grad()
def test_structural_dissimilarity(channels: int) -> None:
    method, weights = ready("ae_ssim", channels)
    images = noise(7, 3, channels, 32, 32)
    made = reconstructed(images, weights)
    seen, others = (((one + 1) / 2).clamp(0, 1).double().numpy() for one in (images, made))
    expected = np.array(
        [[plain.dissimilarity(*pair) for pair in zip(*both, strict=True)] for both in zip(seen, others, strict=True)]
    )
    assert expected.shape[-1] == 22
    assert dissimilarity(images, made).numpy() == pytest.approx(expected, abs=2e-3)
    assert float(method.loss(Generator(), images)) == pytest.approx(expected.mean(), rel=1e-3)
    whole = torch.nn.functional.interpolate(torch.from_numpy(expected), (32, 32), mode="bilinear").mean(dim=1)
    assert method.score(images)["ssim"].anomaly_map[:, 0].numpy() == pytest.approx(whole.numpy(), abs=2e-3)


def test_equal_images_are_similar_and_small_ones_have_a_small_window() -> None:
    images = noise(3, 2, 1, 16, 16)
    assert_close(dissimilarity(images, images), torch.zeros(2, 1, 6, 6), rtol=0, atol=1e-5)
    assert dissimilarity(images[..., :8, :8], -images[..., :8, :8]).shape == (2, 1, 2, 2)


@torch.no_grad()
def test_perceptual_distance() -> None:
    method, weights = ready("ae_perceptual", 3)
    images = noise(7, 5, 3, 32, 32)
    method.prepare(images)

    def features(batch: Tensor) -> np.ndarray:
        return method.backbone.network(normalize_for_imagenet(batch))[1].double().numpy()

    of_images = features(images)
    mean, spread = of_images.mean(axis=(0, 2, 3)), of_images.std(axis=(0, 2, 3))
    spread[spread < 1e-6] = 1  # channels that are always 0

    def normalized(values: np.ndarray) -> np.ndarray:
        return (values - mean.reshape(1, -1, 1, 1)) / spread.reshape(1, -1, 1, 1)

    seen, made = normalized(of_images), normalized(features(reconstructed(images, weights)))
    expected = np.abs(seen - made) / np.abs(seen).mean(axis=(1, 2, 3)).reshape(-1, 1, 1, 1)
    assert float(method.loss(Generator(), images)) == pytest.approx(expected.mean(), rel=1e-4)
    maps = torch.from_numpy(expected.mean(axis=1, keepdims=True))
    whole = torch.nn.functional.interpolate(maps, (32, 32), mode="bilinear").numpy()
    assert method.score(images)["perceptual"].anomaly_map.numpy() == pytest.approx(whole, rel=1e-3)


def test_parameter_counts() -> None:
    """Published sizes, 64 x 64, gray: the code 16, the linear layers 1024; the U-Net 64 wide and 5 deep."""
    shape = 64, 1, 16, 1024
    autoencoder = plain.count_encoder(*shape) + plain.count_decoder(*shape)
    assert learned(small("autoencoder", size=64, latent=16, hidden=1024).network) == autoencoder == 2_351_184
    assert learned(small("ae_ssim", size=64, latent=16, hidden=1024).network) == autoencoder
    variational = autoencoder + 16 * 1025
    assert learned(small("vae", size=64, latent=16, hidden=1024).network) == variational
    with torch.device("meta"):
        assert learned(UNet(1, 64, 5)) == plain.count_unet(1, 64, 5) == 31_042_369
