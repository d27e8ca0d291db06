"""A sample of a stream, and rows that cover the others."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from medad.functional.sampling import Reservoir, covering_rows


def sample(most: int, count: int, part: int, seed: int = 0) -> Tensor:
    reservoir = Reservoir(most, Generator().manual_seed(seed))
    for rows in torch.split(torch.arange(count)[:, None].float(), part):
        reservoir.add(rows)
    return reservoir.rows.flatten()


@pytest.mark.parametrize("part", [7, 50])
def test_every_row_is_drawn_equally_often(part: int) -> None:
    """5 of 50 rows, 400 times: each is expected 40 times, with a standard deviation of 6."""
    counts = torch.zeros(50)
    for seed in range(400):
        rows = sample(5, 50, part, seed).long()
        assert len(rows.unique()) == 5
        assert rows.tolist() == sorted(rows.tolist())
        counts[rows] += 1
    assert 15 < counts.min() <= counts.max() < 70
    assert abs(counts[:25].sum() - 1000) < 100  # neither early nor late rows are preferred


def test_a_short_stream_is_the_sample() -> None:
    assert sample(100, 30, 4).tolist() == list(range(30))
    with pytest.raises(ValueError, match="no rows"):
        _ = Reservoir(3, Generator()).rows


def test_rows_are_chosen_by_the_distance_from_the_chosen() -> None:
    """On a line: from 0, the farthest is 10, then 4 (4 from 0, 6 from 10), then 7 (3 from each side)."""
    line = torch.tensor([[0.0], [10.0], [4.0], [7.0], [9.5]])
    assert covering_rows(line, 4, 0).tolist() == [0, 1, 2, 3]


def test_the_greedy_choice_equals_one_by_all_distances() -> None:
    rows = torch.randn(60, 5, generator=Generator().manual_seed(3), dtype=torch.float64)
    chosen = [17]
    while len(chosen) < 12:
        near = torch.cdist(rows, rows[chosen]).min(dim=1).values
        chosen.append(int(near.argmax()))
    assert covering_rows(rows, 12, 17).tolist() == chosen


def test_equal_rows_are_chosen_once_each() -> None:
    assert sorted(covering_rows(torch.ones(6, 3), 6, 2).tolist()) == list(range(6))
    for count in (0, 7):
        with pytest.raises(ValueError, match="of 6 rows"):
            covering_rows(torch.ones(6, 3), count, 0)
