"""Resizing with NumPy gives what PyTorch's interpolate gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from medad.functional.resampling import resize

MODES = {
    "antialiased": {"mode": "bilinear", "antialias": True},
    "plain": {"mode": "bilinear", "antialias": False},
    "bicubic": {"mode": "bicubic", "antialias": True},
}


@pytest.mark.parametrize("how", MODES)
@pytest.mark.parametrize(
    ("before", "after"),
    [((37, 53), (16, 16)), ((9, 11), (32, 40)), ((301, 40), (64, 64)), ((1, 7), (4, 4)), ((20, 20), (20, 20))],
    ids=str,
)
def test_as_pytorch(how: str, before: tuple[int, int], after: tuple[int, int]) -> None:
    images = np.random.default_rng(1).uniform(-1, 1, (2, 3, *before)).astype(np.float32)
    expected = interpolate(torch.from_numpy(images), after, align_corners=False, **MODES[how])  # type: ignore[arg-type]
    np.testing.assert_allclose(resize(images, after, how), expected.numpy(), atol=1e-6)  # type: ignore[arg-type]


def test_a_constant_image_stays_constant() -> None:
    for how in MODES:
        resized = resize(np.full((1, 30, 50), 7, np.float32), (13, 90), how)  # type: ignore[arg-type]
        np.testing.assert_allclose(resized, 7, rtol=1e-6)
