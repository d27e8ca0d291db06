"""What a worker process does with one thing at a time: look into files, read a study for the network, draw its map."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray
from torch import Tensor

from medad.config import Settings
from medad.data.loading import Prepare
from medad.data.transforms import as_slices
from medad.io import UnreadableImage
from medad.model import Card
from medad.outputs.pictures import Scale
from medad.scoring.gate import Gate
from medad.scoring.index.bad_slices import failure
from medad.scoring.index.file_info import Looked, Session, digest_of, look_into
from medad.scoring.index.file_parts import counted
from medad.scoring.index.ledger import GATED, Entry
from medad.scoring.index.stamps import CHANGED, unchanged
from medad.scoring.maps import preview, save_map, save_thumbnail
from medad.scoring.settings import ScoreSettings
from medad.types import MedadError, Study

log = logging.getLogger(__name__)
KEPT_BYTES = 256 * 2**20

Pixels = NDArray[np.float32]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """Find out what files are; ``content``: digest it in any case."""

    paths: tuple[Path, ...]
    content: bool = False
    repeatable: ClassVar[bool] = True

    @property
    def count(self) -> int:
        """How many files it reads."""
        return len(self.paths)

    def parts(self) -> list[Look]:
        """A job for each file."""
        return [replace(self, paths=(path,)) for path in self.paths]


@dataclass(frozen=True)
class Digest:
    """Find out whether a file is a copy: by its bytes, or by the ``pixels`` that it shows."""

    path: Path
    pixels: bool = False
    count: ClassVar[int] = 1
    repeatable: ClassVar[bool] = True

    def parts(self) -> list[Digest]:
        """The job itself."""
        return [self]


@dataclass(frozen=True)
class _OfStudy:
    """A job on the files of one study."""

    study: Study

    @property
    def count(self) -> int:
        """How many files it reads."""
        return len(self.study.files)

    def parts(self) -> list[Self]:
        """The job itself."""
        return [self]


@dataclass(frozen=True)
class Read(_OfStudy):
    """Read a study for the network."""

    repeatable: ClassVar[bool] = True


@dataclass(frozen=True)
class Draw(_OfStudy):
    """Draw a study: ``maps`` (N, 1, S, S), ``worst`` the slice with the highest score; ``heatmap``: on its source.
    ``shown`` (h, w) is what the thumbnail is made from, where another process has read the study."""

    maps: Pixels
    worst: int
    heatmap: bool
    shown: Bytes | None = None
    repeatable: ClassVar[bool] = False  # two would write to one file


@dataclass(frozen=True)
class Ready:
    """A study as the network takes it: ``slices`` (N, C, S, S); what thumbnails are made from, (N, h, w), if another
    process draws it."""

    slices: Pixels
    seconds: float
    preview: Bytes | None = None


Job = Look | Digest | Read | Draw
Done = list[Looked] | str | None | Ready | Entry


@dataclass(frozen=True)
class _Kept:
    """What a drawing is made from; the source only where it is drawn in full."""

    preview: Tensor
    source: MetaTensor | None = None
    image: MetaTensor | None = None

    @property
    def nbytes(self) -> int:
        return int(self.preview.nbytes) + (0 if self.source is None else int(self.source.nbytes))


class Worker:
    """Does jobs. Sources of the studies that it read last are kept for their drawings, up to ``KEPT_BYTES``."""

    def __init__(
        self, card: Card, network: Settings, settings: ScoreSettings, out: Path, session: Session | None = None
    ) -> None:
        """``network`` holds the settings of the model's method; ``session`` makes the hashes of what files are."""
        self.settings = settings
        self.session = session or Session()
        self.out = out
        self.prepare = Prepare(network, split=settings.split)
        self.gate = None if settings.force else Gate(card.profile)
        self.scale = Scale(settings.map, *card.color_range(settings.map))
        self.kept: OrderedDict[str, _Kept] = OrderedDict()

    def __call__(self, job: Job) -> Done:
        """The outcome: for a look, what the files are; for a study, what the network takes, or the final entry."""
        if isinstance(job, Look):
            found = [look_into(path, self.settings.uids, self.session, job.content) for path in job.paths]
            return [counted(one) for one in found] if self.settings.split else found
        if isinstance(job, Digest):
            return digest_of(job.path, job.pixels)
        began = time.monotonic()
        done = self._done(job, began)
        if unchanged(job.study):
            return done
        # What was read may be of two versions of a file, and so may be what is wrong with it.
        return Entry("failed", CHANGED, seconds=time.monotonic() - began, kind="changed")

    def _done(self, job: Read | Draw, began: float) -> Ready | Entry:
        try:
            if isinstance(job, Draw):
                return self._draw(job, began)
            return self._read(job.study, began)
        except UnreadableImage as error:
            return replace(failure(job.study, error, self.prepare.read), seconds=time.monotonic() - began)
        except OSError as error:  # reading turns its own into UnreadableImage: this is the output folder's
            raise MedadError(f"{self.out}: a heatmap cannot be written: {error.strerror or error}") from None
        except MemoryError:
            reason = "there is not enough memory to prepare it (too-large); score it on a larger machine"
            return Entry("failed", reason, kind="too-large")
        except Exception as error:  # a defect of ours on one study must not lose the night's work
            log.exception("internal error on one study")
            return Entry("failed", f"internal error ({type(error).__name__}); please report it", kind="internal")

    def _read(self, study: Study, began: float) -> Ready | Entry:
        source = self.prepare.read(study)
        if self.gate is not None and (reason := self.gate.check(source)):
            return Entry("skipped", reason, seconds=time.monotonic() - began, kind=GATED)
        image: MetaTensor = self.prepare.transform(source)
        slices: Pixels = np.ascontiguousarray(as_slices(image).numpy())
        if self.settings.engine == "ray":
            return Ready(slices, time.monotonic() - began, preview(source, image).numpy())
        self._keep(study.id, source, image)
        return Ready(slices, time.monotonic() - began)

    def _keep(self, name: str, source: MetaTensor, image: MetaTensor) -> _Kept:
        kept = self.kept[name] = _Kept(
            preview(source, image), *((source, image) if self.settings.heatmaps != "none" else ())
        )
        while len(self.kept) > 1 and sum(one.nbytes for one in self.kept.values()) > KEPT_BYTES:
            self.kept.popitem(last=False)
        return kept

    def _read_again(self, study: Study) -> _Kept:
        source = self.prepare.read(study)
        return self._keep(study.id, source, self.prepare.transform(source))

    def _draw(self, job: Draw, began: float) -> Entry:
        study, maps, worst = job.study, torch.from_numpy(job.maps), job.worst
        heatmap = ""
        if job.shown is not None and not job.heatmap:
            shown = torch.from_numpy(job.shown)
        else:
            kept = self.kept.pop(study.id, None) or self._read_again(study)
            shown = kept.preview[worst]
            if job.heatmap and kept.source is not None and kept.image is not None:
                heatmap = save_map(self.out, study.id, kept.source, kept.image, maps, worst, self.scale)
        thumbnail = save_thumbnail(self.out, study.id, shown, maps[worst], self.scale)
        seconds = time.monotonic() - began
        return Entry("scored", heatmap=heatmap, facts={"thumbnail": thumbnail}, seconds=seconds)
