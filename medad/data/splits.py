"""From a dataset's pools to the split of one experiment (OC-SSL protocol of DDAD)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

from medad.types import MedadError, Split, Study, TrainingSet


class SplitError(MedadError):
    """A split that the dataset cannot supply."""


@dataclass(frozen=True)
class Pools:
    """A dataset on disk, before the unlabeled set is composed; every study carries its label.

    ``published_unlabeled`` is the size of the unlabeled set in the paper; ``kind`` is "official" or says what it is.
    """

    normal: tuple[Study, ...]
    unlabeled_normal: tuple[Study, ...]
    unlabeled_abnormal: tuple[Study, ...]
    test_normal: tuple[Study, ...]
    test_abnormal: tuple[Study, ...]
    kind: str = field(default="custom split", kw_only=True)
    published_unlabeled: int | None = field(default=None, kw_only=True)

    def digest(self) -> str:
        """First 12 hex digits of SHA-256 over all study names and their places."""
        lists = (self.normal, self.unlabeled_normal, self.unlabeled_abnormal, self.test_normal, self.test_abnormal)
        return name_digest(["\t".join(study.id for study in studies) for studies in lists])


def name_digest(names: list[str]) -> str:
    """First 12 hex digits of SHA-256 over ``names`` joined by newlines: how official splits are recognized."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]


def compose(pools: Pools, anomaly_rate: float, unlabeled: int | None = None) -> Split:
    """The split whose unlabeled set has n studies, int(n * anomaly_rate) of them abnormal, in list order.

    n is ``unlabeled``, or the published count of an official split, or the most that the pool supplies at this rate.
    A rate that the pool cannot supply is an error that names the feasible range.
    """
    rate = Fraction(str(anomaly_rate))
    normal, abnormal = len(pools.unlabeled_normal), len(pools.unlabeled_abnormal)
    published = pools.published_unlabeled if pools.kind == "official" else None
    count = unlabeled or published or _most(normal, abnormal, rate)
    wanted = int(count * rate)
    if wanted > abnormal or count - wanted > normal:
        raise SplitError(_infeasible(count, anomaly_rate, normal, abnormal))
    chosen = (*pools.unlabeled_normal[: count - wanted], *pools.unlabeled_abnormal[:wanted])
    training = TrainingSet(
        tuple(study.unlabeled() for study in pools.normal), tuple(study.unlabeled() for study in chosen)
    )
    return Split(training, (*pools.test_normal, *pools.test_abnormal))


def _most(normal: int, abnormal: int, rate: Fraction) -> int:
    """The largest n with int(n * rate) <= abnormal and n - int(n * rate) <= normal."""
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
