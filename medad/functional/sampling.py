"""Draw a sample of the rows of a stream, and choose the rows that cover the others."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


class Reservoir:
    """A uniform random sample, without replacement, of at most ``most`` rows of a stream of unknown length.

    Every row gets a random key, and the rows with the smallest keys remain, in their order.

    >>> sample = Reservoir(3, Generator().manual_seed(0))
    >>> sample.add(torch.tensor([[1.0], [2.0]]))
    >>> sample.rows.flatten().tolist()
    [1.0, 2.0]
    """

    def __init__(self, most: int, generator: Generator) -> None:
        self._most, self._generator = most, generator
        self._keys = torch.empty(0, dtype=torch.float64)
        self._rows: Tensor | None = None

    def add(self, rows: Tensor) -> None:
        """Offer ``rows`` (n, D) of the stream; the sample is on their device."""
        keys = torch.rand(len(rows), generator=self._generator, dtype=torch.float64)
        full = len(self._keys) == self._most
        promising = (keys < self._keys.max()).nonzero().flatten() if full else torch.arange(len(keys))
        if not len(promising):
            return
        keys = torch.cat([self._keys, keys[promising]])
        rows = rows[promising.to(rows.device)]
        rows = rows if self._rows is None else torch.cat([self._rows, rows])
        smallest = keys.topk(min(self._most, len(keys)), largest=False).indices.sort().values
        self._keys, self._rows = keys[smallest], rows[smallest.to(rows.device)]

    @property
    def rows(self) -> Tensor:
        """Return the sample (n, D). Raises ValueError if no row was offered."""
        if self._rows is None:
            raise ValueError("the sample is empty: no rows were added")
        return self._rows


def covering_rows(rows: Tensor, count: int, first: int) -> Tensor:
    """Return the indices (``count``,) of rows of ``rows`` (N, D) that cover the others, by greedy k-center.

    Starting from row ``first``, the row that is farthest from all chosen rows is chosen next (Gonzalez, 1985). The
    largest distance of a row to the nearest chosen one is at most twice the smallest possible.

    Raises:
        ValueError: ``count`` is not between 1 and N.
    """
    if not 1 <= count <= len(rows):
        raise ValueError(f"cannot choose {count} of {len(rows)} rows")
    squares = rows.square().sum(dim=1)
    nearest = torch.full_like(squares, float("inf"))
    chosen = torch.empty(count, dtype=torch.int64, device=rows.device)
    latest = torch.tensor(first, device=rows.device)
    for place in range(count):
        chosen[place] = latest
        distances = squares + squares[latest] - 2 * (rows @ rows[latest])
        nearest = torch.minimum(nearest, distances)
        nearest[latest] = -float("inf")  # never chosen again, whatever the rounding
        latest = nearest.argmax()
    return chosen
