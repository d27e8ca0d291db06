"""From a dataset's pools to the split of one experiment (OC-SSL protocol of DDAD)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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
    ``unknown`` is an unlabeled set whose labels nobody knows: it is taken as it is, and the two pools are empty.
    ``contents`` is a digest of what the files hold, where that is known.
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
        """First 12 hex digits of SHA-256 over all study names and their places."""
        lists = (self.normal, self.unlabeled_normal, self.unlabeled_abnormal, self.test_normal, self.test_abnormal)
        own = [self.unknown] if self.unknown else []
        names = ["\t".join(study.id for study in studies) for studies in (*lists, *own)]
        return name_digest([*names, self.contents] if self.contents else names)

    def untestable(self) -> str | None:
        """Why the test set gives no AUC with an interval, or None if it does: it needs two patients of each class."""
        groups = [
            len({("study", one.id) if one.patient is None else ("patient", one.patient) for one in part})
            for part in (self.test_normal, self.test_abnormal)
        ]
        if min(groups) >= 2:
            return None
        return (
            f"its test studies are of {groups[0]} normal and {groups[1]} abnormal patients; an AUC with its interval "
            "needs two of each"
        )


def name_digest(names: list[str]) -> str:
    """First 12 hex digits of SHA-256 over ``names`` joined by newlines: how official splits are recognized."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]


def compose(pools: Pools, anomaly_rate: float, unlabeled: int | None = None) -> Split:
    """The split whose unlabeled set has n studies, int(n * anomaly_rate) of them abnormal, in list order.

    n is ``unlabeled``, or the published count of an official split, or the most that the pool supplies at this rate.
    A rate that the pool cannot supply is an error that names the feasible range. Studies of unknown labels are taken
    in list order, whatever the rate.
    """
    normal, abnormal = unlabeled_counts(pools, anomaly_rate, unlabeled)
    chosen = (*pools.unlabeled_normal[:normal], *pools.unlabeled_abnormal[:abnormal], *pools.unknown[:unlabeled])
    training = TrainingSet(
        tuple(study.unlabeled() for study in pools.normal), tuple(study.unlabeled() for study in chosen)
    )
    return Split(training, (*pools.test_normal, *pools.test_abnormal))


def unlabeled_counts(pools: Pools, anomaly_rate: float, unlabeled: int | None = None) -> tuple[int, int]:
    """How many normal and how many abnormal studies :func:`compose` puts into the unlabeled set, as far as is known."""
    if pools.unknown:
        if unlabeled is not None and unlabeled > len(pools.unknown):
            raise SplitError(f"there are {len(pools.unknown)} unlabeled studies: --set unlabeled=N takes that at most")
        return 0, 0
    rate = Fraction(str(anomaly_rate))
    normal, abnormal = len(pools.unlabeled_normal), len(pools.unlabeled_abnormal)
    count = unlabeled or default_count(pools, [anomaly_rate])
    wanted = int(count * rate)
    if wanted > abnormal or count - wanted > normal:
        raise SplitError(_infeasible(count, anomaly_rate, normal, abnormal))
    return count - wanted, wanted


def default_count(pools: Pools, rates: Sequence[float]) -> int:
    """Size of the unlabeled set: the published one of an official split, or the most that serves each of ``rates``."""
    if pools.unknown:
        return len(pools.unknown)
    if pools.kind == "official" and pools.published_unlabeled:
        return pools.published_unlabeled
    normal, abnormal = len(pools.unlabeled_normal), len(pools.unlabeled_abnormal)
    return min(_most(normal, abnormal, Fraction(str(rate))) for rate in rates)


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
