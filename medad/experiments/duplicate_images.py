"""Detect test images that equal a training image pixel for pixel, or that have two labels."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from medad.data.loading import Loader
from medad.data.training_marks import seen_pixels
from medad.manifest.manifest import KIND
from medad.types import MedadError, Study

log = logging.getLogger(__name__)


class CopiedStudies(MedadError):
    """Raised for a test set with images from the model's training, or with one image under two labels."""


def check_copies(model: Path, studies: Sequence[Study], loader: Loader, split: str) -> None:
    """Check the test ``studies``, which must have been read, for training images and images with two labels.

    Published splits cannot be changed, so for them such images only cause a warning.

    Raises:
        CopiedStudies: the ``split`` is that of a manifest, and its test set has such images.
    """
    defects = [*_defects(model, studies, loader)]
    if not defects:
        return
    if split == KIND:
        raise CopiedStudies(f"{'; '.join(defects)}: take them out of the test set (medad data check names them)")
    log.warning("of the test set %s", "; ".join(defects))


def _defects(model: Path, studies: Sequence[Study], loader: Loader) -> Iterator[str]:
    if learned_count := seen_pixels(model, loader.pixels(studies)):
        yield f"{learned_count} of {len(studies)} images have been learned from, pixel for pixel"
    normal, abnormal = (set(loader.pixels([study for study in studies if study.label == label])) for label in (0, 1))
    if contradictory := normal & abnormal:
        yield f"{len(contradictory)} images are listed as normal and as abnormal"
