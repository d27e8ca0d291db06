"""Read features of studies from the cache, and compute and store those that are missing."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import Tensor

from medad import __version__
from medad.config import Settings
from medad.data.acquisition.facts import AcquisitionFacts
from medad.data.facts import Facts
from medad.data.study_cache import StudyCache
from medad.data.study_features import Extract, extract_in_blocks
from medad.files import file_digest
from medad.io.file_parts import part_of, slice_of
from medad.progress import progress
from medad.types import Study

log = logging.getLogger(__name__)
FORMAT = 1  # to be raised when equal files give other pixels, facts or features than before
WRITTEN_AT_ONCE = 64  # studies
Stream = Callable[[Sequence[Study], int], Iterator[tuple[Study, Tensor]]]
Files = tuple[Path, ...]
_Entry = tuple[Tensor, Facts, AcquisitionFacts, str]  # features, facts, acquisition facts and pixel digest of a study


@dataclass(frozen=True)
class CachedFeatures:
    """Features of images as ``settings`` prepare them; without a ``cache`` all are computed.

    ``device`` is "cpu" or "cuda": results differ in the last digits.
    """

    cache: StudyCache | None
    settings: Settings
    device: str

    def compute(
        self,
        studies: Sequence[Study],
        extract: Extract,
        stream: Stream,
        facts: dict[Files, Facts],
        acquisition: dict[Files, AcquisitionFacts],
        pixels: dict[Files, str],
        *,
        name: str,
        block: int,
    ) -> list[tuple[Study, Tensor]]:
        """Return each study that can be read with its features (N, D), in order.

        Args:
            studies: The studies to describe.
            extract: The function from images (block, C, S, S) to features (block, D).
            stream: The function that reads studies, and writes to the next three what it has seen.
            facts: The facts of the studies by files; those of cached studies are added.
            acquisition: The acquisition facts of the studies by files, likewise.
            pixels: The pixel digests of the studies by files, likewise.
            name: The name of the features, which holds everything that they depend on besides the images.
            block: The number of images in a batch.
        """
        keys = {study: key for study in studies if (key := self._key(study, name))}
        features: dict[Study, Tensor] = {}
        for study, entry in self._stored(keys).items():
            features[study], facts[study.files], acquisition[study.files], pixels[study.files] = entry
        new = [study for study in studies if study not in features]
        computed: dict[str, bytes] = {}
        if new:
            with progress("extract features", len(new)) as advance:
                for study, values in extract_in_blocks(stream(new, block), extract, block):
                    features[study] = values
                    advance(1)
                    if study in keys:
                        described = (facts[study.files], acquisition[study.files], pixels[study.files])
                        computed[keys[study]] = _encode(values, *described)
                    if len(computed) >= WRITTEN_AT_ONCE:
                        self._store(computed)
            self._store(computed)
        return [(study, features[study]) for study in studies if study in features]

    def _key(self, study: Study, name: str) -> str | None:
        """Return the key of a study's features; None without a cache, and if a file cannot be read."""
        content = None if self.cache is None else _content_key(study, self.settings)
        return None if content is None else f"{name} {self.device} {content}"

    def _stored(self, keys: Mapping[Study, str]) -> dict[Study, _Entry]:
        stored = {} if self.cache is None else self.cache.read(list(keys.values()))
        entries = {study: entry for study, key in keys.items() if (entry := _decode(stored.get(key, b"")))}
        if entries:
            log.info("features of %d of %d studies were computed before", len(entries), len(keys))
        return entries

    def _store(self, computed: dict[str, bytes]) -> None:
        if self.cache is not None and computed:
            self.cache.write(computed)
        computed.clear()


def _content_key(study: Study, settings: Settings) -> str | None:
    """Return a digest of the study's files and of the ``settings`` by which they become images.

    Return None if a file cannot be read.
    """
    grid = [settings.size, settings.channels, settings.preset, settings.resampling]
    digest = hashlib.sha256(json.dumps([FORMAT, __version__, torch.__version__, *grid]).encode())
    try:
        for path in study.files:
            volume, index = slice_of(path)
            file, part = part_of(volume)
            digest.update(f"{file_digest(file)} {part} {index};".encode())
    except OSError:
        return None
    return digest.hexdigest()


def _encode(features: Tensor, facts: Facts, acquisition: AcquisitionFacts, pixels: str) -> bytes:
    """Return the features (N, D), the facts of both kinds and the pixel digest of a study as bytes."""
    values = asdict(facts)
    arrays = {name: values.pop(name) for name in ("levels", "layout")}
    stored = {name: np.asarray(array) for name, array in arrays.items() if array is not None}
    text = json.dumps({**values, "pixels": pixels, "acquisition": asdict(acquisition)})
    value: bytes = save({**stored, "features": features.numpy(), "facts": np.frombuffer(text.encode(), np.uint8)})
    return value


def _decode(value: bytes) -> _Entry | None:
    """Return the features, the facts and the pixel digest that :func:`_encode` stored; None if they are damaged."""
    try:
        arrays = load(value)
        text = json.loads(arrays["facts"].tobytes())
        pixels, acquisition = text.pop("pixels"), AcquisitionFacts(**text.pop("acquisition"))
        text["sides"] = tuple(text["sides"])
        facts = Facts(**text, levels=arrays.get("levels"), layout=arrays.get("layout"))
        return torch.from_numpy(arrays["features"]), facts, acquisition, pixels
    except (SafetensorError, KeyError, TypeError, ValueError):
        return None
