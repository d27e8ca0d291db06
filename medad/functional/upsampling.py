"""Compute inner products of upsampled features without upsampling them.

A bilinear sample lies between four neighbors, so the inner product of two samples is a weighted sum of products of
neighboring positions: nine for each position of the coarse grid, whatever the fine grid. The sums are in double
precision, because the distance of nearly equal directions is a small difference of large products.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from medad.functional.capture import captured

Size = tuple[int, int]
Places = tuple[slice, slice]
NEIGHBORS = ((0, 0), (0, 1), (1, -1), (1, 0), (1, 1))  # rows and columns to the second position of a pair
IN_CACHE = 2**17  # numbers in a part of the batch on a CPU: 1 MiB


def upsampled_products(expert: Tensor, apprentice: Tensor, size: Size) -> tuple[Tensor, Tensor, Tensor]:
    """Return <E, A>, <E, E> and <A, A>, each (B, H, W), of features E and A (B, C, h, w) upsampled to ``size`` (H, W).

    The upsampling is bilinear with aligned corners, in double precision. The expert E gets no gradient.
    """
    tables_of: Any = _tables if captured() else _Neighbors.apply
    tables = tables_of(expert, apprentice)
    rows, columns = (_weights(*sides).to(tables[0]) for sides in zip(expert.shape[-2:], size, strict=True))
    both, of_expert, of_apprentice = (rows @ table @ columns.T for table in tables)
    return both, of_expert, of_apprentice


def _weights(side: int, fine: int) -> Tensor:
    """Return the weights of the products of a table along one axis, (fine, 2 * side - 1).

    A sample at the fraction t between two positions has the weights (1 - t)^2 and t^2 for their own products, and
    t (1 - t) for the products of one with the other.
    """
    weights = torch.zeros(fine, 2 * side - 1, dtype=torch.float64)
    places = torch.arange(fine, dtype=torch.float64) * ((side - 1) / max(fine - 1, 1))
    first = places.long().clamp(max=max(side - 2, 0))
    share, every = places - first, torch.arange(fine)
    for step, weight in enumerate(((1 - share) ** 2, share * (1 - share), share**2)[: 2 * side - 1]):
        weights[every, 2 * first + step] = weight
    return weights


class _Neighbors(Function):
    """Tables (B, 2 h - 1, 2 w - 1) of the products of neighboring positions, from two (B, C, h, w).

    Even indices hold the products of a position with itself, odd indices those of two neighbors, summed over both
    orders.
    """

    @staticmethod
    def forward(ctx: Any, expert: Tensor, apprentice: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the tables of expert and apprentice, of the expert, and of the apprentice."""
        ctx.save_for_backward(expert, apprentice)
        both, of_expert, of_apprentice = _tables(expert, apprentice)
        ctx.mark_non_differentiable(of_expert)
        return both, of_expert, of_apprentice

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        """Return the gradient of the apprentice, on which its product with itself depends twice."""
        expert, apprentice = ctx.saved_tensors
        gradient = torch.empty_like(apprentice)
        start = 0
        for e, a in _shares(expert, apprentice):
            end = start + len(e)
            part = torch.zeros_like(a)
            _add_gradient(part, gradients[0][start:end], e)
            _add_gradient(part, 2 * gradients[2][start:end], a)
            gradient[start:end] = part.movedim(-1, 1)
            start = end
        return None, gradient


def _tables(expert: Tensor, apprentice: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the tables of expert and apprentice, of the expert, and of the apprentice."""
    shares = [(_table(e, a), _table(e, e), _table(a, a)) for e, a in _shares(expert, apprentice)]
    both, of_expert, of_apprentice = (torch.cat(parts) for parts in zip(*shares, strict=True))
    return both, of_expert, of_apprentice


def _shares(*features: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield parts (b, h, w, C) of each (B, C, h, w) in double precision; on a CPU b is what fits in the cache."""
    last = [maps.movedim(1, -1) for maps in features]
    if features[0].device.type == "cpu" and not captured():
        images = max(1, IN_CACHE // features[0].shape[1:].numel())
        parts = zip(*(torch.split(maps, images) for maps in last), strict=True)
    else:
        parts = zip(*([maps] for maps in last), strict=True)
    return (tuple(tensor.to(torch.float64, memory_format=torch.contiguous_format) for tensor in part) for part in parts)


def _pairs(height: int, width: int) -> Iterator[tuple[Places, Places, Places, bool]]:
    """Yield for each kind of neighbors the slices of the first and second positions and of their table entries.

    The last item says whether the two positions differ.
    """
    for down, right in NEIGHBORS:
        first = slice(0, height - down), slice(max(0, -right), width - max(0, right))
        second = slice(down, height), slice(max(0, right), width - max(0, -right))
        columns = slice(1, 2 * width - 2, 2) if right else slice(0, 2 * width - 1, 2)
        yield first, second, (slice(down, 2 * height - 1 - down, 2), columns), bool(down or right)


def _table(first_features: Tensor, second_features: Tensor) -> Tensor:
    """Return the table (b, 2 h - 1, 2 w - 1) of two (b, h, w, C); it is symmetric in the two."""
    height, width = first_features.shape[1:3]
    table = first_features.new_zeros(first_features.shape[0], 2 * height - 1, 2 * width - 1)
    for first, second, places, differ in _pairs(height, width):
        products = (first_features[:, *first] * second_features[:, *second]).sum(dim=-1)
        if differ:
            products += (
                products
                if first_features is second_features
                else (second_features[:, *first] * first_features[:, *second]).sum(dim=-1)
            )
        table[:, *places] += products
    return table


def _add_gradient(target: Tensor, gradient: Tensor, features: Tensor) -> None:
    """Add to ``target`` the gradient of the features that were multiplied with ``features`` (b, h, w, C) in a table."""
    for first, second, places, differ in _pairs(*features.shape[1:3]):
        factors = gradient[:, *places][..., None]
        target[:, *second].addcmul_(factors, features[:, *first])
        if differ:
            target[:, *first].addcmul_(factors, features[:, *second])
