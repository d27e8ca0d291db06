"""Return the affine of a volume from its NIfTI or MGH header, from index to RAS mm.

Source: nifti1.h, "3D image (volume) orientation and location in space" and xyzt_units; FreeSurfer's MGH format.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.spatialimages import HeaderDataError

from medad.io.core.errors import UnreadableImage
from medad.io.core.picture import Array

REPAIR = "have the sender repair its header"
_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # NIFTI_UNITS_UNKNOWN, METER, MM, MICRON
_UNITS = {1: "meters", 3: "micrometers"}


def nifti_affine(path: Path, header: Any, reading: dict[str, Any]) -> Array:
    """Return the sform, else the qform, else the voxel sizes alone, in mm.

    Decisions are added to ``reading``: the form that was used, and the unit of length.

    Raises:
        UnreadableImage: An orientation is stated and none of its forms can be inverted.
    """
    notes, forms = reading["assumed"], {}
    for name in ("sform", "qform"):
        if int(header[f"{name}_code"]) > 0:
            forms[name] = _stated_affine(header, name)
    name = next((name for name, form in forms.items() if form is not None), "")
    if forms and not name:
        raise UnreadableImage(path, "corrupt", f"its {' and '.join(forms)} cannot be inverted", REPAIR)
    if name == "qform" and "sform" in forms:
        notes.append("the sform cannot be inverted: read by the qform")
    orientation_stated = bool(forms)
    reading["orientation_known"] = reading["placed"] = orientation_stated
    if not orientation_stated:
        notes.append("sform and qform code are 0: read as LAS, left and right may be swapped")
    affine = forms[name] if orientation_stated else _invertible(header.get_base_affine())
    if affine is None:
        raise UnreadableImage(path, "corrupt", "its voxel sizes make no sense", REPAIR)
    code = int(header["xyzt_units"]) & 7
    if code not in _MM:
        notes.append("its unit of length is unknown: taken as mm")
    elif code in _UNITS:
        notes.append(f"its unit of length is {_UNITS[code]}: turned into mm")
    return np.asarray(np.diag([_MM.get(code, 1.0)] * 3 + [1.0]) @ affine)


def mgh_affine(path: Path, image: Any, reading: dict[str, Any]) -> Array:
    """Return the affine that the header states, or else FreeSurfer's default: coronal slices of 1 mm.

    Raises:
        UnreadableImage: The affine cannot be inverted.
    """
    orientation_stated = bool(image.extra["oriented"])
    reading["orientation_known"] = reading["placed"] = orientation_stated
    if not orientation_stated:
        reading["assumed"].append("no orientation is stated: read as LIA, as FreeSurfer does")
    affine = _invertible(image.header.get_affine() if orientation_stated else _default_mgh_affine(image.shape))
    if affine is None:
        raise UnreadableImage(path, "corrupt", "its affine has no inverse", REPAIR)
    return affine


def _default_mgh_affine(shape: tuple[int, ...]) -> Array:
    """Return the affine of 1 mm voxels that run right to left, top to bottom, back to front, centered at 0."""
    affine = np.array([[-1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    affine[:3, 3] = -affine[:3, :3] @ np.array(shape[:3]) / 2
    return affine


def _stated_affine(header: Any, name: str) -> Array | None:
    """Return the sform or qform of a header; None if it cannot be used."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return _invertible(header.get_sform() if name == "sform" else header.get_qform())
    except (HeaderDataError, ValueError):  # a quaternion longer than 1, or that is not finite
        return None


def _invertible(affine: Any) -> Array | None:
    """Return ``affine`` if it can be inverted, else None.

    The determinant is taken of the unit edges, so that tiny voxels count as invertible.
    """
    matrix = np.asarray(affine, np.float64)
    edges = np.linalg.norm(matrix[:3, :3], axis=0)
    if not np.isfinite(matrix).all() or edges.min() == 0:
        return None
    return matrix if abs(np.linalg.det(matrix[:3, :3] / edges)) > 1e-6 else None
