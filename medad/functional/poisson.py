"""Blend an image into another one by its gradients (Pérez, Gangnet and Blake, ACM Transactions on Graphics, 2003)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def poisson_blend(target: Floats, source: Floats, domain: Bools, share: float = 1.0) -> Floats:
    """Return ``target`` (C, H, W) with the stronger gradients of ``source`` (C, H, W) inside ``domain`` (H, W).

    Between two neighboring pixels, the guidance is the difference in ``target`` or that in ``source``, whichever is
    larger in absolute value (mixed gradients). ``share`` in [0, 1] mixes it with the difference in ``target`` alone: at
    0 the target is returned. Outside of the domain the result equals the target. Inside, it solves the Poisson equation
    of the guidance on the grid, where every pixel has the neighbors that lie in the image.

    Raises:
        ValueError: the domain covers the whole image, so that the solution has no boundary.

    >>> flat, step = np.zeros((1, 1, 4)), np.array([[[0.0, 1.0, 1.0, 1.0]]])
    >>> poisson_blend(flat, step, np.array([[False, True, True, True]])).round(6)
    array([[[0., 1., 1., 1.]]])
    """
    from scipy.sparse.linalg import splu

    if domain.all():
        raise ValueError("the domain covers the whole image: leave at least one pixel outside of it")
    blended = target.copy()
    if domain.any():
        solver = splu(
            _laplacian(domain), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
        blended[:, domain] += solver.solve(_divergence(target, source, share)[:, domain].T).T
    return blended


def _laplacian(domain: Bools) -> object:
    """Return the sparse matrix (n, n) of the sums of differences to all neighbors, for the n pixels of ``domain``."""
    from scipy.sparse import csc_array

    count = int(domain.sum())
    index = np.full(domain.shape, -1)
    index[domain] = np.arange(count)
    neighbors = np.zeros(domain.shape)
    rows, columns = [], []
    for axis in (0, 1):
        before, after = (np.moveaxis(array, axis, 0) for array in (index, neighbors))
        after[:-1] += 1
        after[1:] += 1
        first, second = before[:-1].ravel(), before[1:].ravel()
        both = (first >= 0) & (second >= 0)
        rows += [first[both], second[both]]
        columns += [second[both], first[both]]
    off = np.concatenate(rows)
    places = np.concatenate([off, np.arange(count)]), np.concatenate([*columns, np.arange(count)])
    return csc_array((np.concatenate([np.full(len(off), -1.0), neighbors[domain]]), places), shape=(count, count))


def _divergence(target: Floats, source: Floats, share: float) -> Floats:
    """Return for each pixel the sum over its neighbors of what the guidance adds to the target's differences."""
    total = np.zeros_like(target)
    for axis in (1, 2):
        of_target, of_source = np.diff(target, axis=axis), np.diff(source, axis=axis)
        added = share * np.where(np.abs(of_source) > np.abs(of_target), of_source - of_target, 0.0)
        moved, sums = np.moveaxis(added, axis, 0), np.moveaxis(total, axis, 0)
        sums[:-1] -= moved
        sums[1:] += moved
    return total
