"""Write heatmaps of single images, and panels that show images beside their anomaly maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medad.files import writing
from medad.types import Case

if TYPE_CHECKING:
    from torch import Tensor

Gray = NDArray[np.float32]
Bytes = NDArray[np.uint8]
COLORS = "inferno"
FIRST, LAST = 0.3, 0.92  # range of that color map; lower colors darken the image, higher ones are nearly white
PNG_EFFORT = 1  # of 9; 6 makes a radiograph 12 % smaller and takes four times as long
LEAST_BAR = 240  # pixels; minimum width of the color bar for its name and numbers
STRONGEST = 0.85  # opacity of the overlay where the map reaches the top of its scale


def to_gray(image: Tensor) -> Gray:
    """Average the channels of (C, H, W) to (H, W) and rescale minimum and maximum to 0 and 1."""
    pixels: Gray = image.float().mean(dim=0).numpy()
    low, high = pixels.min(), pixels.max()
    gray: Gray = (pixels - low) / ((high - low) or np.float32(1))
    return gray


@dataclass(frozen=True)
class Scale:
    """The color scale of the map ``name``: transparent up to ``low``, and most opaque from ``high`` on.

    ``start`` says what ``low`` is, such as "normals' 99.5th percentile"; "" if that is not known.
    """

    name: str
    low: float
    high: float
    start: str = ""


def save_heatmap(path: Path, image: Tensor, anomaly_map: Tensor, scale: Scale) -> None:
    """Write a PNG of the image (C, H, W), beside it the image under its map (1, H, W), and the color bar below."""
    gray = (to_gray(image) * np.float32(255)).round().astype(np.uint8)
    save_pair(path, gray, overlay(gray, anomaly_map[0].float().numpy(), scale), scale, compress_level=PNG_EFFORT)


def overlay(gray: Bytes, heat: Gray, scale: Scale) -> Bytes:
    """Blend a gray picture, uint8 (H, W), with its map (H, W) and return it as RGB (H, W, 3).

    Pixels whose map value is at most ``scale.low`` are unchanged. Normal studies therefore stay gray, since the scale
    starts above nearly all map values of normal studies.
    """
    level = (np.clip((heat - scale.low) / (scale.high - scale.low), 0, 1) * 255).round().astype(np.uint8)
    colors, clear = _blending()
    return np.asarray((gray[..., None] * clear[level] + colors[level]).round(), np.uint8)


@cache
def _blending() -> tuple[Gray, Gray]:
    """Return color times opacity (256, 3) and transparency (256, 1) for each of 256 levels of a map."""
    colors, opacity = _colors()
    return colors * opacity, 1 - opacity


@cache
def _colors() -> tuple[Gray, Gray]:
    """Return the color, 0 to 255, (256, 3), and the opacity, 0 to 1, (256, 1), of each of 256 levels of a map."""
    import matplotlib

    level = np.linspace(0, 1, 256, dtype=np.float32)
    colors = matplotlib.colormaps[COLORS](FIRST + (LAST - FIRST) * level)[:, :3].astype(np.float32)
    return colors * 255, STRONGEST * level[:, None]


def css_gradient(stops: int = 12) -> str:
    """Return the colors of :func:`overlay` from low to high as a CSS gradient with opacities."""
    colors, opacity = _colors()
    levels = np.linspace(0, 255, stops).round().astype(int)
    color_stops = (
        f"rgb({' '.join(f'{part:.0f}' for part in colors[level])} / {opacity[level, 0]:.2f})" for level in levels
    )
    return f"linear-gradient(to right, {', '.join(color_stops)})"


def save_pair(path: Path, gray: Bytes, colored: Bytes, scale: Scale, **how: Any) -> None:
    """Write a gray picture (H, W) and a colored one (H, W, 3) side by side, with the color bar below.

    The extension of ``path`` decides the format. The caller must have locked the folder.
    """
    from PIL import Image

    pair = with_bar(np.concatenate([np.repeat(gray[..., None], 3, axis=2), colored], axis=1), scale)
    with writing(path, exclusive=True) as part:
        Image.fromarray(pair).save(part, **how)


def with_bar(picture: Bytes, scale: Scale) -> Bytes:
    """Append the color bar below an RGB picture (H, W, 3); pad a narrow picture with black to the bar's width."""
    bar = _bar(max(LEAST_BAR, picture.shape[1]), scale)
    picture = np.pad(picture, ((0, 0), (0, bar.shape[1] - picture.shape[1]), (0, 0)))
    return np.concatenate([picture, bar])


@lru_cache(maxsize=32)
def _bar(width: int, scale: Scale) -> Bytes:
    """Draw the color bar (h, ``width``, 3): the map's name, and its colors on mid gray between low and high value.

    A second line says what the low value is, if the scale knows it.
    """
    from PIL import Image, ImageDraw, ImageFont

    height = max(20, width // 26)
    font = ImageFont.load_default(size=round(0.6 * height))
    bar = Image.new("RGB", (width, height + (round(0.8 * height) if scale.start else 0)))
    draw, middle, gap = ImageDraw.Draw(bar), height / 2, height // 3
    low, high = f"{scale.low:.3g}", f"{scale.high:.3g}"
    length = width // 4
    ramp_end = width - gap - round(draw.textlength(high, font))
    ramp_start = ramp_end - gap - length
    draw.text((gap, middle), f"map {scale.name}", "white", font, anchor="lm")
    draw.text((ramp_end, middle), high, "white", font, anchor="lm")
    draw.text((ramp_start - gap, middle), low, "white", font, anchor="rm")
    ramp = np.linspace(scale.low, scale.high, length, dtype=np.float32)[None]
    strip = overlay(
        np.full((height - 2 * (height // 4), length), 128, np.uint8),
        np.repeat(ramp, height - 2 * (height // 4), axis=0),
        scale,
    )
    bar.paste(Image.fromarray(strip), (ramp_start, height // 4))
    small = ImageFont.load_default(size=round(0.55 * height))
    if scale.start:
        draw.text((width - gap, 1.3 * height), f"color from {scale.start} on", "#b0b0b0", small, anchor="rm")
    return np.asarray(bar)


def save_panel(path: Path, cases: Sequence[Case], scales: Mapping[str, Scale], title: str) -> None:
    """Write a PNG with a row for each case and a column for each map overlay; color bars are below the columns."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(cases[0].maps)
    figure = Figure(figsize=(1.7 * (1 + len(names)), 1.85 * len(cases) + 0.95), layout="constrained")
    FigureCanvasAgg(figure)
    lines = [part for line in title.splitlines() for part in wrap(line, 24 * (1 + len(names)))]
    figure.suptitle("\n".join(lines), fontsize=9)
    axes = figure.subplots(len(cases) + 1, 1 + len(names), squeeze=False, height_ratios=[*[1] * len(cases), 0.07])
    for row, case in zip(axes, cases, strict=False):
        gray = (to_gray(case.image) * 255).round().astype(np.uint8)
        row[0].imshow(gray, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        row[0].set_title(case.title, fontsize=7)
        if case.mask is not None:
            row[0].contour(case.mask.numpy(), levels=[0.5], colors="cyan", linewidths=0.8)
        for axis, name in zip(row[1:], names, strict=True):
            axis.imshow(overlay(gray, case.maps[name][0].float().numpy(), scales[name]), interpolation="nearest")
            axis.set_title(name, fontsize=7)
        for axis in row:
            axis.set_axis_off()
    axes[-1][0].set_axis_off()
    for axis, name in zip(axes[-1][1:], names, strict=True):
        _draw_bar(axis, scales[name])
    with writing(path) as part:
        figure.savefig(part, dpi=110)


def _draw_bar(axis: Any, scale: Scale) -> None:
    """Draw the colors of a map on mid gray, with the values of both ends, into a matplotlib axis."""
    ramp = np.linspace(scale.low, scale.high, 256, dtype=np.float32)[None]
    axis.imshow(overlay(np.full((1, 256), 128, np.uint8), ramp, scale), aspect="auto")
    axis.set_yticks([])
    axis.set_xticks([0, 255], [f"{scale.low:.3g}", f"{scale.high:.3g}"], fontsize=6)
    axis.set_xlabel(scale.start, fontsize=5)
    for place, label in zip(("left", "right"), axis.get_xticklabels(), strict=True):
        label.set_horizontalalignment(place)
