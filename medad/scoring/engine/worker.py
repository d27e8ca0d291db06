"""A worker process: it does one job at a time, such as looking into files, reading a study, or drawing its map."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from medad.config import Settings
from medad.io import UnreadableImage
from medad.io.image import Image
from medad.model import Card
from medad.outputs.pictures import Scale
from medad.scoring.engine.jobs import Digest, Done, Draw, Job, Look, Pixels, Read, Ready
from medad.scoring.index.bad_slices import failure
from medad.scoring.index.entries import Entry
from medad.scoring.index.file_info import Session, digest_of, look_into
from medad.scoring.index.file_parts import counted
from medad.scoring.index.schema import GATED
from medad.scoring.index.stamps import CHANGED, unchanged
from medad.scoring.maps import preview, save_map, save_thumbnail
from medad.scoring.preparation import Preparation, Prepared, Refused
from medad.scoring.settings import ScoreSettings
from medad.types import MedadError, Study

log = logging.getLogger(__name__)
KEPT_BYTES = 256 * 2**20  # of sources that wait for their drawings


@dataclass(frozen=True)
class _Drawable:
    """The images of a study that its pictures are drawn from; ``source`` only if heatmaps are drawn."""

    preview: Tensor
    source: Image | None = None

    @property
    def nbytes(self) -> int:
        """The memory of preview and source, in bytes."""
        return int(self.preview.nbytes) + (0 if self.source is None else self.source.nbytes)


class Worker:
    """Does jobs. It keeps the images of the last studies that it read, up to ``KEPT_BYTES``, to draw them later."""

    def __init__(
        self, card: Card, network: Settings, settings: ScoreSettings, out: Path, session: Session | None = None
    ) -> None:
        """``network`` holds the settings of the model's method; ``session`` hashes the identifying values of files."""
        self.settings = settings
        self.session = session or Session()
        self.out = out
        self.preparation = Preparation(card, network, force=settings.force, split=settings.split)
        self.scale = Scale(settings.map, *card.color_range(settings.map))
        self.drawables: OrderedDict[str, _Drawable] = OrderedDict()

    def __call__(self, job: Job) -> Done:
        """Do ``job``, and return its result.

        A look gives a list of file infos; a digest gives a string or None; reading a study gives the network's input,
        or the final entry if the study is skipped or failed; drawing gives the final entry.

        Raises:
            MedadError: the output folder cannot be written.
        """
        if isinstance(job, Look):
            infos = [look_into(path, self.settings.uids, self.session, job.content) for path in job.paths]
            return [counted(info) for info in infos] if self.settings.split else infos
        if isinstance(job, Digest):
            return digest_of(job.path, job.pixels)
        began = time.monotonic()
        done = self._done(job, began)
        if unchanged(job.study):
            return done
        # The result, or the error, may come from a mixture of two versions of a file.
        return Entry("failed", CHANGED, seconds=time.monotonic() - began, kind="changed")

    def _done(self, job: Read | Draw, began: float) -> Ready | Entry:
        """Do a job on a study; its errors become a failed entry."""
        try:
            if isinstance(job, Draw):
                return self._draw(job, began)
            return self._read(job.study, began)
        except UnreadableImage as error:
            return replace(failure(job.study, error, self.preparation.read), seconds=time.monotonic() - began)
        except OSError as error:  # from the output folder: reading turns its errors into UnreadableImage
            raise MedadError(f"{self.out}: a heatmap cannot be written: {error.strerror or error}") from None
        except MemoryError:
            reason = "there is not enough memory to prepare it (too-large); score it on a larger machine"
            return Entry("failed", reason, kind="too-large")
        except Exception as error:  # a defect of medad that one study triggers must not end the whole run
            log.exception("internal error on one study")
            return Entry("failed", f"internal error ({type(error).__name__}); please report it", kind="internal")

    def _read(self, study: Study, began: float) -> Ready | Entry:
        try:
            prepared = self.preparation(self.preparation.read(study))
        except Refused as refusal:
            return Entry("skipped", str(refusal), seconds=time.monotonic() - began, kind=GATED)
        slices: Pixels = prepared.slices.numpy()
        if self.settings.engine == "ray":
            return Ready(slices, time.monotonic() - began, preview(prepared.source, prepared.slices).numpy())
        self._keep(study.id, prepared)
        return Ready(slices, time.monotonic() - began)

    def _keep(self, name: str, prepared: Prepared) -> _Drawable:
        """Keep the images of a study for its drawing, and drop the oldest ones beyond ``KEPT_BYTES``."""
        source = prepared.source if self.settings.heatmaps != "none" else None
        drawable = self.drawables[name] = _Drawable(preview(prepared.source, prepared.slices), source)
        while len(self.drawables) > 1 and sum(item.nbytes for item in self.drawables.values()) > KEPT_BYTES:
            self.drawables.popitem(last=False)
        return drawable

    def _read_again(self, study: Study) -> _Drawable:
        return self._keep(study.id, self.preparation.again(self.preparation.read(study)))

    def _draw(self, job: Draw, began: float) -> Entry:
        """Write the thumbnail of a study, and its heatmap if the job asks for one."""
        study, maps, worst = job.study, torch.from_numpy(job.maps), job.worst
        heatmap = ""
        if job.preview is not None and not job.heatmap:
            gray = torch.from_numpy(job.preview)
        else:
            drawable = self.drawables.pop(study.id, None) or self._read_again(study)
            gray = drawable.preview[worst]
            if job.heatmap and drawable.source is not None:
                heatmap = save_map(self.out, study.id, drawable.source, maps, worst, self.scale)
        thumbnail = save_thumbnail(self.out, study.id, gray, maps[worst], self.scale)
        seconds = time.monotonic() - began
        return Entry("scored", heatmap=heatmap, facts={"thumbnail": thumbnail}, seconds=seconds)
