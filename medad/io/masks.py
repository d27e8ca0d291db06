"""Place masks in space: a mask marks pixels of its image, so it must lie where its image lies. No torch.

A mask on the grid of its image is used unchanged. A mask on another grid of another size is resampled to the nearest
voxel if the two overlap. If they do not overlap, or if the sizes are equal but the places differ, a header is wrong,
and the marked pixels cannot be determined. If the image or its mask states no place, their stored pixels correspond one
to one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from medad.io.core.errors import UnreadableImage
from medad.io.core.picture import Array, Picture
from medad.io.core.settings import ReadSettings
from medad.io.read import read_picture

HALF_A_VOXEL = 0.5  # a smaller offset leaves the marked voxels as they are when the mask is resampled
OVERLAP = 0.9  # smallest share of the voxels of the grid with the smaller field that must lie in the other
_SETTINGS = ReadSettings(color="gray")
_REMEDY = "draw it on its image, or mend the header that is wrong"


class MaskMismatch(UnreadableImage):
    """Raised for a mask that does not lie on its image."""

    def __str__(self) -> str:
        return f"mask {self.path.name} {self.reason}; {self.remedy}"


@dataclass(frozen=True)
class Grid:
    """Where the pixels of an image lie.

    ``shape`` is ``(W, H)``, or ``(X, Y, Z)`` in RAS order. ``affine`` ``(4, 4)`` maps an index to RAS mm, and
    ``stored_affine`` an index along the axes of the file. ``placed`` is whether the file states a place, so that the
    affines mean one.
    """

    shape: tuple[int, ...]
    affine: Array
    stored_affine: Array
    placed: bool

    @property
    def volume_shape(self) -> tuple[int, int, int]:
        """Return the shape with three axes."""
        x, y, z = (*self.shape, 1)[:3]
        return x, y, z


def grid_of(picture: Picture) -> Grid:
    """Return the grid of an image or a mask."""
    shape = tuple(int(size) for size in picture.array.shape[1:])
    return Grid(shape, picture.affine, picture.original_affine, bool(picture.reading["placed"]))


def read_mask(path: Path, image: Grid) -> tuple[Array, bool]:
    """Read a mask, and place it on the grid of its image.

    Returns:
        The marked pixels, bool of the shape of the grid, and whether the mask had to be resampled.

    Raises:
        UnreadableImage: The mask cannot be read.
        MaskMismatch: The mask does not lie on its image.
    """
    return on_grid(path, read_picture(path, _SETTINGS), image)


def on_grid(path: Path, mask: Picture, image: Grid) -> tuple[Array, bool]:
    """Place ``mask`` on the grid of its image.

    Returns:
        The marked pixels, bool of the shape of the grid, and whether the mask had to be resampled.

    Raises:
        MaskMismatch: The mask does not lie on its image.
    """
    marked: Array = np.asarray((mask.array > 0).any(axis=0))
    stored_grid = grid_of(mask)
    if not (image.placed and stored_grid.placed):
        return _as_stored(path, marked, stored_grid, image), False
    mask_grid, image_grid = _in_ras_order(stored_grid), _in_ras_order(image)
    offset = np.linalg.inv(mask_grid.affine) @ image_grid.affine
    if mask_grid.shape == image_grid.shape:
        corners = _corners(image_grid.shape)
        if np.abs(_transformed(offset, corners) - corners).max() >= HALF_A_VOXEL:
            raise MaskMismatch(
                path, "mask-place", f"has the size of its image, but {_difference(mask_grid, image_grid)}", _REMEDY
            )
        resampled = False
    elif (share := _overlap(mask_grid, image_grid)) < OVERLAP:
        reason = f"overlaps its image by {share:.0%}: {_difference(mask_grid, image_grid)}"
        raise MaskMismatch(path, "mask-place", reason, _REMEDY)
    else:
        resampled = True
    if stored_grid.shape == image.shape and np.allclose(stored_grid.affine, image.affine, atol=1e-3):
        return marked, resampled
    sampled = _nearest(
        marked.reshape(stored_grid.volume_shape), np.linalg.inv(stored_grid.affine) @ image.affine, image
    )
    # A volume's mask need not mark each of its slices: an empty one is correct for an image of a single slice.
    volume_mask_of_a_slice = 1 in image_grid.shape and 1 not in mask_grid.shape
    if marked.any() and not sampled.any() and not volume_mask_of_a_slice:
        raise MaskMismatch(
            path, "mask-place", f"marks nothing within its image: {_difference(mask_grid, image_grid)}", _REMEDY
        )
    return sampled, resampled


def _as_stored(path: Path, marked: Array, drawn: Grid, image: Grid) -> Array:
    """Return a mask pixel by pixel in the stored order, turned as the reader turned its image."""
    from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform

    if len(drawn.shape) == len(image.shape) == 3:
        back = ornt_transform(axcodes2ornt("RAS"), io_orientation(drawn.stored_affine))
        marked = apply_orientation(apply_orientation(marked, back), io_orientation(image.stored_affine))
    if marked.shape != image.shape:
        sizes = [" x ".join(map(str, shape)) for shape in (drawn.shape, image.shape)]
        raise MaskMismatch(path, "mask-size", f"has {sizes[0]} pixels and its image {sizes[1]}", _REMEDY)
    return np.asarray(marked)


def _in_ras_order(grid: Grid) -> Grid:
    """Return the grid with three axes, in the closest RAS order."""
    from nibabel.orientations import inv_ornt_aff, io_orientation

    shape = grid.volume_shape
    turn = io_orientation(grid.affine)
    moved = tuple(shape[int(axis)] for axis in np.argsort(turn[:, 0]))
    return Grid(moved, grid.affine @ inv_ornt_aff(turn, shape), grid.stored_affine, grid.placed)


def _corners(shape: Sequence[int]) -> Array:
    """Return the indices of the corner voxels, ``(8, 3)``."""
    return np.array(list(product(*((0, size - 1) for size in shape))), np.float64)


def _transformed(affine: Array, points: Array) -> Array:
    """Apply an affine ``(4, 4)`` to ``points`` ``(N, 3)``."""
    transformed: Array = points @ affine[:3, :3].T + affine[:3, 3]
    return transformed


def _overlap(first: Grid, second: Grid) -> float:
    """Return the share of the voxels of a grid in the field of the other grid: the greater of both shares."""
    return max(_share_within(first, second), _share_within(second, first))


def _share_within(inner: Grid, outer: Grid) -> float:
    """Return the share of the voxels of ``inner`` whose centers lie in the field of ``outer``.

    About 30 voxels are sampled on each axis. A single slice is compared in its plane only, since a volume may hold the
    mask of each of its slices.
    """
    axes = [np.linspace(0, size - 1, min(size, 30)) for size in inner.shape]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    at = _transformed(np.linalg.inv(outer.affine) @ inner.affine, points)
    sizes = np.array(outer.shape)
    inside = (at > -HALF_A_VOXEL - 1e-6) & (at < sizes - HALF_A_VOXEL + 1e-6)
    return float((inside | (sizes == 1)).all(axis=1).mean())


def _nearest(marked: Array, affine: Array, image: Grid) -> Array:
    """Sample ``marked`` at the voxels of ``image``, slice by slice. ``affine`` maps these to indices of ``marked``."""
    columns, rows, slices = image.volume_shape
    plane = np.stack(np.meshgrid(np.arange(columns), np.arange(rows), indexing="ij"), -1).reshape(-1, 2)
    out = np.zeros((columns, rows, slices), bool)
    for index in range(slices):
        points = np.column_stack([plane, np.full(len(plane), index)]).astype(np.float64)
        at = np.rint(_transformed(affine, points)).astype(np.int64)
        inside = ((at >= 0) & (at < np.array(marked.shape))).all(axis=1)
        values = np.zeros(len(plane), bool)
        values[inside] = marked[tuple(at[inside].T)]
        out[..., index] = values.reshape(columns, rows)
    return out.reshape(image.shape)


def _difference(mask: Grid, image: Grid) -> str:
    """Return in words how two grids in RAS order differ: origin in mm, voxel size in mm, direction in degrees."""
    words = []
    apart = float(np.linalg.norm(mask.affine[:3, 3] - image.affine[:3, 3]))
    if apart >= 0.05:
        words.append(f"its origin lies {apart:.1f} mm from its image's")
    sizes = [np.linalg.norm(grid.affine[:3, :3], axis=0) for grid in (mask, image)]
    if not np.allclose(sizes[0], sizes[1], rtol=0.01):
        mask_size, image_size = (" x ".join(f"{size:.3g}" for size in edges) for edges in sizes)
        words.append(f"its voxels are {mask_size} mm and its image's {image_size} mm")
    cosines = ((mask.affine[:3, :3] / sizes[0]) * (image.affine[:3, :3] / sizes[1])).sum(axis=0)
    angle = math.degrees(math.acos(float(np.clip(cosines.min(), -1, 1))))
    if angle > 0.5:
        words.append(f"its axes are turned by {angle:.0f} degrees")
    return ", ".join(words) or "they lie apart"
