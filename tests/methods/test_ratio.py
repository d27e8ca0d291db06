"""Normals against the archive in frozen features."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from contracts.fakes import FakeLoad, fit, ignore, small, studies, training_set
from torch import Generator, Tensor
from torch.testing import assert_close

from medad.functional.pooled_features import pool_features
from medad.training import TrainingError
from medad.types import Study, TrainingSet


class Squares(FakeLoad):
    """Noise for a study; studies whose name holds "bad" have a bright square at rows and columns 4 to 11."""

    def __init__(self) -> None:
        super().__init__(1, 32)

    def stream(self, wanted: Sequence[Study], images: int) -> Iterator[tuple[Study, Tensor]]:
        for study in wanted:
            number = int("".join(filter(str.isdigit, study.id))) + 1000 * ("bad" in study.id)
            image = 0.1 * torch.rand(1, 1, 32, 32, generator=Generator().manual_seed(number)) - 0.5
            if "bad" in study.id:
                image[..., 4:12, 4:12] += 0.8
            yield study, image


def named(kind: str, count: int, start: int = 0) -> tuple[Study, ...]:
    return tuple(Study(f"{kind}{n}", (Path(f"{kind}{n}.png"),)) for n in range(start, start + count))


@pytest.fixture(scope="module")
def trained():  # type: ignore[no-untyped-def]
    method = small("ratio")
    data = TrainingSet(named("normal", 24), (*named("normal", 12, 100), *named("bad", 12)))
    method.fit(data, Squares(), track=ignore, rng=Generator().manual_seed(0))
    return method.eval()


def test_what_only_the_archive_holds_is_abnormal(trained) -> None:  # type: ignore[no-untyped-def]
    normal, bad = Squares()(named("normal", 20, 500)), Squares()(named("bad", 20, 500))
    for scored in (trained.score(normal), trained.score(bad)):
        assert list(scored) == ["ratio", "near"]
    for name in ("ratio", "near"):
        assert trained.score(bad)[name].score.min() > trained.score(normal)[name].score.max()


def test_the_map_marks_the_square(trained) -> None:  # type: ignore[no-untyped-def]
    maps = trained.score(Squares()(named("bad", 8, 500)))["near"].anomaly_map.mean(dim=0)[0]
    assert maps[4:12, 4:12].mean() > 2 * maps[20:, 20:].mean()


def test_the_normals_mean_map_is_zero_and_maps_follow_the_score(trained) -> None:  # type: ignore[no-untyped-def]
    plain = small("ratio", sigma=0)
    plain.load_state_dict(trained.state_dict())
    normals = plain.eval().score(Squares()(named("normal", 24)))["ratio"]
    bad = plain.score(Squares()(named("bad", 8, 500)))["ratio"]
    spread = bad.anomaly_map.abs().mean()
    assert normals.anomaly_map.mean().abs() < 0.02 * spread
    means = torch.cat([normals.anomaly_map, bad.anomaly_map]).mean(dim=(1, 2, 3))
    scores = torch.cat([normals.score, bad.score])
    assert torch.corrcoef(torch.stack([means, scores]))[0, 1] > 0.99


def test_a_score_is_the_mean_of_linear_classifiers(trained) -> None:  # type: ignore[no-untyped-def]
    x = Squares()(named("bad", 3))
    features = pool_features(trained.backbone(x))
    members = ((features - trained.center) / trained.scale) @ trained.weights.T + trained.biases
    assert_close(trained.score(x)["ratio"].members, members, rtol=1e-4, atol=1e-4)
    assert members.shape == (3, 2)


def test_without_an_archive_normals_speak_alone() -> None:
    alone = TrainingSet(studies("normal", 10))
    with pytest.raises(TrainingError, match=r"no unlabeled studies.*use_archive=false"):
        fit(small("ratio"), data=alone)
    method = fit(small("ratio", use_archive=False), data=alone)
    assert list(method.scores) == ["near"]
    assert not any(name.startswith(("weights", "normal_map")) for name in method.state_dict())


def test_the_strength_is_chosen_without_labels_and_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="medad.methods._ratio_classifiers")
    told: dict[str, float] = {}
    fit(small("ratio"), data=training_set(12, 12), track=lambda name, value, step: told.update({name: value}))
    assert told["ratio/strength"] in small("ratio").settings.strengths
    assert 0 <= told["ratio/archive_auc"] <= 1
    assert "archive against normals" in caplog.text


@pytest.mark.parametrize("strengths", [(0.0,), (-1.0,), (float("nan"),), (float("inf"),), (1e9,)])
def test_strengths_have_a_range(strengths: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="strength"):
        small("ratio", strengths=strengths)
