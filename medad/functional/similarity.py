"""Structural similarity of two images."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import interpolate

WINDOW, SIGMA = 11, 1.5  # of the Gaussian window (Wang et al., IEEE Transactions on Image Processing 13(4), 2004)


def dissimilarity(images: Tensor, others: Tensor) -> Tensor:
    """Return 1 - SSIM at every position of two (B, C, H, W) in [-1, 1], on the grid of the windows.

    The images are mapped to [0, 1] and clamped. Windows lie wholly inside the image: (B, C, H - 10, W - 10), and at
    smaller images the window is the largest odd one that fits.
    """
    from monai.metrics.regression import compute_ssim_and_cs

    window = min(WINDOW, *(side - 1 + side % 2 for side in images.shape[-2:]))
    first, second = (((one + 1) / 2).clamp(0, 1) for one in (images, others))
    similarity, _ = compute_ssim_and_cs(first, second, 2, (window, window), (SIGMA, SIGMA))
    dissimilar: Tensor = 1 - similarity
    return dissimilar


def on_whole_image(maps: Tensor, images: Tensor) -> Tensor:
    """Resize ``maps`` (B, C, h, w) to the grid of ``images`` (B, C, H, W), bilinearly."""
    return interpolate(maps, images.shape[-2:], mode="bilinear", align_corners=False)
