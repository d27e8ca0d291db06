"""Bring the image of a study onto the network's grid for scoring, and maps back onto the grid of the source.

The values equal those of the MONAI transforms that training uses (``data/transforms.py``), to the last bit. This module
imports no MONAI, whose import alone costs more time than scoring hundreds of images.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medad.config import Settings
from medad.data.presets import PRESETS, read_settings
from medad.functional.intensities import clipped, to_signed
from medad.functional.resizing import resize_slices
from medad.io.core.picture import Array, Picture
from medad.io.image import Image, image_of, with_channels
from medad.io.read import read_picture
from medad.types import Study


class Preprocessing:
    """Reads studies as a model with ``settings`` needs them, and computes the network's input."""

    def __init__(self, settings: Settings, split: bool = False) -> None:
        """With ``split``, read the first of several volumes or pages in a file; without, refuse such a file."""
        self.settings = settings
        self.reading = read_settings(settings).model_copy(update={"time": "split" if split else "refuse"})

    def read(self, study: Study) -> Image:
        """Return the image as it is in its files, with the channels of the model. Raises UnreadableImage."""
        return self.image(read_picture(study.files, self.reading), str(study.files[0]))

    def image(self, picture: Picture, name: str) -> Image:
        """Return the image of a picture that was read from ``name``. Raises UnreadableImage for its channels."""
        return with_channels(image_of(picture, name), self.settings.channels)

    def slices(self, image: Image) -> Tensor:
        """Return the network's input, (N, C, S, S) in [-1, 1]; a 2-D image has N = 1 slice."""
        settings = self.settings
        pixels, bounds = clipped(image.pixels, image.reading.get("value_range"), PRESETS[settings.preset].measure)
        slices = as_slices(_display_axes(pixels, image))
        resized = resize_slices(slices, (settings.size, settings.size), settings.resampling, bounds)
        return to_signed(resized, *bounds).contiguous()


def as_slices(displayed: Tensor) -> Tensor:
    """Return (C, H, W) or (C, H, W, D) as slices (1 or D, C, H, W)."""
    return displayed[None] if displayed.ndim == 3 else displayed.movedim(-1, 0)


def display_slices(image: Image) -> Tensor:
    """Return the slices (N, C, H, W) of an image as a radiologist views them, at the resolution of the source."""
    return as_slices(_display_axes(image.pixels, image))


def restored_slices(maps: Tensor, image: Image) -> Tensor:
    """Return the ``maps`` (N, 1, S, S) of the slices of ``image`` with its rows and columns, (N, 1, H, W)."""
    rows, columns = _display_axes(image.pixels[:1], image).shape[1:3]
    return resize_slices(maps.detach().cpu(), (int(rows), int(columns)), "antialiased")


def on_source_grid(maps: Tensor, image: Image) -> Array:
    """Return the ``maps`` (N, 1, S, S) of the slices of ``image`` on the grid of its source, float32.

    The result is (H, W) for a 2-D image, rows first. For a volume it has the axes of the file, to which
    ``image.original_affine`` belongs.
    """
    slices = restored_slices(maps, image)[:, 0].float()
    if not image.volume:
        return slices[0].numpy()
    from nibabel.orientations import apply_orientation, io_orientation, ornt_transform

    axes, flips = _axial_turn(image)
    turned = slices.permute(2, 1, 0).permute(axes)  # slices, rows, columns -> columns, rows, slices -> reader's axes
    volume = turned.flip(flips).numpy()
    turn = ornt_transform(io_orientation(image.affine), io_orientation(image.original_affine))
    return apply_orientation(volume, turn)  # type: ignore[no-any-return]


def _display_axes(pixels: Tensor, image: Image) -> Tensor:
    """Swap columns-first axes to rows-first: (C, W, H) -> (C, H, W), and a volume to (C, H, W, slices).

    The slices of a volume are axial: rows run to posterior, columns to the patient's left.
    """
    if image.volume:
        axes, flips = _axial_turn(image)
        order = torch.tensor(axes).argsort().tolist()
        pixels = pixels.flip([1 + axis for axis in flips]).permute(0, *(1 + axis for axis in order))
    return pixels.transpose(1, 2).contiguous()


def _axial_turn(image: Image) -> tuple[list[int], list[int]]:
    """Return how the axes of a volume turn to LPS: the new place of each axis, and the axes to flip before."""
    from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

    turn = ornt_transform(io_orientation(image.affine), axcodes2ornt(("L", "P", "S")))
    return [int(axis) for axis in turn[:, 0]], [axis for axis in range(3) if turn[axis, 1] == -1]
