"""Hold normal studies out of training, for thresholds and p-values."""

from __future__ import annotations

import random
from dataclasses import replace

from medad.splits import SplitError
from medad.types import Study, TrainingSet


def hold_out(data: TrainingSet, share: float, seed: int) -> tuple[TrainingSet, tuple[Study, ...]]:
    """Split a ``share`` of the known normal studies off ``data``.

    Whole patients are drawn, in an order that ``seed`` decides. A patient who also has unlabeled studies is never held
    out, because the method learns from those. A study without a patient counts as a patient of its own.

    Returns:
        The training set that remains, and the held-out studies.

    Raises:
        SplitError: the share is less than one study or all of them, or too few patients can be held out.
    """
    if not share:
        return data, ()
    target_count = round(share * len(data.normal))
    if not 0 < target_count < len(data.normal):
        raise SplitError(
            f"calibration={share:g} of {len(data.normal)} normal studies holds out {target_count}: give more"
        )
    learned = {study.patient for study in data.unlabeled} - {None}
    groups: dict[str, list[Study]] = {}
    for study in data.normal:
        if study.patient not in learned:
            groups.setdefault(f"study {study.id}" if study.patient is None else f"of {study.patient}", []).append(study)
    order = sorted(groups)
    random.Random(seed).shuffle(order)
    chosen: set[str] = set()
    for name in order:
        if len(chosen) < target_count:
            chosen |= {study.id for study in groups[name]}
    remaining = tuple(study for study in data.normal if study.id not in chosen)
    if len(chosen) < target_count or not remaining:
        raise SplitError(
            f"calibration={share:g} would hold out {target_count} of {len(data.normal)} normal studies, by patient; "
            f"{sum(map(len, groups.values()))} belong to patients without unlabeled studies, and {len(remaining)} "
            "would be left"
        )
    return replace(data, normal=remaining), tuple(study for study in data.normal if study.id in chosen)
