"""Load studies as tensors on the network's grid; each file is decoded once, through MONAI's cache."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from monai.data import CacheDataset
from torch import Tensor

from medad.config import Settings
from medad.data.acquisition.facts import AcquisitionFacts
from medad.data.cached_features import CachedFeatures
from medad.data.facts import Facts
from medad.data.study_cache import StudyCache
from medad.data.study_features import Extract
from medad.data.study_reading import Attempt, Prepare, ReadStudy
from medad.io import UnreadableImage
from medad.progress import progress
from medad.types import MedadError, Study

log = logging.getLogger(__name__)
EXAMPLES = 5
CACHE_BYTES = 4 * 2**30  # of decoded images, in one process
FIRST = 8  # studies that are read to learn how many slices a study has
SHARE_OF_MEMORY = 0.25  # of a GPU, for one set of images: a method needs room for a copy and for training


_Key = tuple[tuple[Path, ...], Path | None]  # the files of a study, and its mask


class UnreadableStudies(MedadError):
    """Studies of a training or test set cannot be read."""


class Loader:
    """Load studies for a method: ``loader(studies)`` -> images (N, C, S, S) on ``device``, or on the CPU if too many.

    A volume gives one image for each slice. Decoded studies are cached, up to ``cache_bytes``, so that the experiments
    of a bench decode each file once. With ``skip_unreadable``, studies that cannot be read are left out and logged;
    without it, they raise UnreadableStudies.
    """

    def __init__(
        self,
        settings: Settings,
        device: torch.device | str = "cpu",
        skip_unreadable: bool = False,
        cache_bytes: int = CACHE_BYTES,
        cache: StudyCache | None = None,
        prepare: Prepare | None = None,
    ) -> None:
        """``prepare`` reads and transforms a study, by default from its files."""
        self.settings = settings
        self._feature_cache = cache
        self._prepare = prepare or Prepare(settings)
        self.device = device
        self.skip_unreadable = skip_unreadable
        self._room = cache_bytes
        self._cache: dict[_Key, ReadStudy] = {}
        self._pixels: dict[tuple[Path, ...], str] = {}
        self._masks: dict[_Key, Tensor] = {}  # of the studies that were read last
        self._facts: dict[tuple[Path, ...], Facts] = {}
        self._acquisition: dict[tuple[Path, ...], AcquisitionFacts] = {}

    def __call__(self, studies: Sequence[Study]) -> Tensor:
        """Return all slices of all studies, in order. Raises UnreadableStudies."""
        images = torch.cat(self._read_once(studies))
        room = _free_memory(torch.device(self.device)) * SHARE_OF_MEMORY
        if images.nbytes <= room:
            return images.to(self.device)
        log.info(
            "%d images (%d MiB) do not fit on %s: they stay on the CPU", len(images), images.nbytes >> 20, self.device
        )
        return images

    def each(self, studies: Sequence[Study]) -> list[Tensor]:
        """Return the slices of each study that can be read, (N, C, S, S) on ``device``. Raises UnreadableStudies."""
        return [slices.to(self.device) for slices in self._read_once(studies)]

    def stream(self, studies: Sequence[Study], images: int) -> Iterator[tuple[Study, Tensor]]:
        """Yield each study that can be read with its slices (N, C, S, S) on ``device``.

        About ``images`` slices are read at a time. Raises UnreadableStudies.
        """
        most, start = 1, 0
        while start < len(studies):
            part = studies[start : start + max(1, min(images, FIRST if start == 0 else images) // most)]
            start += len(part)
            read = self._read_new(part)
            for study in part:
                if _key(study) in read:
                    slices = read[_key(study)].slices
                    most = max(most, len(slices))
                    yield study, slices.to(self.device)

    def features(
        self, studies: Sequence[Study], extract: Extract, *, name: str, block: int
    ) -> list[tuple[Study, Tensor]]:
        """Return each study that can be read with the features (N, D) of its N slices, on the CPU, in order.

        What was computed under this ``name`` before is read from the cache. Raises UnreadableStudies.
        """
        cached = CachedFeatures(self._feature_cache, self.settings, str(torch.device(self.device).type))
        records = (self._facts, self._acquisition, self._pixels)
        return cached.compute(studies, extract, self.stream, *records, name=name, block=block)

    def on_disk(self, studies: Sequence[Study]) -> list[Study]:
        """Return those of ``studies`` whose images are in files, and not only in memory."""
        return [study for study in studies if self._prepare.on_disk(study)]

    def facts(self, studies: Sequence[Study]) -> list[Facts]:
        """Return the facts of those of ``studies`` that have been read; read all of them where none has been."""
        if not any(study.files in self._facts for study in studies):  # the method learns nothing from images
            for _ in self.stream(studies, images=1):
                pass
        return [self._facts[study.files] for study in studies if study.files in self._facts]

    def acquisition(self, studies: Sequence[Study]) -> list[AcquisitionFacts | None]:
        """Return the acquisition facts of each study, None for one that cannot be read; read those that are new."""
        new = [study for study in studies if study.files not in self._acquisition]
        for _ in self.stream(new, images=self.settings.batch_size):
            pass
        return [self._acquisition.get(study.files) for study in studies]

    def pixels(self, studies: Sequence[Study]) -> list[str]:
        """Return the pixel digests of those of ``studies`` that have been read; constant images have none."""
        return [digest for study in studies if (digest := self._pixels.get(study.files))]

    def _read_once(self, studies: Sequence[Study]) -> list[Tensor]:
        read = self._read_new(studies)
        slices = [read[_key(study)].slices for study in studies if _key(study) in read]
        if not slices:
            raise UnreadableStudies("no study can be read")
        return slices

    def _read_new(self, studies: Sequence[Study]) -> dict[_Key, ReadStudy]:
        """Read the studies that are not cached; return them and all cached ones."""
        new = [study for study in studies if _key(study) not in self._cache]
        read = dict(zip([_key(study) for study in new], self._read(new), strict=True)) if new else {}
        errors = [result for result in read.values() if isinstance(result, UnreadableImage)]
        if errors:
            self._report(errors, len(studies))
        fresh = {key: result for key, result in read.items() if not isinstance(result, UnreadableImage)}
        self._facts |= {files: result.facts for (files, _), result in fresh.items()}
        self._acquisition |= {files: result.acquisition for (files, _), result in fresh.items()}
        self._pixels |= {files: result.pixels for (files, _), result in fresh.items()}
        self._masks = {key: result.mask for key, result in fresh.items() if result.mask is not None}
        self._store(fresh)
        return {**self._cache, **fresh}

    def _read(self, studies: Sequence[Study]) -> list[ReadStudy | UnreadableImage]:
        with progress("read images", len(studies)) as advance:
            attempt = Attempt(self._prepare, advance)
            threads = torch.get_num_threads()
            cache = CacheDataset(list(studies), attempt, num_workers=threads, progress=False, copy_cache=False)
            return [cache[index] for index in range(len(studies))]

    def _store(self, fresh: Mapping[_Key, ReadStudy]) -> None:
        for key, study in fresh.items():
            self._room -= study.slices.nbytes + (0 if study.mask is None else study.mask.nbytes)
            if self._room < 0:
                log.info("images beyond the limit are not kept in memory, and are read again by each experiment")
                return
            self._cache[key] = study

    def mask(self, study: Study) -> Tensor | None:
        """Return the study's mask on the network's grid, 0 or 1, (N, 1, S, S), or None if it has none.

        Raises:
            UnreadableStudies: the study or its mask cannot be read, or their grids do not match.
        """
        if study.mask is None:
            return None
        key = _key(study)
        if key not in self._cache and key not in self._masks:
            self._read_once([study])
        mask = self._cache[key].mask if key in self._cache else self._masks[key]
        return None if mask is None else mask.float()

    def _report(self, errors: list[UnreadableImage], total: int) -> None:
        examples = "; ".join(str(error) for error in errors[:EXAMPLES])
        summary = f"{len(errors)} of {total} studies cannot be read: {examples}"
        if not self.skip_unreadable:
            raise UnreadableStudies(
                f"{summary}. Mend or remove them, or train without them ('medad train' --skip-unreadable)"
            )
        log.warning("left out: %s", summary)


def _key(study: Study) -> _Key:
    return study.files, study.mask


def _free_memory(device: torch.device) -> float:
    """Return the number of bytes that are free for tensors on ``device``; infinity on the CPU."""
    if device.type != "cuda":
        return float("inf")
    idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return float(torch.cuda.mem_get_info(device)[0] + idle)
