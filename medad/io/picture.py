"""What every reader returns before MONAI sees it, and the steps that all formats share. numpy only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medad.io.errors import UnreadableImage
from medad.io.settings import ReadSettings
from medad.wording import counted

Array = NDArray[Any]
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
LUMINANCE = (0.299, 0.587, 0.114)
SAMPLE = 100_000


@dataclass(frozen=True)
class Picture:
    """An image and how it was read.

    ``array``: float32, (C, W, H) for a 2-D image, (C, X, Y, Z) for a volume. ``affine``: (4, 4), index to RAS mm;
    ``original_affine``: the same before the axes were turned to RAS. ``reading``: the decisions made, plain JSON.
    """

    array: Array
    affine: Array
    original_affine: Array
    reading: dict[str, Any]
    patient: dict[str, str] = field(default_factory=dict)


def begin(form: str, **known: Any) -> dict[str, Any]:
    """The record of a reading: every key that ``meta["reading"]`` has, at its neutral value."""
    record: dict[str, Any] = {
        "format": form,
        "modality": None,
        "region": None,
        "view": None,
        "localizer": False,
        "capture": False,
        "transfer_syntax": None,
        "decoder": None,
        "photometric": None,
        "inverted": False,
        "rescale": None,
        "modality_lut": False,
        "voi": "off",
        "window": None,
        "padding": None,
        "bits": None,
        "signed": None,
        "color": None,
        "saturation": 0.0,
        "orientation": None,
        "placed": False,
        "value_range": None,
        "non_finite": 0,
        "per_frame": False,
        "assumed": [],
    }
    record.update(known)
    return record


def turned_to_ras(array: Array, affine: Array, reading: dict[str, Any]) -> tuple[Array, Array]:
    """``array`` (C, I, J, K) and its ``affine`` with axes flipped and swapped to the closest RAS order."""
    from nibabel.orientations import aff2axcodes, apply_orientation, inv_ornt_aff, io_orientation

    turn = io_orientation(affine)
    reading["orientation"] = {"source": "".join(str(code) for code in aff2axcodes(affine)), "given": "RAS"}
    moved = apply_orientation(np.moveaxis(array, 0, -1), turn)
    return np.ascontiguousarray(np.moveaxis(moved, -1, 0)), affine @ inv_ornt_aff(turn, array.shape[1:])


def to_gray(array: Array, settings: ReadSettings, reading: dict[str, Any]) -> Array:
    """(3, ...) colors to (1, ...) luminance when the settings ask for gray; anything else as it is.

    ``reading["saturation"]`` tells colors from a gray picture stored as RGB: how far the channels lie apart in the
    mean, as a share of the brightest value.
    """
    if len(array) == len(LUMINANCE):
        reading["saturation"] = _saturation(array)
    if settings.color != "gray" or len(array) != len(LUMINANCE):
        return array
    reading["color"] = "gray: 0.299 R + 0.587 G + 0.114 B"
    return np.tensordot(np.asarray(LUMINANCE, np.float32), array, axes=1)[np.newaxis]


def _saturation(array: Array) -> float:
    """Of some hundred thousand pixels, evenly spaced."""
    flat = array.reshape(len(array), -1)
    some = flat[:, :: max(1, flat.shape[1] // SAMPLE)].astype(np.float64)
    top = np.abs(some).max()
    spread = (some.max(axis=0) - some.min(axis=0)).mean() / top if top > 0 else 0.0
    return round(float(spread), 4) if np.isfinite(spread) else 0.0


def all_finite(array: Array, path: Path, settings: ReadSettings, reading: dict[str, Any]) -> Array:
    """``array`` if every value is finite in float32; else refuse, or fill as the settings say and record how many."""
    with np.errstate(all="ignore"):
        if np.isfinite(array.sum()):  # a NaN or infinity would survive the sum; anything else is looked at closely
            return array
    wrong = ~np.isfinite(array)
    count = int(wrong.sum())
    if count == 0:
        return array
    if settings.non_finite == "refuse":
        reason = f"it has {counted(count, 'NaN or infinite pixel')}"
        raise UnreadableImage(
            path,
            "non-finite",
            reason,
            "give these pixels a value in the file",
            "ReadSettings(non_finite='fill') sets them to fill_value",
        )
    reading["non_finite"] = count
    reading["assumed"].append(f"set to {settings.fill_value}: {counted(count, 'NaN or infinite pixel')}")
    return np.where(wrong, np.float32(settings.fill_value), array)


def axial_slice(volume: Picture, index: int, path: Path) -> Picture:
    """One slice (C, W, H) of a volume in RAS, as a radiologist sees it: columns to the left, rows to posterior.

    Raises:
        UnreadableImage: it is no volume, or has no such slice.
    """
    if volume.array.ndim != 4:
        raise UnreadableImage(path, "no-slices", "it is a single image without slices", "name it without #z")
    if index >= volume.array.shape[-1]:
        reason = f"it has {volume.array.shape[-1]} slices, not {index + 1}"
        raise UnreadableImage(path, "missing", reason, "check the number after #z")
    _, columns, rows, _ = volume.array.shape
    turn = np.array([[-1.0, 0, 0, columns - 1], [0, -1, 0, rows - 1], [0, 0, 1, index], [0, 0, 0, 1]])
    affine = volume.affine @ turn
    reading = {**volume.reading, "assumed": [*volume.reading["assumed"], f"axial slice {index + 1}"]}
    array = volume.array[:, ::-1, ::-1, index].copy()
    return Picture(array, affine, affine, reading, volume.patient)
