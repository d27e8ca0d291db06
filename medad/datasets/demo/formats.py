"""Encode a demo scan as a DICOM MR instance or a NIfTI volume, and the lesion's mask.

Every file is a pure function of its arguments: the same call gives the same bytes.
"""

from __future__ import annotations

import gzip
import io

import numpy as np
from numpy.typing import NDArray

from medad.datasets.demo.anatomy import TEMPLATE_CENTER_MM
from medad.datasets.demo.mr_instance import mr_instance
from medad.datasets.demo.scan import SLICE_THICKNESS_MM, Scan, first_pixel


def dicom_bytes(scan: Scan, number: int, seed: int) -> bytes:
    """Encode as MR Image Storage, explicit VR little endian: anterior at the top, the patient's right on the left."""
    buffer = io.BytesIO()
    mr_instance(scan, number, seed).save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def nifti_bytes(scan: Scan) -> bytes:
    """Encode the image as .nii.gz: int16 with slope and intercept, (X, Y, 1), RAS, millimeters."""
    return _nifti(_ras(scan.stored.astype(np.int16)), scan, (scan.slope, scan.intercept))


def nifti_mask_bytes(scan: Scan) -> bytes:
    """Encode the mask as .nii.gz: uint8 0 or 1 on the grid of the image."""
    return _nifti(_ras(scan.mask.astype(np.uint8)), scan, (1.0, 0.0))


def png_mask_bytes(scan: Scan) -> bytes:
    """Encode the mask as PNG, 8-bit 0 or 255, on the grid of the DICOM pixels."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(scan.mask.astype(np.uint8) * 255).save(buffer, format="PNG")
    return buffer.getvalue()


def _ras(image: NDArray[np.generic]) -> NDArray[np.generic]:
    """Turn (H, W), rows A->P and columns R->L, into (W, H, 1) in RAS: x toward the right, y toward the front."""
    return np.ascontiguousarray(image[::-1, ::-1].T[..., None])


def _nifti(data: NDArray[np.generic], scan: Scan, scaling: tuple[float, float]) -> bytes:
    import nibabel

    affine = np.diag([scan.spacing_mm, scan.spacing_mm, SLICE_THICKNESS_MM, 1.0])
    affine[0, 3] = TEMPLATE_CENTER_MM[0] + first_pixel(data.shape[0], scan.spacing_mm)
    affine[1, 3] = TEMPLATE_CENTER_MM[1] + first_pixel(data.shape[1], scan.spacing_mm)
    affine[2, 3] = scan.level_mm
    image = nibabel.Nifti1Image(data, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    image.header.set_xyzt_units("mm")
    image.header.set_slope_inter(*scaling)
    return gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)
