"""The acquisition baseline: it finds another source, and nothing that another source does not change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from contracts.fakes import FakeLoad, ignore, small, studies
from torch import Generator, Tensor

from medad.methods.base import Method
from medad.training import TrainingError
from medad.types import Study, TrainingSet


class TwoSources(FakeLoad):
    """Noise, which is fainter in studies whose name begins with "other"."""

    def stream(self, wanted: Sequence[Study], images: int) -> Iterator[tuple[Study, Tensor]]:
        for study, pixels in super().stream(wanted, images):
            yield study, pixels * (0.5 if study.id.startswith("other") else 1.0)


def fitted(data: TrainingSet) -> Method:
    method = small("acquisition")
    method.fit(data, TwoSources(1, 32), track=ignore, rng=Generator().manual_seed(0))
    return method.eval()


def test_it_tells_sources_apart() -> None:
    """The archive is half of another source; new images of that source score higher."""
    archive = (*studies("unlabeled", 12), *studies("other", 12))
    method = fitted(TrainingSet(studies("normal", 24), archive))
    images = TwoSources(1, 32)((*studies("new", 20), *studies("othernew", 20)))
    score = method.score(images)["facts"].score
    assert score[:20].max() < score[20:].min()


@pytest.mark.parametrize("archive", [(), studies("unlabeled", 3)])
def test_a_small_archive_or_none(archive: tuple[Study, ...]) -> None:
    """Without an archive the score is the distance from the normals, and another source is farther."""
    method = fitted(TrainingSet(studies("normal", 24), archive))
    images = TwoSources(1, 32)((*studies("new", 20), *studies("othernew", 20)))
    score = method.score(images)["facts"].score
    assert score.isfinite().all()
    if not archive:
        assert score[:20].mean() < score[20:].mean()


def test_it_is_a_trivial_baseline() -> None:
    assert small("acquisition").trivial


def test_one_normal_is_too_few() -> None:
    with pytest.raises(TrainingError, match="at least 2"):
        fitted(TrainingSet((Study("normal0", (Path("normal0.png"),)),)))


def test_the_map_is_the_distance_from_the_normals_mean() -> None:
    method = fitted(TrainingSet(studies("normal", 24)))
    images = torch.zeros(1, 1, 32, 32)
    images[0, 0, 4, 5] = 1.0
    anomaly_map = method.score(images)["facts"].anomaly_map
    assert anomaly_map.argmax() == 4 * 32 + 5
