"""Write anomaly maps on the grid of the source image, and thumbnails, all with one fixed color scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from medad.data.preprocessing import display_slices, on_source_grid, restored_slices
from medad.io.image import Image
from medad.outputs.pictures import LEAST_BAR, Scale, overlay, save_heatmap, save_pair, to_gray
from medad.scoring.core.map_files import THUMBNAIL, heatmaps_of, thumbnail_of, write_volume


def save_map(out: Path, study_id: str, source: Image, maps: Tensor, worst: int, scale: Scale) -> str:
    """Write the heatmap of a study, and return its path relative to ``out``, which identifies no patient.

    The same study gives the same bytes each time. For a volume the whole map is written beside the picture, as NIfTI
    on the voxels of the source.

    ``source`` is the study as in its files; ``maps``, (N, 1, S, S), are the maps of its slices; ``worst`` is the index
    of the slice with the highest score; ``scale`` maps anomaly values to colors.
    """
    picture, volume = heatmaps_of(study_id)
    if source.volume:
        write_volume(out / volume, on_source_grid(maps, source), source.original_affine, scale)
    heat = restored_slices(maps[worst : worst + 1], source)[0]
    save_heatmap(out / picture, display_slices(source)[worst], heat, scale)
    return picture


def preview(source: Image, slices: Tensor) -> Tensor:
    """Return the gray images for thumbnails, uint8 (D, h, w), small enough to be sent to another process.

    A radiograph is shrunk from its ``source``; the slices of a volume are ``slices``, the network's input (D, C, S, S).
    """
    if source.volume:
        return ((slices.float().mean(dim=1) + 1) * 127.5).round().clamp(0, 255).byte()
    step = max(1, max(source.pixels.shape[1:]) // (2 * THUMBNAIL))
    rows = source.pixels[:, ::step, ::step].float().mean(dim=0).T[None, None]
    scale = THUMBNAIL / max(rows.shape[2:])
    size = [max(1, round(side * min(1.0, scale))) for side in rows.shape[2:]]
    small = interpolate(rows, size, mode="bilinear", antialias=True, align_corners=False)
    return torch.from_numpy((to_gray(small[0]) * 255).round().astype(np.uint8))[None]


def save_thumbnail(out: Path, study_id: str, slice_: Tensor, anomaly_map: Tensor, scale: Scale) -> str:
    """Write a small JPEG of ``slice_``, uint8 (h, w): the slice, the slice under its map (1, S, S), and the color bar.

    Return the path relative to ``out``.
    """
    name = thumbnail_of(study_id)
    factor = -(-LEAST_BAR // (2 * slice_.shape[1]))  # a small slice is enlarged to the width of its color bar
    enlarged = slice_.repeat_interleave(factor, 0).repeat_interleave(factor, 1)
    heat = interpolate(anomaly_map[None].float(), tuple(enlarged.shape), mode="bilinear", align_corners=False)[0, 0]
    gray = enlarged.numpy()
    save_pair(out / name, gray, overlay(gray, heat.numpy(), scale), scale, quality=80)
    return name
