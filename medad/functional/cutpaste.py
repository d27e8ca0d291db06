"""Cut a patch out of an image and paste it elsewhere in it (CutPaste: Li, Sohn, Yoon and Pfister, CVPR 2021).

Images are arrays (C, H, W) in [0, 1]. The colors of a patch are jittered before it is pasted; hue is not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
AREAS = (0.02, 0.15)  # of a patch, as shares of the image's area
LEAST_ASPECT = 0.3  # of a patch; the logarithm of width / height is uniform between its logarithm and minus that
SCAR_WIDTHS, SCAR_HEIGHTS = (2.0, 16.0), (10.0, 25.0)  # in pixels of an image with the side SCAR_IMAGE
SCAR_IMAGE = 224
SCAR_DEGREES = 45.0
LUMA = (0.299, 0.587, 0.114)  # gray of RGB, ITU-R BT.601


def jittered(image: Floats, amount: float, rng: np.random.Generator) -> Floats:
    """Change brightness, contrast and, in RGB, saturation of ``image`` (C, H, W) by factors within 1 +- ``amount``."""
    brightness, contrast, saturation = rng.uniform(1 - amount, 1 + amount, 3)
    changed: Floats = (image * brightness).clip(0, 1)
    changed = (contrast * changed + (1 - contrast) * _gray(changed).mean()).clip(0, 1)
    if len(image) == 3:
        changed = (saturation * changed + (1 - saturation) * _gray(changed)).clip(0, 1)
    return changed


def _gray(image: Floats) -> Floats:
    gray: Floats = np.tensordot(LUMA, image, axes=1) if len(image) == 3 else image[0]
    return gray


def with_patch(image: Floats, amount: float, rng: np.random.Generator) -> Floats:
    """Paste a rectangle of 2 to 15 % of the area of ``image`` (C, H, W), jittered by ``amount``, at another place."""
    height, width = image.shape[1:]
    area = rng.uniform(*AREAS) * height * width
    aspect = np.exp(rng.uniform(np.log(LEAST_ASPECT), -np.log(LEAST_ASPECT)))
    wide, tall = (max(1, round(float(np.sqrt(part)))) for part in (area * aspect, area / aspect))
    patch = jittered(_cut(image, tall, wide, rng), amount, rng)
    return _pasted(image, patch, np.ones(patch.shape[1:], dtype=bool), rng)


def with_scar(image: Floats, amount: float, rng: np.random.Generator) -> Floats:
    """Paste a thin rectangle of ``image`` (C, H, W), jittered by ``amount`` and turned by up to 45 degrees, elsewhere.

    Its sides are uniform between 2 and 16 and between 10 and 25 pixels for an image of 224, and grow with the image.
    """
    from scipy.ndimage import rotate

    scale = image.shape[2] / SCAR_IMAGE
    wide, tall = (max(1, int(rng.uniform(*sides) * scale)) for sides in (SCAR_WIDTHS, SCAR_HEIGHTS))
    patch = jittered(_cut(image, tall, wide, rng), amount, rng)
    layers = np.concatenate([patch, np.ones((1, tall, wide))])
    degrees = rng.uniform(-SCAR_DEGREES, SCAR_DEGREES)
    turned: Floats = rotate(layers, degrees, axes=(1, 2), order=0, mode="grid-constant")
    return _pasted(image, turned[:-1], turned[-1] > 0.5, rng)


def _start(image: Floats, tall: int, wide: int, rng: np.random.Generator) -> tuple[int, int]:
    height, width = image.shape[1:]
    return int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))


def _cut(image: Floats, tall: int, wide: int, rng: np.random.Generator) -> Floats:
    row, column = _start(image, tall, wide, rng)
    return image[:, row : row + tall, column : column + wide]


def _pasted(image: Floats, patch: Floats, mask: NDArray[np.bool_], rng: np.random.Generator) -> Floats:
    tall, wide = mask.shape
    row, column = _start(image, tall, wide, rng)
    pasted = image.copy()
    pasted[:, row : row + tall, column : column + wide][:, mask] = patch[:, mask]
    return pasted
