"""From a file's pixels to the network's grid and back, as MONAI transforms.

A preset says how intensities reach [-1, 1]; geometry is the same for all: gray or color, display axes (rows, columns
and, for a volume, slices), and an antialiased bilinear resize in the plane. Geometry can be undone (`restore`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import torch
from monai.data import MetaTensor
from monai.transforms import Compose, InvertibleTransform, Orientation, Transform
from monai.transforms.utils import create_scale
from torch import Tensor
from torch.nn.functional import interpolate

from medad.config import Settings
from medad.io import ReadSettings, UnreadableImage

Intensity = Callable[[MetaTensor], MetaTensor]


def match_channels(image: MetaTensor, channels: int) -> MetaTensor:
    """(1, *spatial) to C channels by repetition; color is made gray by the reader, where gray is wanted.

    Raises:
        UnreadableImage: the image has another number of channels.
    """
    if image.shape[0] == channels:
        return image
    if image.shape[0] != 1:
        reason = f"it has {image.shape[0]} channels and the model takes {channels}"
        raise UnreadableImage(str(image.meta["filename_or_obj"]), "channels", reason, "convert it to gray or RGB")
    return image.expand(channels, *image.shape[1:]).clone()


class DisplayAxes(InvertibleTransform):
    """Columns-first axes to rows-first: (C, W, H) -> (C, H, W), and a volume to (C, H, W, slices).

    A volume is shown as a radiologist sees axial slices: rows run to posterior, columns to the patient's left. A
    two-dimensional image stays as it was acquired.
    """

    def __init__(self) -> None:
        self.axial = Orientation("LPS", labels=(("L", "R"), ("P", "A"), ("I", "S")))

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """(C, W, H) or (C, X, Y, Z) -> (C, H, W) or (C, H, W, D); the affine follows."""
        if image.ndim == 4:
            image = self.axial(image)
        return self._swapped(image, self.get_transform_info())

    def inverse(self, image: MetaTensor) -> MetaTensor:
        """Back to the axes of the file's reader."""
        self.pop_transform(image)
        image = self._swapped(image, None)
        return self.axial.inverse(image) if image.ndim == 4 else image

    def _swapped(self, image: MetaTensor, info: Any) -> MetaTensor:
        swap = torch.eye(4, dtype=torch.float64)[[1, 0, 2, 3]]
        meta = self.track_transform_meta(image, sp_size=image.shape[1:], affine=swap, transform_info=info)
        moved = image.as_tensor().transpose(1, 2).contiguous()
        return MetaTensor(moved).copy_meta_from(meta)


class ResizePlane(InvertibleTransform):
    """Rows and columns to size x size, bilinear and antialiased: what Pillow's BILINEAR gives, before rounding.

    The inverse interpolates back to the rows and columns that there were, bilinearly.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """(C, H, W) or (C, H, W, D) -> (C, size, size) or (C, size, size, D)."""
        return self._resized(image, (self.size, self.size), self.get_transform_info())

    def inverse(self, image: MetaTensor) -> MetaTensor:
        """Back to the rows and columns of the source."""
        info = self.pop_transform(image)
        rows, columns = info["orig_size"][:2]
        return self._resized(image, (int(rows), int(columns)), None)

    def _resized(self, image: MetaTensor, plane: tuple[int, int], info: Any) -> MetaTensor:
        before = image.shape[1:3]
        scale = torch.as_tensor(create_scale(3, [before[0] / plane[0], before[1] / plane[1], 1.0]))
        for axis in (0, 1):  # centers of the corner pixels move with the pixel size
            scale[axis, 3] = (before[axis] / plane[axis] - 1) / 2
        meta = self.track_transform_meta(image, sp_size=plane, affine=scale, transform_info=info)
        slices = as_slices(image)
        if tuple(before) != plane:
            slices = interpolate(slices, plane, mode="bilinear", antialias=True, align_corners=False)
        moved = slices[0] if image.ndim == 3 else slices.movedim(0, -1)
        return MetaTensor(moved.contiguous()).copy_meta_from(meta)


class Bounded(Transform):
    """Finds the range of an image: the file's nominal one where it has one, else by ``measure`` of the image itself."""

    def __init__(self, measure: Callable[[Tensor], tuple[float, float]]) -> None:
        self.measure = measure

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Clipped to the range, which is in ``meta["bounds"]``; no reader goes beyond a nominal one."""
        nominal = image.meta.get("reading", {}).get("value_range")
        low, high = nominal or self.measure(image.as_tensor())
        pixels = image.as_tensor() if nominal else image.as_tensor().clamp(low, high)
        bounded = MetaTensor(pixels).copy_meta_from(image)
        bounded.meta["bounds"] = (low, high)
        return bounded


class ToSigned(Transform):
    """The range in ``meta["bounds"]`` to [-1, 1]. It comes after the resize, with which it commutes, since there is
    less to do then."""

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """2 (x - low) / (high - low) - 1; a constant image becomes -1."""
        low, high = image.meta["bounds"]
        signed = image.as_tensor().sub(low).mul_(2 / ((high - low) or 1.0)).sub_(1).clamp_(-1, 1)
        return MetaTensor(signed).copy_meta_from(image)


def extremes(pixels: Tensor) -> tuple[float, float]:
    """Minimum and maximum."""
    return float(pixels.min()), float(pixels.max())


def percentiles(pixels: Tensor) -> tuple[float, float]:
    """0.5th and 99.5th percentile, of at most a million evenly spaced pixels."""
    flat = pixels.flatten()
    flat = flat[:: max(1, len(flat) // 1_000_000)]
    low, high = torch.quantile(flat[:2_000_000].float(), torch.tensor([0.005, 0.995])).tolist()
    return low, high


def window(center: float, width: float) -> Callable[[Tensor], tuple[float, float]]:
    """The fixed range of a window, in the file's units."""
    return lambda pixels: (center - width / 2, center + width / 2)


@dataclass(frozen=True)
class Preset:
    """``voi`` is what the DICOM reader does with windows; ``measure`` finds the range of an image that states none."""

    voi: Literal["off", "window", "published"]
    measure: Callable[[Tensor], tuple[float, float]]


PRESETS = {
    "published": Preset("published", extremes),  # ../shared/METHODS.md: 8-bit by x/255, everything else min-max
    "cxr": Preset("window", percentiles),
    "mr": Preset("off", percentiles),
    "ct": Preset("off", window(40, 400)),
    "fundus": Preset("off", extremes),
}


def read_settings(settings: Settings) -> ReadSettings:
    """How files are read for a model with these settings."""
    voi = PRESETS[settings.preset].voi
    return ReadSettings(voi=voi, color="gray" if settings.channels == 1 else "keep")


@cache
def geometry(size: int) -> Compose:
    """The invertible part of :func:`to_network`."""
    return Compose([DisplayAxes(), ResizePlane(size)])


def to_network(settings: Settings) -> Compose:
    """The transforms from an image of the right channels, (C, *spatial), to (C, S, S) or (C, S, S, D) in [-1, 1]."""
    bounded = Bounded(PRESETS[settings.preset].measure)
    return Compose([bounded, *geometry(settings.size).transforms, ToSigned()])


def as_slices(image: Tensor) -> Tensor:
    """(C, H, W) or (C, H, W, D) -> (1 or D, C, H, W), without metadata."""
    pixels = image.as_tensor() if isinstance(image, MetaTensor) else image
    return pixels[None] if pixels.ndim == 3 else pixels.movedim(-1, 0)


def restore(maps: Tensor, like: MetaTensor) -> MetaTensor:
    """Maps (N, 1, S, S) of the slices of ``like`` (what ``to_network`` gave) on the grid of the source file.

    The result is (1, *spatial) in the axes of the reader, with the affine of the source.
    """
    moved = maps[0] if like.ndim == 3 else maps.movedim(0, -1)
    image = MetaTensor(moved.detach().cpu()).copy_meta_from(like)
    return geometry(like.shape[1]).inverse(image)
