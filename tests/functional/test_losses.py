"""Losses against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from medad.functional.losses import attention_entropy, focal_loss, reconstruction_loss
from medad.types import Reconstruction


def pixels(*values: float) -> Tensor:
    """One image of one row."""
    return torch.tensor(values, dtype=torch.float64).view(1, 1, 1, -1)


def test_squared_error() -> None:
    # errors 1, -2, 0, 3: (1 + 4 + 0 + 9) / 4
    made = Reconstruction(pixels(1, 0, 1, 4))
    assert reconstruction_loss(pixels(0, 2, 1, 1), made).item() == pytest.approx(14 / 4)


def test_squared_error_is_a_mean_over_images_channels_and_pixels() -> None:
    images = torch.zeros(2, 3, 4, 5)
    images[1, 2, 3, 4] = 12.0
    assert reconstruction_loss(images, Reconstruction(torch.zeros_like(images))).item() == pytest.approx(144 / 120)


def test_predicted_noise() -> None:
    # errors 1 and -2, s = ln 2 and 0: exp(-s) = 1/2 and 1; (1/2 * 1 + 1 * 4) / 2 + (ln 2 + 0) / 2
    made = Reconstruction(pixels(1, 0), log_variance=pixels(math.log(2), 0))
    assert reconstruction_loss(pixels(0, 2), made).item() == pytest.approx(2.25 + math.log(2) / 2)


def test_predicted_noise_is_best_where_it_equals_the_error() -> None:
    # d/ds [exp(-s) e^2 + s] = 0 at s = ln e^2: then the loss is 1 + ln e^2
    log_variance = pixels(math.log(9)).requires_grad_()
    loss = reconstruction_loss(pixels(3), Reconstruction(pixels(0), log_variance))
    loss.backward()
    assert loss.item() == pytest.approx(1 + math.log(9))
    assert log_variance.grad is not None
    assert log_variance.grad.item() == pytest.approx(0, abs=1e-12)


def test_penalty_is_added() -> None:
    made = Reconstruction(pixels(1, 0), penalty=torch.tensor(0.25, dtype=torch.float64))
    assert reconstruction_loss(pixels(0, 2), made).item() == pytest.approx(2.5 + 0.25)


def test_attention_entropy() -> None:
    # rows: (1/2, 1/2) has ln 2; (1, 0) has 0; (1/4, 3/4) has ln 4 - 3/4 ln 3
    attention = torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]], dtype=torch.float64)
    expected = (math.log(2) + 0 + math.log(4) - 0.75 * math.log(3)) / 3
    assert attention_entropy(attention).item() == pytest.approx(expected, abs=1e-9)


def test_attention_entropy_is_finite_with_a_finite_gradient_at_zero() -> None:
    attention = torch.tensor([[1.0, 0.0]], requires_grad=True)
    attention_entropy(attention).backward()
    assert attention.grad is not None
    assert attention.grad.isfinite().all()


def probabilities(*abnormal: float) -> Tensor:
    return torch.cat([1 - pixels(*abnormal), pixels(*abnormal)], dim=1)


def test_focal_loss_of_one_abnormal_pixel() -> None:
    # target (1e-5, 1 - 1e-5), p = (1/4, 3/4): p_t = 0.25e-5 + 0.75 - 0.75e-5 + 1e-5 = 0.750005
    # (1 - p_t)^2 = 0.249995^2 = 0.0624975, -log p_t = 0.2876754
    expected = 0.249995**2 * -math.log(0.750005)
    assert expected == pytest.approx(0.0179790, abs=1e-7)
    assert focal_loss(probabilities(0.75), pixels(1)).item() == pytest.approx(expected, rel=1e-12)


def test_focal_loss_of_one_normal_pixel() -> None:
    # target (1 - 1e-5, 1e-5), p = (1/4, 3/4): p_t = 0.25 - 0.25e-5 + 0.75e-5 + 1e-5 = 0.250015
    # (1 - p_t)^2 = 0.749985^2 = 0.5624775, -log p_t = 1.3862344
    expected = 0.749985**2 * -math.log(0.250015)
    assert expected == pytest.approx(0.7797257, abs=1e-6)
    assert focal_loss(probabilities(0.75), pixels(0)).item() == pytest.approx(expected, rel=1e-12)


def test_focal_loss_is_the_mean_over_pixels_and_images() -> None:
    both = focal_loss(probabilities(0.75, 0.75), pixels(1, 0)).item()
    assert both == pytest.approx((0.249995**2 * -math.log(0.750005) + 0.749985**2 * -math.log(0.250015)) / 2)
    batch = torch.cat([probabilities(0.75), probabilities(0.75)])
    assert focal_loss(batch, torch.cat([pixels(1), pixels(0)])).item() == pytest.approx(both)


def test_focal_loss_gamma() -> None:
    # gamma = 0 is the cross-entropy, gamma = 1 weighs once
    p_t = 0.750005
    assert focal_loss(probabilities(0.75), pixels(1), gamma=0).item() == pytest.approx(-math.log(p_t))
    assert focal_loss(probabilities(0.75), pixels(1), gamma=1).item() == pytest.approx(-(1 - p_t) * math.log(p_t))


@pytest.mark.parametrize(("chance", "mask"), [(0.0, 1), (1.0, 1), (0.0, 0), (1.0, 0)])
def test_focal_loss_of_certainty_is_finite(chance: float, mask: int) -> None:
    # wrong: p_t = 2e-5 where the one-hot says 1 (1e-5 from the clamp of the other class, 1e-5 from the sum)
    found = probabilities(chance).requires_grad_()
    loss = focal_loss(found, pixels(mask))
    loss.backward()
    expected = 0 if chance == mask else (1 - 2e-5) ** 2 * -math.log(2e-5)
    assert loss.item() == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert found.grad is not None
    assert found.grad.isfinite().all()
