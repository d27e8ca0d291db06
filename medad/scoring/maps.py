"""Anomaly maps on the grid of the source."""

from __future__ import annotations

import hashlib
from pathlib import Path

from monai.data import MetaTensor
from torch import Tensor

from medad.data.transforms import DisplayAxes, as_slices, restore
from medad.outputs.pictures import save_heatmap
from medad.scoring.settings import HEATMAPS


def save_map(
    out: Path, study_id: str, source: MetaTensor, image: MetaTensor, maps: Tensor, worst: int, top: float
) -> str:
    """Write the heatmap of a study, the same bytes each time; its path below ``out``, which tells no patient.

    ``source`` (C, *spatial) is the study as in its files, ``image`` (C, S, S[, D]) what the network saw, with what
    undoes the geometry; ``maps`` (N, 1, S, S) are those of its slices, ``worst`` the slice with the highest score, and
    ``top`` the end of the color scale.
    """
    name = f"{HEATMAPS}/{hashlib.sha256(study_id.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}.png"
    display = DisplayAxes()
    anomaly_map = as_slices(display(restore(maps, image)))[worst]
    save_heatmap(out / name, as_slices(display(source))[worst], anomaly_map, top)
    return name
