"""Mean and spread of feature maps over images that come in batches."""

from __future__ import annotations

import torch
from torch.testing import assert_close

from medad.functional.position_moments import PositionMoments


def test_batches_add_up_to_the_moments_of_all_images() -> None:
    scales = [torch.rand(7, 3, 4, 5), torch.rand(7, 2, 2, 2)]
    moments = PositionMoments()
    for part in (slice(0, 4), slice(4, 5), slice(5, 7)):
        moments.add([maps[part] for maps in scales])
    for maps, mean, (again, spread) in zip(scales, moments.means(), moments.mean_and_spread(), strict=True):
        assert_close(mean, maps.double().mean(dim=0))
        assert_close(again, mean)
        assert_close(spread, maps.double().std(dim=0, correction=0))
