"""Heatmaps of single images, and panels that put images beside their anomaly maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from medad.types import Case

Gray = NDArray[np.float32]
Bytes = NDArray[np.uint8]
COLORS = "inferno"
PNG_EFFORT = 1  # of 9; 6 makes a radiograph 12 % smaller and takes four times as long
STRONGEST = 0.75  # opacity of the overlay where the map reaches the top of its scale


def to_gray(image: Tensor) -> Gray:
    """(C, H, W) -> (H, W) between 0 and 1, stretched from the image's minimum to its maximum."""
    pixels: Gray = image.float().mean(dim=0).numpy()
    low, high = pixels.min(), pixels.max()
    gray: Gray = (pixels - low) / ((high - low) or np.float32(1))
    return gray


def save_heatmap(path: Path, image: Tensor, anomaly_map: Tensor, top: float) -> None:
    """Write a PNG: the image (C, H, W), and beside it the same under its map (1, H, W), colored from 0 to ``top``."""
    gray = (to_gray(image) * np.float32(255)).round().astype(np.uint8)
    save_pair(path, gray, overlay(gray, anomaly_map[0].float().numpy(), top), compress_level=PNG_EFFORT)


def overlay(gray: Bytes, heat: Gray, top: float) -> Bytes:
    """A picture, uint8 (H, W), under its map (H, W) as RGB (H, W, 3): clear at 0, most opaque from ``top`` on."""
    level = (np.clip(heat / np.float32(top or 1.0), 0, 1) * 255).round().astype(np.uint8)
    colors, clear = _colors()
    return np.asarray((gray[..., None] * clear[level] + colors[level]).round(), np.uint8)


@cache
def _colors() -> tuple[Gray, Gray]:
    """For each of 256 levels of a map: its color times its opacity (256, 3), and how clear it is (256, 1)."""
    import matplotlib

    heat = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    colors = matplotlib.colormaps[COLORS](heat[:, 0])[:, :3].astype(np.float32)
    return colors * (255 * STRONGEST * heat), 1 - STRONGEST * heat


def save_pair(path: Path, gray: Bytes, colored: Bytes, **how: Any) -> None:
    """Write a gray picture (H, W) and a colored one (H, W, 3) side by side, in the format of the file's name; the file
    appears whole or not at all."""
    from PIL import Image

    pair = np.concatenate([np.repeat(gray[..., None], 3, axis=2), colored], axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part-{path.name}")
    Image.fromarray(pair).save(part, **how)
    part.replace(path)


def save_panel(path: Path, cases: Sequence[Case], tops: Mapping[str, float], title: str) -> None:
    """Write a PNG with a row for each case and a column for each map, colored from 0 to ``tops[name]``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(cases[0].maps)
    figure = Figure(figsize=(1.7 * (1 + len(names)), 1.85 * len(cases) + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10)
    axes = figure.subplots(len(cases), 1 + len(names), squeeze=False)
    for row, case in zip(axes, cases, strict=True):
        row[0].imshow(to_gray(case.image), cmap="gray", interpolation="nearest")
        row[0].set_title(case.title, fontsize=7)
        if case.mask is not None:
            row[0].contour(case.mask.numpy(), levels=[0.5], colors="cyan", linewidths=0.8)
        for axis, name in zip(row[1:], names, strict=True):
            axis.imshow(case.maps[name][0].numpy(), cmap=COLORS, vmin=0, vmax=tops[name], interpolation="nearest")
            axis.set_title(name, fontsize=7)
        for axis in row:
            axis.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
