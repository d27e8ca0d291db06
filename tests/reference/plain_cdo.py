"""CDO's arithmetic once more, pixel by pixel in plain Python and NumPy, from the paper's formulas alone."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

Array = np.ndarray


def discrepancy(expert: Array, apprentice: Array) -> Array:
    """(B, C, h, w) twice -> (B, h, w)."""
    batch, _, height, width = expert.shape
    made = np.zeros((batch, height, width))
    for index in np.ndindex(batch, height, width):
        one, two = (features[index[0], :, index[1], index[2]].astype(float) for features in (expert, apprentice))
        made[index] = sum((a - b) ** 2 for a, b in zip(one / np.linalg.norm(one), two / np.linalg.norm(two)))  # noqa: B905
    return made


def enlarged(image: Array, height: int, width: int) -> Array:
    """(h, w) -> (height, width), bilinear, corners on corners."""
    rows, columns = np.linspace(0, image.shape[0] - 1, height), np.linspace(0, image.shape[1] - 1, width)
    made = np.zeros((height, width))
    for r, c in np.ndindex(height, width):
        top, left = min(int(rows[r]), image.shape[0] - 1), min(int(columns[c]), image.shape[1] - 1)
        down, right = min(top + 1, image.shape[0] - 1), min(left + 1, image.shape[1] - 1)
        y, x = rows[r] - top, columns[c] - left
        made[r, c] = (
            image[top, left] * (1 - y) * (1 - x)
            + image[top, right] * (1 - y) * x
            + image[down, left] * y * (1 - x)
            + image[down, right] * y * x
        )
    return made


def loss(scales: list[Array], synthetic: Array, gamma: float) -> float:
    """Discrepancies (B, h, w) of each scale and the mask on the first one's grid -> the loss of the batch."""
    batch, height, width = scales[0].shape
    total = 0.0
    for scale in scales:
        grown = np.stack([enlarged(one, height, width) for one in scale])
        normal, strange = [], []
        for index in np.ndindex(grown.shape):
            (strange if synthetic[index] else normal).append(grown[index])
        normal_weights = [(d / np.mean(normal)) ** gamma for d in normal]
        strange_weights = [(np.mean(strange) / d) ** gamma for d in strange]
        gain = sum(w * d for w, d in zip(normal_weights, normal, strict=True))
        gain -= sum(w * d for w, d in zip(strange_weights, strange, strict=True))
        total += gain / (sum(normal_weights) + sum(strange_weights)) * batch
    return total


def anomaly_map(expert: list[Array], apprentice: list[Array], side: int, sigma: float) -> Array:
    """Features (C, h, w) of one image at each scale -> (side, side)."""
    layers = []
    for known, learned in zip(expert, apprentice, strict=True):
        similarity = np.zeros(known.shape[1:])
        for index in np.ndindex(similarity.shape):
            one, two = known[:, *index].astype(float), learned[:, *index].astype(float)
            similarity[index] = one @ two / np.sqrt((one @ one) * (two @ two))
        layers.append(enlarged(1 - similarity, side, side))
    made: Array = gaussian_filter(sum(layers) / len(layers), sigma, mode="reflect")
    return made


def top_score(image: Array, share: float) -> float:
    """The mean of the highest pixels."""
    ranked = sorted(image.ravel().tolist(), reverse=True)
    return float(np.mean(ranked[: max(1, int(share * len(ranked)))]))
