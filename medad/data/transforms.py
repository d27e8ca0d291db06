"""Transform a file's pixels to the network's grid and back, as MONAI transforms.

A preset defines how intensities are mapped to [-1, 1]. The geometry is the same for all presets: gray or color, display
axes (rows, columns and, for a volume, slices), and a resize in the plane. :func:`restore` undoes the geometry.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import Compose, InvertibleTransform, Orientation
from monai.transforms.utils import create_scale
from monai.utils.enums import TraceKeys
from torch import Tensor

from medad.config import Resampling, Settings
from medad.data.intensities import Bounded, ToSigned
from medad.data.presets import PRESETS
from medad.functional.resizing import resize_slices
from medad.io.image import match_channels as pixel_channels


def match_channels(image: MetaTensor, channels: int) -> MetaTensor:
    """Return ``image`` ``(C, *spatial)`` with ``channels`` channels (:func:`medad.io.image.match_channels`).

    Raises:
        UnreadableImage: the image has several channels, and another number of them.
    """
    pixels = image.as_tensor()
    matched = pixel_channels(pixels, channels, str(image.meta.get("filename_or_obj", "-")))
    return image if matched is pixels else MetaTensor(matched).copy_meta_from(image)


class DisplayAxes(InvertibleTransform):
    """Swap columns-first axes to rows-first: (C, W, H) -> (C, H, W), and a volume to (C, H, W, slices).

    A volume is oriented as a radiologist views axial slices: rows run to posterior, columns to the patient's left. A
    two-dimensional image keeps its orientation.
    """

    def __init__(self) -> None:
        self.axial = Orientation("LPS", labels=(("L", "R"), ("P", "A"), ("I", "S")))

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Return (C, W, H) or (C, X, Y, Z) as (C, H, W) or (C, H, W, D), with the affine adapted."""
        if image.ndim == 4:
            image = self.axial(image)
        return self._swapped(image, self.get_transform_info())

    def inverse(self, image: MetaTensor) -> MetaTensor:
        """Return the image in the axes of the file's reader."""
        self.pop_transform(image)
        image = self._swapped(image, None)
        return self.axial.inverse(image) if image.ndim == 4 else image

    def _swapped(self, image: MetaTensor, info: Any) -> MetaTensor:
        swap = torch.eye(4, dtype=torch.float64)[[1, 0, 2, 3]]
        meta = self.track_transform_meta(image, sp_size=image.shape[1:], affine=swap, transform_info=info)
        moved = image.as_tensor().transpose(1, 2).contiguous()
        return MetaTensor(moved).copy_meta_from(meta)


DISPLAY_AXES = DisplayAxes()  # shared by every geometry, because MONAI lets an instance undo only its own transforms


class ResizePlane(InvertibleTransform):
    """Resize rows and columns to size x size.

    :func:`medad.functional.resizing.resize_slices` says what each ``resampling`` does.

    The inverse interpolates bilinearly to the original rows and columns.
    """

    def __init__(self, size: int, resampling: Resampling = "antialiased") -> None:
        self.size = size
        self.resampling = resampling

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Return (C, H, W) or (C, H, W, D) as (C, size, size) or (C, size, size, D)."""
        return self._resized(image, (self.size, self.size), self._info(), self.resampling)

    def inverse(self, image: MetaTensor) -> MetaTensor:
        """Return the image with the rows and columns of the source."""
        info = self.pop_transform(image)
        rows, columns = info["orig_size"][:2]
        return self._resized(image, (int(rows), int(columns)), None, "antialiased")

    def _info(self) -> Any:
        """Return the transform's record without the instance's id, so that any instance can undo it."""
        return {**self.get_transform_info(), TraceKeys.ID: TraceKeys.NONE}

    def _resized(self, image: MetaTensor, plane: tuple[int, int], info: Any, resampling: Resampling) -> MetaTensor:
        before = image.shape[1:3]
        scale = torch.as_tensor(create_scale(3, [before[0] / plane[0], before[1] / plane[1], 1.0]))
        for axis in (0, 1):  # centers of the corner pixels move with the pixel size
            scale[axis, 3] = (before[axis] / plane[axis] - 1) / 2
        meta = self.track_transform_meta(image, sp_size=plane, affine=scale, transform_info=info)
        slices = resize_slices(as_slices(image), plane, resampling, image.meta.get("bounds", (None, None)))
        moved = slices[0] if image.ndim == 3 else slices.movedim(0, -1)
        return MetaTensor(moved.contiguous()).copy_meta_from(meta)


@cache
def geometry(size: int, resampling: Resampling = "antialiased") -> Compose:
    """Return the invertible part of :func:`to_network`; the inverse is the same for every ``resampling``."""
    return Compose([DISPLAY_AXES, ResizePlane(size, resampling)])


def to_network(settings: Settings) -> Compose:
    """Return the transforms from an image ``(C, *spatial)`` to (C, S, S) or (C, S, S, D) in [-1, 1].

    The image must have the channels of ``settings`` (:func:`match_channels`).
    """
    bounded = Bounded(PRESETS[settings.preset].measure)
    return Compose([bounded, *geometry(settings.size, settings.resampling).transforms, ToSigned()])


def as_slices(image: Tensor) -> Tensor:
    """Return (C, H, W) or (C, H, W, D) as slices (1 or D, C, H, W), without metadata."""
    pixels = image.as_tensor() if isinstance(image, MetaTensor) else image
    return pixels[None] if pixels.ndim == 3 else pixels.movedim(-1, 0)


def restore(maps: Tensor, like: MetaTensor) -> MetaTensor:
    """Resize the maps (N, 1, S, S) of an image's N slices to the grid of the source file.

    ``like`` is the image as :func:`to_network` returned it. The result is ``(1, *spatial)`` in the axes of the reader,
    with the affine of the source.
    """
    moved = maps[0] if like.ndim == 3 else maps.movedim(0, -1)
    image = MetaTensor(moved.detach().cpu()).copy_meta_from(like)
    return geometry(like.shape[1]).inverse(image)
