"""Features of maps, and a linear score of them back on the maps."""

from __future__ import annotations

import torch
from torch import Generator
from torch.testing import assert_close

from medad.functional.pooled_features import pool_features, spread_over_positions


def maps() -> list[torch.Tensor]:
    rng = Generator().manual_seed(1)
    shapes = ((3, 2, 8, 8), (3, 3, 4, 4), (3, 4, 2, 2), (3, 5, 1, 1))
    return [torch.rand(shape, generator=rng, dtype=torch.float64) - 0.5 for shape in shapes]


def test_means_of_all_and_maxima_of_three() -> None:
    features = pool_features(maps())
    assert features.shape == (3, 2 + 3 + 4 + 5 + 2 + 3 + 4)
    assert float(features[1, 3]) == float(maps()[1][1, 1].mean())
    assert float(features[2, 14]) == float(maps()[0][2, 0].max())


def test_the_means_of_the_contributions_add_up_to_the_score() -> None:
    weights = torch.linspace(-1, 2, 23, dtype=torch.float64)
    parts = spread_over_positions(maps(), weights)
    assert [tuple(part.shape) for part in parts] == [(3, 1, 8, 8), (3, 1, 4, 4), (3, 1, 2, 2), (3, 1, 1, 1)]
    total = torch.stack([part.mean(dim=(1, 2, 3)) for part in parts]).sum(dim=0)
    assert_close(total, pool_features(maps()) @ weights)


def test_a_maximum_belongs_to_its_position() -> None:
    one = torch.zeros(1, 1, 2, 2)
    one[0, 0, 1, 0] = 3.0
    (part,) = spread_over_positions([one], torch.tensor([0.0, 1.0]))
    assert part.flatten().tolist() == [0.0, 0.0, 12.0, 0.0]
