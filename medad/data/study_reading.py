"""Read one study and transform it to the network's grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from torch import Tensor

from medad.config import Settings
from medad.data.acquisition.facts import AcquisitionFacts, acquisition_facts
from medad.data.facts import Facts, facts_of_pixels
from medad.data.presets import read_settings
from medad.data.transforms import as_slices, geometry, match_channels, to_network
from medad.io import UnreadableImage, read_image
from medad.io.masks import Grid, read_mask
from medad.io.same_pixels import digest_of
from medad.progress import Advance
from medad.types import Study


class Prepare(Transform):
    """Read one study and transform it: files -> (C, S, S) or (C, S, S, D) in [-1, 1], with invertible geometry."""

    def __init__(self, settings: Settings, split: bool = False) -> None:
        """With ``split``, read the first of several volumes or pages in a file; without, refuse such a file."""
        self.reading = read_settings(settings).model_copy(update={"time": "split" if split else "refuse"})
        self.channels = settings.channels
        self.size = settings.size
        self.transform = to_network(settings)

    def on_disk(self, study: Study) -> bool:
        """Return whether the image of ``study`` is in files."""
        return True

    def read(self, study: Study) -> MetaTensor:
        """Return the image as it is in its files, ``(C, *spatial)``, in the reader's axes. Raises UnreadableImage."""
        return match_channels(read_image(study.files, self.reading), self.channels)

    def __call__(self, study: Study) -> MetaTensor:
        """Return the study as (C, S, S) or (C, S, S, D). Raises UnreadableImage."""
        image: MetaTensor = self.transform(self.read(study))
        return image

    def mask(self, study: Study, source: MetaTensor) -> Tensor | None:
        """Return the study's mask on the network's grid, bool (N, 1, S, S), or None if it has none.

        ``source`` is the image as :meth:`read` returned it.

        Raises:
            UnreadableImage: the mask cannot be read, or its grid does not match the image.
        """
        if study.mask is None:
            return None
        marked = torch.from_numpy(read_mask(study.mask, _grid_of(source))[0]).float()[None]
        image: MetaTensor = geometry(self.size)(MetaTensor(marked).copy_meta_from(source))
        return as_slices(image) >= 0.5


def _grid_of(source: MetaTensor) -> Grid:
    affines = [np.asarray(source.meta[name], np.float64) for name in ("affine", "original_affine")]
    return Grid(tuple(source.shape[1:]), affines[0], affines[1], bool(source.meta["reading"]["placed"]))


@dataclass(frozen=True)
class ReadStudy:
    """A study in memory: ``slices`` (N, C, S, S), its facts, and its mask (N, 1, S, S), if it has one.

    ``pixels`` is a digest of the image as it is in its files, ``acquisition`` describes how it was acquired.
    """

    slices: Tensor
    facts: Facts
    mask: Tensor | None
    pixels: str
    acquisition: AcquisitionFacts


class Attempt(Transform):
    """Read a study and return it, or the error: a bad file must not stop the worker thread."""

    def __init__(self, prepare: Prepare, advance: Advance) -> None:
        self.prepare = prepare
        self.advance = advance

    def __call__(self, study: Study) -> ReadStudy | UnreadableImage:
        try:
            source = self.prepare.read(study)
            mask = self.prepare.mask(study, source)
            stored = source.as_tensor().numpy()
            acquisition = acquisition_facts(stored, source.meta["reading"], np.asarray(source.meta["affine"]))
            facts, pixels = facts_of_pixels(stored, source.meta["reading"]), digest_of(stored)
            return ReadStudy(as_slices(self.prepare.transform(source)), facts, mask, pixels, acquisition)
        except UnreadableImage as error:
            return error
        finally:
            self.advance(1)
