"""Of 95 % intervals over simulated studies, 90 % to 98 % must hold the truth, which is known by integration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from medad.functional.bootstrap import bootstrap_intervals
from medad.functional.delong import auc_interval
from medad.functional.intervals import Floats, Interval, Ints
from medad.functional.proportions import proportion

STUDIES = 400


def truth(shift: float, n_abnormal: int, n_normal: int) -> tuple[float, float]:
    """AUC and AP of N(shift, 1) against N(0, 1), the latter as the area under the population's PR curve."""
    odds = n_abnormal / n_normal

    def area(x: float) -> float:
        true, false = stats.norm.sf(x - shift), stats.norm.sf(x)
        return float(stats.norm.pdf(x - shift) * odds * true / (odds * true + false))

    return float(stats.norm.cdf(shift / 2**0.5)), integrate.quad(area, -8, 8 + shift)[0]


def draw(rng: np.random.Generator, shift: float, n_abnormal: int, n_normal: int) -> tuple[Ints, Floats]:
    labels = np.repeat([1, 0], [n_abnormal, n_normal])
    return labels, rng.normal(0, 1, (len(labels), 1)) + shift * labels[:, None]


def share_that_holds(intervals: list[Interval], value: float) -> float:
    return float(np.mean([one.low <= value <= one.high for one in intervals]))


@pytest.mark.parametrize(
    ("shift", "n_abnormal", "n_normal"), [(0.4, 30, 30), (1.2, 60, 40), (2.0, 50, 50), (2.7, 60, 60), (1.2, 25, 150)]
)
def test_auc(shift: float, n_abnormal: int, n_normal: int) -> None:
    rng = np.random.default_rng(0)
    found = [auc_interval(*draw(rng, shift, n_abnormal, n_normal)) for _ in range(STUDIES)]
    assert 0.90 <= share_that_holds(found, truth(shift, n_abnormal, n_normal)[0]) <= 0.98


@pytest.mark.parametrize(("shift", "n_abnormal", "n_normal"), [(0.8, 60, 60), (1.5, 100, 100), (1.5, 50, 150)])
def test_ap(shift: float, n_abnormal: int, n_normal: int) -> None:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(STUDIES):
        labels, scores = draw(rng, shift, n_abnormal, n_normal)
        found.append(bootstrap_intervals(labels, scores, rng=rng, resamples=400)["ap"])
    assert 0.90 <= share_that_holds(found, truth(shift, n_abnormal, n_normal)[1]) <= 0.98


def patients(rng: np.random.Generator, count: int = 50) -> tuple[Ints, Floats, Ints]:
    """Three studies each, which share most of their score: N(label, 1) for each study, as of the population."""
    labels = np.repeat([1, 0], [count, count])
    owner = np.repeat(np.arange(2 * count), 3)
    scores = 0.9 * rng.normal(0, 1, 2 * count)[owner] + (1 - 0.81) ** 0.5 * rng.normal(0, 1, len(owner))
    return labels[owner], (scores + labels[owner])[:, None], owner


def test_auc_and_ap_of_patients_with_several_studies() -> None:
    rng = np.random.default_rng(2)
    auc, ap = truth(1, 1, 1)
    by_patient, by_study, aps = [], [], []
    for _ in range(STUDIES):
        labels, scores, owner = patients(rng, 100)
        by_patient.append(auc_interval(labels, scores, owner))
        by_study.append(auc_interval(labels, scores))
        aps.append(bootstrap_intervals(labels, scores, owner, rng=rng, resamples=300)["ap"])
    assert 0.90 <= share_that_holds(by_patient, auc) <= 0.98
    assert 0.90 <= share_that_holds(aps, ap) <= 0.98
    assert share_that_holds(by_study, auc) < 0.85, "studies of one patient are not independent"


@pytest.mark.parametrize(("share", "n"), [(0.5, 40), (0.9, 60), (0.97, 100)])
def test_shares(share: float, n: int) -> None:
    rng = np.random.default_rng(3)
    found = [proportion(rng.random(n) < share) for _ in range(STUDIES)]
    assert 0.90 <= share_that_holds(found, share) <= 0.98


def test_shares_of_patients_with_several_studies() -> None:
    rng = np.random.default_rng(4)
    owner = np.repeat(np.arange(60), 3)
    found, alone = [], []
    for _ in range(STUDIES):
        hits = rng.random(len(owner)) < rng.beta(1.6, 0.4, 60)[owner]  # 80 % on average
        found.append(proportion(hits, owner))
        alone.append(proportion(hits))
    assert 0.90 <= share_that_holds(found, 0.8) <= 0.98
    assert share_that_holds(alone, 0.8) < share_that_holds(found, 0.8)
