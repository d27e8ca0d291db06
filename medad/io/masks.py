"""Masks in space: a mask marks pixels of its image, so it must lie where its image lies. No torch.

A mask on its image's grid is taken as it is. One on another grid, of another size, is resampled by the nearest voxel if
the two overlap; where they do not, or where the sizes are equal and the places are not, a header is wrong, and nobody
can tell what was marked. Where the image or its mask states no place, their stored pixels correspond one to one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from medad.io.errors import UnreadableImage
from medad.io.picture import Array, Picture
from medad.io.read import read_picture
from medad.io.settings import ReadSettings

HALF_A_VOXEL = 0.5  # a mask that is less off marks the same voxels when it is resampled
OVERLAP = 0.9  # of the voxels of the mask or of the image, whichever has the smaller field
_SETTINGS = ReadSettings(color="gray")
_REMEDY = "draw it on its image, or mend the header that is wrong"


class MaskMismatch(UnreadableImage):
    """A mask that does not lie on its image."""

    def __str__(self) -> str:
        return f"mask {self.path.name} {self.reason}; {self.remedy}"


@dataclass(frozen=True)
class Grid:
    """Where the pixels of an image lie. ``shape`` is (W, H), or (X, Y, Z) in RAS order; ``affine`` (4, 4) is index to
    RAS mm, ``stored_affine`` the same for the axes of the file; ``placed`` says whether they are a place."""

    shape: tuple[int, ...]
    affine: Array
    stored_affine: Array
    placed: bool

    @property
    def volume_shape(self) -> tuple[int, int, int]:
        """The shape with three axes."""
        x, y, z = (*self.shape, 1)[:3]
        return x, y, z


def grid_of(picture: Picture) -> Grid:
    """The grid of an image or a mask."""
    shape = tuple(int(size) for size in picture.array.shape[1:])
    return Grid(shape, picture.affine, picture.original_affine, bool(picture.reading["placed"]))


def read_mask(path: Path, image: Grid) -> tuple[Array, bool]:
    """What a mask marks on the grid of its image, bool of that shape; and whether it had to be resampled.

    Raises:
        UnreadableImage: it cannot be read.
        MaskMismatch: it does not lie on its image.
    """
    return on_grid(path, read_picture(path, _SETTINGS), image)


def on_grid(path: Path, mask: Picture, image: Grid) -> tuple[Array, bool]:
    """``mask`` on the grid of its image, bool of that shape, and whether it had to be resampled; see ``read_mask``.

    Raises:
        MaskMismatch: it does not lie on its image.
    """
    marked: Array = np.asarray((mask.array > 0).any(axis=0))
    drawn = grid_of(mask)
    if not (image.placed and drawn.placed):
        return _as_stored(path, marked, drawn, image), False
    one, two = _turned(drawn), _turned(image)
    offset = np.linalg.inv(one.affine) @ two.affine
    if one.shape == two.shape:
        corners = _corners(two.shape)
        if np.abs(_moved(offset, corners) - corners).max() >= HALF_A_VOXEL:
            raise MaskMismatch(path, "mask-place", f"has the size of its image, but {_difference(one, two)}", _REMEDY)
        resampled = False
    elif (share := _overlap(one, two)) < OVERLAP:
        reason = f"overlaps its image by {share:.0%}: {_difference(one, two)}"
        raise MaskMismatch(path, "mask-place", reason, _REMEDY)
    else:
        resampled = True
    if drawn.shape == image.shape and np.allclose(drawn.affine, image.affine, atol=1e-3):
        return marked, resampled
    sampled = _nearest(marked.reshape(drawn.volume_shape), np.linalg.inv(drawn.affine) @ image.affine, image)
    one_of_many = 1 in two.shape and 1 not in one.shape  # which slices the mask marks is not for this one to say
    if marked.any() and not sampled.any() and not one_of_many:
        raise MaskMismatch(path, "mask-place", f"marks nothing within its image: {_difference(one, two)}", _REMEDY)
    return sampled, resampled


def _as_stored(path: Path, marked: Array, drawn: Grid, image: Grid) -> Array:
    """A mask pixel by pixel in the order of the files, in the axes of its image's reader."""
    from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform

    if len(drawn.shape) == len(image.shape) == 3:
        back = ornt_transform(axcodes2ornt("RAS"), io_orientation(drawn.stored_affine))
        marked = apply_orientation(apply_orientation(marked, back), io_orientation(image.stored_affine))
    if marked.shape != image.shape:
        sizes = [" x ".join(map(str, shape)) for shape in (drawn.shape, image.shape)]
        raise MaskMismatch(path, "mask-size", f"has {sizes[0]} pixels and its image {sizes[1]}", _REMEDY)
    return np.asarray(marked)


def _turned(grid: Grid) -> Grid:
    """The grid with three axes, in the closest RAS order."""
    from nibabel.orientations import inv_ornt_aff, io_orientation

    shape = grid.volume_shape
    turn = io_orientation(grid.affine)
    moved = tuple(shape[int(axis)] for axis in np.argsort(turn[:, 0]))
    return Grid(moved, grid.affine @ inv_ornt_aff(turn, shape), grid.stored_affine, grid.placed)


def _corners(shape: Sequence[int]) -> Array:
    return np.array(list(product(*((0, size - 1) for size in shape))), np.float64)


def _moved(affine: Array, points: Array) -> Array:
    moved: Array = points @ affine[:3, :3].T + affine[:3, 3]
    return moved


def _overlap(one: Grid, two: Grid) -> float:
    """Which share of the one's voxels lies in the other's field, or of the other's in the one's: the greater."""
    return max(_share_within(one, two), _share_within(two, one))


def _share_within(inner: Grid, outer: Grid) -> float:
    """The share of the voxels of ``inner`` whose centers lie in the field of ``outer``, by some 30 on each axis.

    A single slice is asked in its plane only: a volume may hold the mask of each of its slices.
    """
    axes = [np.linspace(0, size - 1, min(size, 30)) for size in inner.shape]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    at = _moved(np.linalg.inv(outer.affine) @ inner.affine, points)
    sizes = np.array(outer.shape)
    inside = (at > -HALF_A_VOXEL - 1e-6) & (at < sizes - HALF_A_VOXEL + 1e-6)
    return float((inside | (sizes == 1)).all(axis=1).mean())


def _nearest(marked: Array, affine: Array, image: Grid) -> Array:
    """``marked`` sampled at the voxels of ``image``, which ``affine`` maps to its indices; slice by slice."""
    columns, rows, slices = image.volume_shape
    plane = np.stack(np.meshgrid(np.arange(columns), np.arange(rows), indexing="ij"), -1).reshape(-1, 2)
    out = np.zeros((columns, rows, slices), bool)
    for index in range(slices):
        points = np.column_stack([plane, np.full(len(plane), index)]).astype(np.float64)
        at = np.rint(_moved(affine, points)).astype(np.int64)
        inside = ((at >= 0) & (at < np.array(marked.shape))).all(axis=1)
        values = np.zeros(len(plane), bool)
        values[inside] = marked[tuple(at[inside].T)]
        out[..., index] = values.reshape(columns, rows)
    return out.reshape(image.shape)


def _difference(mask: Grid, image: Grid) -> str:
    """In which of origin, voxel size and direction two grids in RAS order differ, in mm and degrees."""
    words = []
    apart = float(np.linalg.norm(mask.affine[:3, 3] - image.affine[:3, 3]))
    if apart >= 0.05:
        words.append(f"its origin lies {apart:.1f} mm from its image's")
    sizes = [np.linalg.norm(one.affine[:3, :3], axis=0) for one in (mask, image)]
    if not np.allclose(sizes[0], sizes[1], rtol=0.01):
        one, two = (" x ".join(f"{size:.3g}" for size in edges) for edges in sizes)
        words.append(f"its voxels are {one} mm and its image's {two} mm")
    cosines = ((mask.affine[:3, :3] / sizes[0]) * (image.affine[:3, :3] / sizes[1])).sum(axis=0)
    angle = math.degrees(math.acos(float(np.clip(cosines.min(), -1, 1))))
    if angle > 0.5:
        words.append(f"its axes are turned by {angle:.0f} degrees")
    return ", ".join(words) or "they lie apart"
