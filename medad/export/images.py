"""Prepare the image of a study for an exported graph, and draw its maps, with NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medad.export.description import Intensities, Preprocessing
from medad.functional.preprocessing import (
    Range,
    extremes,
    from_slices,
    percentiles,
    to_grid,
    to_signed,
    to_slices,
)
from medad.functional.resampling import resize
from medad.io.core.errors import UnreadableImage
from medad.io.core.picture import Picture
from medad.io.read import read_picture
from medad.outputs.pictures import LEAST_BAR, PNG_EFFORT, Bytes, Scale, overlay, save_pair
from medad.scoring.core.map_files import THUMBNAIL, heatmaps_of, thumbnail_of, write_volume
from medad.types import Study

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Source:
    """The image of a study as it is in its files, with the channels of the model.

    ``pixels`` is float32, (C, W, H) or (C, X, Y, Z); the other fields are those of
    :class:`medad.io.core.picture.Picture`.
    """

    pixels: Floats
    affine: NDArray[Any]
    original_affine: NDArray[Any]
    reading: dict[str, Any]

    @property
    def slices(self) -> Floats:
        """Return the slices (N, C, rows, columns) as a radiologist sees them."""
        return to_slices(self.pixels, self.affine)


class Preparation:
    """Reads studies as a model with this ``preprocessing`` needs them, and computes the input of its graph."""

    def __init__(self, preprocessing: Preprocessing, split: bool = False) -> None:
        """``split`` reads the first of several volumes or pages in a file; without it such a file is refused."""
        self.preprocessing = preprocessing
        self.reading = preprocessing.reading(split)

    def read(self, study: Study) -> Source:
        """Return the image of ``study``. Raises UnreadableImage."""
        return self.source(read_picture(study.files, self.reading), study.files[0])

    def source(self, picture: Picture, name: Path) -> Source:
        """Return a picture with the channels of the model: gray is repeated.

        Raises:
            UnreadableImage: the picture has several channels, and another number of them.
        """
        pixels, channels = np.asarray(picture.array, np.float32), self.preprocessing.channels
        if len(pixels) not in (1, channels):
            reason = f"it has {len(pixels)} channels and the model takes {channels}"
            raise UnreadableImage(name, "channels", reason, "convert it to gray or RGB")
        if len(pixels) != channels:
            pixels = np.repeat(pixels, channels, axis=0)
        return Source(pixels, picture.affine, picture.original_affine, picture.reading)

    def slices(self, source: Source) -> Floats:
        """Return the input of the graph, (N, C, S, S) in [-1, 1]; a picture has N = 1 slice."""
        how = self.preprocessing
        stated = source.reading.get("value_range")
        bounds = (float(stated[0]), float(stated[1])) if stated else range_of(source.pixels, how.intensities)
        slices = source.slices
        if not stated:  # no reader exceeds a range that the file states
            slices = np.clip(slices, np.float32(bounds[0]), np.float32(bounds[1]))
        return to_signed(to_grid(slices, how.size, how.resampling, bounds), bounds)


def range_of(pixels: Floats, how: Intensities) -> Range:
    """Return the range of ``pixels`` that is mapped to [-1, 1]."""
    if how.kind == "window":
        return how.low, how.high
    return extremes(pixels) if how.kind == "extremes" else percentiles(pixels, (how.low, how.high))


def preview(source: Source, slices: Floats) -> Bytes:
    """Return the gray images for thumbnails, uint8 (N, h, w).

    A radiograph is shrunk from its ``source``; the slices of a volume are ``slices``, the input of the graph.
    """
    if source.pixels.ndim == 4:
        gray: Bytes = np.clip(np.round((slices.mean(axis=1) + 1) * 127.5), 0, 255).astype(np.uint8)
        return gray
    step = max(1, max(source.pixels.shape[1:]) // (2 * THUMBNAIL))
    rows = source.pixels[:, ::step, ::step].mean(axis=0).T
    scale = min(1.0, THUMBNAIL / max(rows.shape))
    small = resize(rows[None], (max(1, round(rows.shape[0] * scale)), max(1, round(rows.shape[1] * scale))))
    return _bytes_of(small[0])[None]


def save_thumbnail(out: Path, study_id: str, slice_: Bytes, anomaly_map: Floats, scale: Scale) -> str:
    """Write a small JPEG of ``slice_`` (h, w) beside itself under its map (S, S); return its path below ``out``."""
    name = thumbnail_of(study_id)
    factor = -(-LEAST_BAR // (2 * slice_.shape[1]))  # a small slice is enlarged to the width of its color bar
    gray = slice_.repeat(factor, 0).repeat(factor, 1)
    heat = resize(anomaly_map[None], gray.shape, "plain")[0]
    save_pair(out / name, gray, overlay(gray, heat, scale), scale, quality=80)
    return name


def save_map(out: Path, study_id: str, source: Source, maps: Floats, worst: int, scale: Scale) -> str:
    """Write the heatmap of a study from the maps (N, 1, S, S) of its slices, and for a volume its whole map as NIfTI.

    ``worst`` is the index of the slice to draw. Return the path of the picture below ``out``.
    """
    picture, volume = heatmaps_of(study_id)
    slices = source.slices
    plane = slices.shape[-2:]
    restored = maps if maps.shape[-2:] == plane else resize(maps, plane)
    if source.pixels.ndim == 4:
        from nibabel.orientations import apply_orientation, io_orientation, ornt_transform

        whole = from_slices(restored, source.affine, volume=True)[0]
        turn = ornt_transform(io_orientation(source.affine), io_orientation(source.original_affine))
        write_volume(out / volume, apply_orientation(whole, turn), source.original_affine, scale)
    gray = _bytes_of(slices[worst].mean(axis=0))
    save_pair(out / picture, gray, overlay(gray, restored[worst, 0], scale), scale, compress_level=PNG_EFFORT)
    return picture


def _bytes_of(gray: Floats) -> Bytes:
    """Return a gray image as uint8, from its minimum to its maximum."""
    low, high = gray.min(), gray.max()
    scaled = (gray - low) / ((high - low) or np.float32(1)) * np.float32(255)
    return np.asarray(np.round(scaled), np.uint8)
