"""Name the pictures of a study, and write the anomaly map of a volume; needs no PyTorch."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medad.files import writing
from medad.outputs.pictures import Scale
from medad.scoring.core.settings import HEATMAPS

THUMBNAILS = "thumbnails"
THUMBNAIL = 192  # pixels of the longer side


def write_volume(path: Path, anomaly_map: NDArray[np.float32], affine: NDArray[Any], scale: Scale) -> None:
    """Write a map (I, J, K), in the axes of its source, as float32 NIfTI with the ``affine`` (4, 4) of the source.

    The header names the map and holds both ends of the color scale (``cal_min``, ``cal_max``), which viewers use.
    """
    import nibabel as nib

    written = nib.Nifti1Image(anomaly_map, np.asarray(affine, np.float64))
    written.header["descrip"] = f"medad: map {scale.name}"[:79].encode("ascii", "replace")
    written.header["cal_min"], written.header["cal_max"] = scale.low, scale.high
    with writing(path, exclusive=True) as part:
        nib.save(written, part)


def heatmaps_of(study_id: str) -> tuple[str, str]:
    """Return the paths of a study's heatmap below the output folder: the picture, and the NIfTI file of a volume."""
    name = named(HEATMAPS, study_id)
    return f"{name}.png", f"{name}.nii.gz"


def thumbnail_of(study_id: str) -> str:
    """Return the path of a study's thumbnail below the output folder."""
    return f"{named(THUMBNAILS, study_id)}.jpg"


def named(folder: str, study_id: str) -> str:
    """Return a name that identifies no patient, in one of 256 folders: a folder of a million files is slow to open."""
    digest = hashlib.sha256(study_id.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return f"{folder}/{digest[:2]}/{digest}"
