"""Collect the facts of an image's acquisition from its pixels, its header and its file.

Every fact is a number or a word of a small vocabulary, and any may be missing. None identifies a patient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medad.functional.image_statistics import STATISTICS, image_statistics
from medad.functional.intervals import Floats

SLICES = 5  # of a volume that the statistics are averaged over, evenly spaced
FAMILIES = {  # the aspect of the acquisition that a fact belongs to, in the words of messages
    **dict.fromkeys(("mean", "p01", "p05", "p25", "p50", "p75", "p95", "p99"), "brightness"),
    **dict.fromkeys(("std", "entropy"), "contrast"),
    **dict.fromkeys(("at_minimum", "at_maximum"), "saturated pixels"),
    "border_mean": "border",
    **dict.fromkeys(("gradient_x", "gradient_y", "laplacian", "sharpness"), "sharpness"),
    **dict.fromkeys(("noise", "border_std"), "noise"),  # where the border is air, its spread is noise
    **dict.fromkeys(("levels", "bits", "stored_range"), "bit depth"),
    **dict.fromkeys(("short_side", "elongation", "slices"), "image size"),
    **dict.fromkeys(("spacing", "slice_thickness"), "pixel spacing"),
    **dict.fromkeys(("manufacturer", "scanner"), "scanner"),
    **dict.fromkeys(("kvp", "field_strength"), "tube voltage or field strength"),
    **dict.fromkeys(("modality", "region"), "modality or body part"),
    **dict.fromkeys(("view", "position", "portable"), "view or portable unit"),
    **dict.fromkeys(("photometric", "color", "inverted"), "color coding"),
    **dict.fromkeys(("format", "quantization"), "file format or compression"),
}
WORDS = (
    *("manufacturer", "scanner", "modality", "region", "view", "position", "portable", "photometric", "color"),
    *("inverted", "format"),
)


@dataclass(frozen=True)
class AcquisitionFacts:
    """The facts of one image by name: ``numbers`` and ``words``. A fact that is not known is absent."""

    numbers: Mapping[str, float]
    words: Mapping[str, str]


def acquisition_facts(
    pixels: NDArray[Any], reading: Mapping[str, Any], affine: NDArray[Any] | None = None
) -> AcquisitionFacts:
    """Return the facts of an image as it is in its file.

    Args:
        pixels: (C, W, H), or (C, X, Y, Z) of a volume; the first channel is described.
        reading: the record of its reading, ``meta["reading"]``.
        affine: (4, 4), from index to mm; used where the reading says that the image has a place or a spacing.
    """
    plane = pixels[0]
    equipment = reading.get("equipment") or {}
    rows = {**reading, **equipment, "format": _file_format(reading)}
    numbers = {
        **dict(zip(STATISTICS, _statistics(plane, reading.get("value_range")).tolist(), strict=True)),
        "stored_range": float(np.log2(1 + float(plane.max()) - float(plane.min()))),
        "bits": (reading.get("bits") or [None])[0],
        "short_side": float(min(plane.shape[:2])),
        "elongation": max(plane.shape[:2]) / min(plane.shape[:2]),
        "slices": float(plane.shape[2]) if plane.ndim == 3 else None,
        "spacing": None if affine is None or np.allclose(affine, np.eye(4)) else float(np.linalg.norm(affine[:3, 0])),
        **{name: equipment.get(name) for name in ("kvp", "field_strength", "slice_thickness")},
        "quantization": reading.get("quantization"),
    }
    return AcquisitionFacts(
        {name: float(value) for name, value in numbers.items() if value is not None and np.isfinite(value)},
        {name: str(rows[name]) for name in WORDS if rows.get(name) not in (None, "")},
    )


def _file_format(reading: Mapping[str, Any]) -> str:
    """Return the container of a raster image, the transfer syntax of DICOM, or the format."""
    return str(reading.get("container") or reading.get("transfer_syntax") or reading.get("format") or "")


def _statistics(plane: NDArray[Any], value_range: Any) -> Floats:
    """Return the pixel statistics of an image (W, H), or their mean over some slices of a volume (X, Y, Z)."""
    low, high = value_range or (float(plane.min()), float(plane.max()))
    places = (
        np.unique(np.linspace(0, plane.shape[2] - 1, SLICES + 2)[1:-1].round().astype(int)) if plane.ndim == 3 else ()
    )
    slices = [plane[..., place] for place in places] or [plane]
    span = high - low if high > low else 1.0
    each = [image_statistics(((image - low) / span).T) for image in slices]
    mean: Floats = np.mean(each, axis=0)
    return mean
