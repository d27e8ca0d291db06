"""The picture that every reader returns, and the steps that all formats share. Needs numpy only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medad.io.core.errors import UnreadableImage
from medad.io.core.settings import ReadSettings
from medad.wording import counted

Array = NDArray[Any]
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
LUMINANCE = (0.299, 0.587, 0.114)
SAMPLE = 100_000


@dataclass(frozen=True)
class Picture:
    """An image and how it was read.

    ``array`` is float32, ``(C, W, H)`` for a 2-D image and ``(C, X, Y, Z)`` for a volume. ``affine`` is ``(4, 4)``,
    from index to RAS mm; ``original_affine`` is the affine before the axes were turned to RAS. ``reading`` holds the
    decisions made, as plain JSON. ``patient`` holds patient tags, only if the settings keep them.
    """

    array: Array
    affine: Array
    original_affine: Array
    reading: dict[str, Any]
    patient: dict[str, str] = field(default_factory=dict)


def begin(form: str, **values: Any) -> dict[str, Any]:
    """Return the record of a reading: every key of ``meta["reading"]``, neutral except for ``values``."""
    record: dict[str, Any] = {
        "format": form,
        "modality": None,
        "region": None,
        "view": None,
        "localizer": False,
        "capture": False,
        "transfer_syntax": None,
        "decoder": None,
        "equipment": None,
        "container": None,
        "quantization": None,
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
    record.update(values)
    return record


def turned_to_ras(array: Array, affine: Array, reading: dict[str, Any]) -> tuple[Array, Array]:
    """Flip and swap the axes of ``array`` ``(C, I, J, K)`` to the closest RAS order.

    Returns:
        The array, and the affine ``(4, 4)`` of the new axes.
    """
    from nibabel.orientations import aff2axcodes, apply_orientation, inv_ornt_aff, io_orientation

    turn = io_orientation(affine)
    reading["orientation"] = {"source": "".join(str(code) for code in aff2axcodes(affine)), "given": "RAS"}
    moved = apply_orientation(np.moveaxis(array, 0, -1), turn)
    return np.ascontiguousarray(np.moveaxis(moved, -1, 0)), affine @ inv_ornt_aff(turn, array.shape[1:])


def to_gray(array: Array, settings: ReadSettings, reading: dict[str, Any]) -> Array:
    """Return ``(1, ...)`` luminance for ``(3, ...)`` colors if the settings ask for gray, else ``array`` itself.

    ``reading["saturation"]`` distinguishes colors from a gray picture stored as RGB: the mean difference between the
    channels of a pixel, as a share of the brightest value.
    """
    if len(array) == len(LUMINANCE):
        reading["saturation"] = _saturation(array)
    if settings.color != "gray" or len(array) != len(LUMINANCE):
        return array
    reading["color"] = "gray: 0.299 R + 0.587 G + 0.114 B"
    return np.tensordot(np.asarray(LUMINANCE, np.float32), array, axes=1)[np.newaxis]


def _saturation(array: Array) -> float:
    """Return the saturation, measured on about ``SAMPLE`` evenly spaced pixels."""
    flat = array.reshape(len(array), -1)
    some = flat[:, :: max(1, flat.shape[1] // SAMPLE)].astype(np.float64)
    top = np.abs(some).max()
    spread = (some.max(axis=0) - some.min(axis=0)).mean() / top if top > 0 else 0.0
    return round(float(spread), 4) if np.isfinite(spread) else 0.0


def all_finite(array: Array, path: Path, settings: ReadSettings, reading: dict[str, Any]) -> Array:
    """Return ``array`` if every value is finite in float32; else fill the others, if the settings say so.

    The number of filled pixels is recorded in ``reading``.

    Raises:
        UnreadableImage: There are NaN or infinite pixels, and the settings refuse them.
    """
    with np.errstate(all="ignore"):
        if np.isfinite(array.sum()):  # a NaN or infinity would make the sum non-finite; an overflow is checked below
            return array
    not_finite = ~np.isfinite(array)
    count = int(not_finite.sum())
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
    return np.where(not_finite, np.float32(settings.fill_value), array)


def axial_slice(volume: Picture, index: int, path: Path) -> Picture:
    """Return one slice ``(C, W, H)`` of a RAS volume as a radiologist sees it.

    Columns run to the patient's left, rows to posterior. ``index`` counts from 0, from below.

    Raises:
        UnreadableImage: The picture is no volume, or has no such slice.
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
