"""Normal studies that are kept out of training, for thresholds and p-values."""

from __future__ import annotations

import random
from dataclasses import replace

from medad.splits import SplitError
from medad.types import Study, TrainingSet


def hold_out(data: TrainingSet, share: float, seed: int) -> tuple[TrainingSet, tuple[Study, ...]]:
    """``data`` without a ``share`` of its known normals, and those: whole patients, drawn by ``seed``.

    A patient with unlabeled studies is never held out, since these are learned from. A study of an unknown patient
    counts as one by itself.

    Raises:
        SplitError: the share is less than one study, or leaves none to learn from, or too few patients can be held out.
    """
    if not share:
        return data, ()
    wanted = round(share * len(data.normal))
    if not 0 < wanted < len(data.normal):
        raise SplitError(f"calibration={share:g} of {len(data.normal)} normal studies holds out {wanted}: give more")
    learned = {study.patient for study in data.unlabeled} - {None}
    groups: dict[str, list[Study]] = {}
    for study in data.normal:
        if study.patient not in learned:
            groups.setdefault(f"study {study.id}" if study.patient is None else f"of {study.patient}", []).append(study)
    order = sorted(groups)
    random.Random(seed).shuffle(order)
    chosen: set[str] = set()
    for name in order:
        if len(chosen) < wanted:
            chosen |= {study.id for study in groups[name]}
    left = tuple(study for study in data.normal if study.id not in chosen)
    if len(chosen) < wanted or not left:
        raise SplitError(
            f"calibration={share:g} would hold out {wanted} of {len(data.normal)} normal studies, by patient; "
            f"{sum(map(len, groups.values()))} belong to patients without unlabeled studies, {len(left)} would be left"
        )
    return replace(data, normal=left), tuple(study for study in data.normal if study.id in chosen)
