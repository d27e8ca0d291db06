"""The image of a study in memory, as a tensor without MONAI: what scoring works on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medad.io.core.errors import UnreadableImage
from medad.io.core.picture import Array, Picture


@dataclass(frozen=True)
class Image:
    """An image as it is in its files.

    ``pixels`` is ``(C, W, H)`` for a 2-D image and ``(C, X, Y, Z)`` for a volume, turned to RAS. ``reading`` holds the
    decisions of the reader, as plain JSON. ``affine`` (4, 4) leads from index to RAS mm; ``original_affine`` is the
    affine of the axes in the file. ``name`` is the file that messages name.
    """

    pixels: Tensor
    reading: Mapping[str, Any] = field(default_factory=dict)
    affine: Array = field(default_factory=lambda: np.eye(4))
    original_affine: Array = field(default_factory=lambda: np.eye(4))
    name: str = "-"

    @property
    def volume(self) -> bool:
        """Whether the image is a volume, which is scored slice by slice."""
        return self.pixels.ndim == 4

    @property
    def nbytes(self) -> int:
        """The memory of the pixels, in bytes."""
        return int(self.pixels.nbytes)


def image_of(picture: Picture, name: str) -> Image:
    """Return the image of a ``picture`` that was read from the file ``name``."""
    pixels = torch.from_numpy(writable(picture.array))
    return Image(pixels, picture.reading, picture.affine, picture.original_affine, name)


def writable(array: Array) -> Array:
    """Return the array, or a copy if torch cannot share its memory: it is read-only or has negative strides."""
    return array if array.flags.writeable and min(array.strides) >= 0 else array.copy()


def with_channels(image: Image, channels: int) -> Image:
    """Return ``image`` with ``channels`` channels.

    Raises:
        UnreadableImage: the image has several channels, and another number of them.
    """
    return replace(image, pixels=match_channels(image.pixels, channels, image.name))


def match_channels(pixels: Tensor, channels: int, name: str) -> Tensor:
    """Repeat gray pixels ``(1, *spatial)`` to ``channels`` channels; return pixels that have them as they are.

    The reader already converts color to gray where the settings ask for gray. ``name`` is the file in the error.

    Raises:
        UnreadableImage: the pixels have another number of channels.
    """
    if pixels.shape[0] == channels:
        return pixels
    if pixels.shape[0] != 1:
        reason = f"it has {pixels.shape[0]} channels and the model takes {channels}"
        raise UnreadableImage(name, "channels", reason, "convert it to gray or RGB")
    return pixels.expand(channels, *pixels.shape[1:]).clone()
