"""A worker process that reads, prepares and draws with PyTorch."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from medad.config import Settings
from medad.io.image import Image
from medad.model import Card
from medad.scoring.core.entries import Entry, Pixels
from medad.scoring.core.maps import preview, save_map, save_thumbnail
from medad.scoring.core.preparation import Preparation, Prepared, Refused
from medad.scoring.core.settings import ScoreSettings
from medad.scoring.engine.job_worker import JobWorker
from medad.scoring.engine.jobs import Draw, Ready
from medad.scoring.index.file_info import Session
from medad.scoring.index.schema import GATED
from medad.types import Study

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


class Worker(JobWorker):
    """Does jobs. It keeps the images of the last studies that it read, up to ``KEPT_BYTES``, to draw them later."""

    def __init__(
        self, card: Card, network: Settings, settings: ScoreSettings, out: Path, session: Session | None = None
    ) -> None:
        """``network`` holds the settings of the model's method; ``session`` hashes the identifying values of files."""
        super().__init__(settings, out, session)
        self.preparation = Preparation(card, network, force=settings.force, split=settings.split)
        self.scale = card.color_scale(settings.map)
        self.drawables: OrderedDict[str, _Drawable] = OrderedDict()

    def read(self, study: Study) -> Image:
        """Return the image of a study as it is in its files. Raises UnreadableImage."""
        return self.preparation.read(study)

    def prepare_study(self, study: Study, began: float) -> Ready | Entry:
        """Read a study; return its slices on the network's grid, or the entry of a study that the gate refuses."""
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

    def draw(self, job: Draw, began: float) -> Entry:
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
