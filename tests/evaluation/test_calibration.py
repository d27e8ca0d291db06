"""Held-out normals: who they are, and what thresholds come from them."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from medad.config import Evaluation
from medad.data.calibration import hold_out
from medad.experiments.normal_reference import check_calibration, normal_thresholds
from medad.experiments.operating_points import validation_thresholds
from medad.functional.conformal import p_values
from medad.functional.intervals import UndefinedMetric
from medad.splits import SplitError
from medad.types import Study, TrainingSet


def studies(prefix: str, count: int, each: int | None = None) -> tuple[Study, ...]:
    """``each`` studies of one patient; None: of unknown patients."""
    return tuple(
        Study(f"{prefix}{i}", (Path(f"{prefix}{i}.png"),), None if each is None else f"{prefix}P{i // each}")
        for i in range(count)
    )


def ids(found: tuple[Study, ...]) -> list[str]:
    return [study.id for study in found]


def test_nothing_is_held_out_in_the_published_protocol() -> None:
    data = TrainingSet(studies("n", 10))
    assert hold_out(data, 0.0, 0) == (data, ())


def test_the_parts_make_up_the_whole_and_the_seed_decides() -> None:
    data = TrainingSet(studies("n", 40), studies("u", 5))
    left, held_out = hold_out(data, 0.25, 3)
    assert len(held_out) == 10
    assert set(ids(left.normal)) | set(ids(held_out)) == set(ids(data.normal))
    assert not set(ids(left.normal)) & set(ids(held_out))
    assert left.unlabeled == data.unlabeled
    assert ids(left.normal) == [name for name in ids(data.normal) if name in set(ids(left.normal))]
    assert hold_out(data, 0.25, 3) == (left, held_out)
    assert hold_out(TrainingSet(data.normal[::-1], data.unlabeled), 0.25, 3)[1] == held_out[::-1]
    assert len({tuple(ids(hold_out(data, 0.25, seed)[1])) for seed in range(5)}) == 5


def test_patients_are_held_out_whole() -> None:
    left, held_out = hold_out(TrainingSet(studies("n", 40, each=4)), 0.2, 0)
    assert len(held_out) == 8
    assert not {study.patient for study in left.normal} & {study.patient for study in held_out}


def test_a_patient_that_is_learned_from_as_unlabeled_is_not_held_out() -> None:
    unlabeled = tuple(Study(f"u{i}", (Path(f"u{i}.png"),), f"nP{i}") for i in range(7))
    data = TrainingSet(studies("n", 40, each=4), unlabeled)
    for seed in range(5):
        held_out = hold_out(data, 0.3, seed)[1]
        assert {study.patient for study in held_out} == {"nP7", "nP8", "nP9"}
    with pytest.raises(SplitError, match="12 belong to patients without unlabeled studies"):
        hold_out(data, 0.5, 0)


@pytest.mark.parametrize(("count", "share", "said"), [(4, 0.1, "holds out 0"), (3, 0.9, "holds out 3")])
def test_a_share_that_leaves_nothing_is_an_error(count: int, share: float, said: str) -> None:
    with pytest.raises(SplitError, match=said):
        hold_out(TrainingSet(studies("n", count)), share, 0)


def test_one_patient_cannot_be_both() -> None:
    with pytest.raises(SplitError, match="0 would be left"):
        hold_out(TrainingSet(studies("n", 8, each=8)), 0.5, 0)


def test_thresholds_are_where_conformal_p_values_reach_alpha() -> None:
    calibration = np.random.default_rng(0).normal(0, 1, 200)
    points = normal_thresholds(calibration, Evaluation(specificities=(0.9, 0.95, 0.995, 0.999)))
    assert list(points) == ["spec90", "spec95", "spec99.5"], "0.999 needs 999 normals"
    fresh = np.random.default_rng(1).normal(0, 1, 1000)
    for name, alpha in (("spec90", 0.1), ("spec95", 0.05), ("spec99.5", 0.005)):
        np.testing.assert_array_equal(fresh > points[name], p_values(calibration, fresh) <= alpha)


def test_a_validation_set_gives_both_kinds() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [100, 40])
    scores = rng.normal(0, 1, 140) + 1.5 * labels
    points = validation_thresholds(labels, scores, Evaluation(sensitivities=(0.8, 0.9)))
    assert list(points) == ["spec90", "spec95", "sens80", "sens90"]
    assert (scores[labels == 1] > points["sens90"]).mean() == pytest.approx(0.9)
    assert points["sens90"] < points["sens80"]
    with pytest.raises(UndefinedMetric, match="abnormal studies in the validation set"):
        validation_thresholds(labels * 0, scores, Evaluation())


def test_too_few_held_out_normals_are_said_before_training(caplog: pytest.LogCaptureFixture) -> None:
    check_calibration(0, Evaluation())
    check_calibration(19, Evaluation())
    with caplog.at_level(logging.WARNING):
        check_calibration(12, Evaluation())
    assert "12 held-out normals: no threshold where a specificity of 0.95 needs 19" in caplog.text
    with pytest.raises(SplitError, match=r"0\.9 needs 9, 0\.95 needs 19; hold out a larger share"):
        check_calibration(8, Evaluation())
