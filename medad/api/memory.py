"""Train on images in memory: studies without files, and what reads them for the training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from monai.data import MetaTensor

from medad.config import Settings
from medad.data.study_reading import Prepare
from medad.data.transforms import match_channels
from medad.io.image import Image
from medad.io.reading import Reading
from medad.io.same_pixels import digest_of
from medad.types import Study


class PrepareInMemory(Prepare):
    """Prepares studies that are in memory, and all others from their files."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._images: dict[tuple[Path, ...], Image] = {}

    def studies(self, items: Sequence[Study | Image], group: str) -> tuple[Study, ...]:
        """Return ``items`` as studies without labels; an image gets a study whose file exists by name only."""
        return tuple(
            replace(item, label=None, mask=None) if isinstance(item, Study) else self._study(item, f"{group}[{place}]")
            for place, item in enumerate(items)
        )

    def _study(self, image: Image, name: str) -> Study:
        files = (Path(name),)
        self._images[files] = image
        return Study(name, files)

    def on_disk(self, study: Study) -> bool:
        """Return whether the image of ``study`` is in files."""
        return study.files not in self._images

    def read(self, study: Study) -> MetaTensor:
        """Return the image in memory, or the one in the files of ``study``. Raises UnreadableImage."""
        image = self._images.get(study.files)
        if image is None:
            return super().read(study)
        meta = {"reading": Reading(image.reading), "filename_or_obj": image.name, "original_affine": torch.eye(4)}
        tensor = MetaTensor(image.pixels, affine=torch.eye(4, dtype=torch.float64), meta=meta)
        return match_channels(tensor, self.channels)

    def marks(self, studies: Sequence[Study]) -> list[str]:
        """Return a text for each study that changes with its pixels, or its files' names: for the data's digest."""
        return [
            f"{study.id}\t{digest_of(self._images[study.files].pixels.numpy())}"
            if not self.on_disk(study)
            else study.id
            for study in studies
        ]
