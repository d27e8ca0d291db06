"""Define the data types that all packages share. This module computes nothing and does not import torch."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor


class MedadError(Exception):
    """The base of all errors that medad raises on purpose; the message says what is wrong, where, and what to do."""


@dataclass(frozen=True)
class Study:
    """A unit that gets one score: a radiograph, a slice or a volume. It holds paths, not pixels.

    ``id`` is unique within its dataset or folder and is never a patient's name or number. ``patient`` groups the
    studies of one person. ``label`` is 0 (normal), 1 (abnormal) or None (unknown). ``mask`` is a file that marks the
    abnormal pixels, as drawn (``mask_kind`` "pixels") or as filled bounding boxes ("boxes"). ``attributes`` are (name,
    value) pairs that define subgroups, such as ("scanner", "A"). ``notes`` explain how doubtful files were grouped into
    this study.
    """

    id: str
    files: tuple[Path, ...]
    patient: str | None = None
    label: int | None = None
    mask: Path | None = None
    mask_kind: Literal["pixels", "boxes"] = "pixels"
    attributes: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.files:
            raise ValueError(f"study {self.id!r} has no files")
        if self.label not in (None, 0, 1):
            raise ValueError(f"study {self.id!r}: label must be 0, 1 or None, got {self.label!r}")

    def unlabeled(self) -> Study:
        """Return this study without its label, mask and attributes, which a training method must not see."""
        return replace(self, label=None, mask=None, attributes=())


@dataclass(frozen=True)
class Skipped:
    """A file that is not an image to score, and the reason; ``kind`` is one word such as "text" or "report"."""

    path: Path
    kind: str
    reason: str


@dataclass(frozen=True)
class TrainingSet:
    """The studies that a method learns from: known normals and unlabeled ones. They carry no label or mask."""

    normal: tuple[Study, ...]
    unlabeled: tuple[Study, ...] = ()

    def __post_init__(self) -> None:
        for study in (*self.normal, *self.unlabeled):
            if study.label is not None or study.mask is not None:
                raise ValueError(f"training study {study.id!r} carries a label or a mask; pass study.unlabeled()")


@dataclass(frozen=True)
class Split:
    """The training and test studies of one experiment; no study, file or patient is on both sides."""

    training: TrainingSet
    test: tuple[Study, ...]

    def __post_init__(self) -> None:
        learned = (*self.training.normal, *self.training.unlabeled)
        _refuse_shared("study", {study.id for study in learned}, {study.id for study in self.test})
        _refuse_shared("file", {f for s in learned for f in s.files}, {f for s in self.test for f in s.files})
        _refuse_shared("patient", {s.patient for s in learned} - {None}, {s.patient for s in self.test} - {None})


def _refuse_shared(what: str, training: Set[object], test: Set[object]) -> None:
    shared = training & test
    if shared:
        raise ValueError(f"{len(shared)} {what}(s) are in both training and test; each must be on one side only")


@dataclass(frozen=True)
class Reconstruction:
    """The output of a reconstruction network.

    ``mean`` and ``log_variance`` are (B, C, H, W); ``penalty`` is a scalar that is added to the network's loss.
    """

    mean: Tensor
    log_variance: Tensor | None = None
    penalty: Tensor | None = None


@dataclass(frozen=True)
class Reconstructions:
    """K reconstructions of one batch: ``mean`` and ``variance`` are (K, B, C, H, W)."""

    mean: Tensor
    variance: Tensor | None = None


@dataclass(frozen=True)
class Evidence:
    """The input of a score: the images (B, C, H, W) and their reconstructions by the two modules of DDAD."""

    images: Tensor
    ndm: Reconstructions
    udm: Reconstructions | None = None


@dataclass(frozen=True)
class Scored:
    """The result of one score of a method on a batch.

    ``score`` is (B,), higher is more abnormal; ``anomaly_map`` is (B, 1, H, W); ``members`` is (B, M), the image scores
    of M networks that are evaluated separately (M = 1 for a score of the whole ensemble).
    """

    score: Tensor
    anomaly_map: Tensor
    members: Tensor


@dataclass(frozen=True)
class Case:
    """One row of a panel: an image (C, H, W) in [-1, 1], its maps (1, H, W) and its mask (H, W), if there is one."""

    title: str
    image: Tensor
    maps: Mapping[str, Tensor]
    mask: Tensor | None = None
