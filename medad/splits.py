"""Compose the split of one experiment from the pools of a dataset (OC-SSL protocol of DDAD)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

from medad.types import MedadError, Split, Study, TrainingSet


class SplitError(MedadError):
    """The dataset has too few studies for the requested split."""


@dataclass(frozen=True)
class Pools:
    """The studies of a dataset on disk, before the unlabeled set is composed; every study carries its label.

    ``kind`` says how the split relates to the published one, for example "official". ``published_unlabeled`` is the
    size of the unlabeled set in the paper. ``unknown`` is an unlabeled set without labels: it is used as it is, and the
    two unlabeled pools are empty. ``contents`` is a digest of the files' contents, or "".
    """

    normal: tuple[Study, ...]
    unlabeled_normal: tuple[Study, ...]
    unlabeled_abnormal: tuple[Study, ...]
    test_normal: tuple[Study, ...]
    test_abnormal: tuple[Study, ...]
    kind: str = field(default="custom split", kw_only=True)
    published_unlabeled: int | None = field(default=None, kw_only=True)
    unknown: tuple[Study, ...] = field(default=(), kw_only=True)
    contents: str = field(default="", kw_only=True)

    def digest(self) -> str:
        """Return the first 12 hex digits of SHA-256 over all study names, list by list and in order."""
        lists = (self.normal, self.unlabeled_normal, self.unlabeled_abnormal, self.test_normal, self.test_abnormal)
        unknown = [self.unknown] if self.unknown else []
        names = ["\t".join(study.id for study in studies) for studies in (*lists, *unknown)]
        return name_digest([*names, self.contents] if self.contents else names)

    def untestable(self) -> str | None:
        """Return why no AUC with an interval can be computed on the test set, or None if it can.

        The interval needs two patients of each class.
        """
        groups = [
            len({("study", study.id) if study.patient is None else ("patient", study.patient) for study in part})
            for part in (self.test_normal, self.test_abnormal)
        ]
        if min(groups) >= 2:
            return None
        return (
            f"its test studies are of {groups[0]} normal and {groups[1]} abnormal patients; an AUC with its interval "
            "needs two of each"
        )


def name_digest(names: list[str]) -> str:
    """Return the first 12 hex digits of SHA-256 over ``names`` joined by newlines; it identifies official splits."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]


def compose(pools: Pools, anomaly_rate: float, unlabeled: int | None = None) -> Split:
    """Return the split whose unlabeled set has n studies, ``int(n * anomaly_rate)`` of them abnormal, in list order.

    n is ``unlabeled`` if given, else the published count of an official split, else the largest number that the pools
    supply at this rate. Studies without labels are taken in list order, whatever the rate.

    Raises:
        SplitError: the pools cannot supply this rate; the message names the feasible range.
    """
    normal, abnormal = unlabeled_counts(pools, anomaly_rate, unlabeled)
    chosen = (*pools.unlabeled_normal[:normal], *pools.unlabeled_abnormal[:abnormal], *pools.unknown[:unlabeled])
    training = TrainingSet(
        tuple(study.unlabeled() for study in pools.normal), tuple(study.unlabeled() for study in chosen)
    )
    return Split(training, (*pools.test_normal, *pools.test_abnormal))


def unlabeled_counts(pools: Pools, anomaly_rate: float, unlabeled: int | None = None) -> tuple[int, int]:
    """Return how many normal and abnormal studies :func:`compose` puts into the unlabeled set; (0, 0) without labels.

    Raises:
        SplitError: the pools have too few studies.
    """
    if pools.unknown:
        if unlabeled is not None and unlabeled > len(pools.unknown):
            raise SplitError(f"there are {len(pools.unknown)} unlabeled studies: --set unlabeled=N takes that at most")
        return 0, 0
    rate = Fraction(str(anomaly_rate))
    normal, abnormal = len(pools.unlabeled_normal), len(pools.unlabeled_abnormal)
    count = unlabeled or default_count(pools, [anomaly_rate])
    abnormal_count = int(count * rate)
    if abnormal_count > abnormal or count - abnormal_count > normal:
        raise SplitError(_infeasible(count, anomaly_rate, normal, abnormal))
    return count - abnormal_count, abnormal_count


def default_count(pools: Pools, rates: Sequence[float]) -> int:
    """Return the size of the unlabeled set: the published one, else the largest that every rate of ``rates`` allows."""
    if pools.unknown:
        return len(pools.unknown)
    if pools.kind == "official" and pools.published_unlabeled:
        return pools.published_unlabeled
    normal, abnormal = len(pools.unlabeled_normal), len(pools.unlabeled_abnormal)
    return min(_most(normal, abnormal, Fraction(str(rate))) for rate in rates)


def _most(normal: int, abnormal: int, rate: Fraction) -> int:
    """Return the largest n with ``int(n * rate) <= abnormal`` and ``n - int(n * rate) <= normal``."""
    count = normal + abnormal
    while count and (int(count * rate) > abnormal or count - int(count * rate) > normal):
        count -= 1
    return count


def _infeasible(count: int, rate: float, normal: int, abnormal: int) -> str:
    sentence = (
        f"anomaly_rate={rate} with {count} unlabeled studies needs more than the pool's {normal} normal and "
        f"{abnormal} abnormal ones"
    )
    if count > normal + abnormal:
        return f"{sentence}: set unlabeled to {normal + abnormal} at most"
    lowest = max(0, ceil(10_000 * Fraction(count - normal, count)))
    highest = max(lowest, min(10_000, floor(10_000 * Fraction(abnormal, count))))
    return f"{sentence}: choose a rate from {lowest / 10_000:g} to {highest / 10_000:g}, or a smaller unlabeled set"
