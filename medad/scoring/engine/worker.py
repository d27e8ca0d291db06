"""A worker process that reads, prepares and draws with MONAI's transforms."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor
from torch import Tensor

from medad.config import Settings
from medad.data.loading import Prepare
from medad.data.transforms import as_slices
from medad.model import Card
from medad.outputs.pictures import Scale
from medad.scoring.engine.job_worker import JobWorker
from medad.scoring.engine.jobs import Draw, Pixels, Ready
from medad.scoring.gate import Gate
from medad.scoring.index.entries import Entry
from medad.scoring.index.file_info import Session
from medad.scoring.index.schema import GATED
from medad.scoring.maps import preview, save_map, save_thumbnail
from medad.scoring.settings import ScoreSettings
from medad.types import Study

KEPT_BYTES = 256 * 2**20  # of sources that wait for their drawings


@dataclass(frozen=True)
class _Drawable:
    """The images of a study that its pictures are drawn from; ``source`` and ``image`` only if heatmaps are drawn."""

    preview: Tensor
    source: MetaTensor | None = None
    image: MetaTensor | None = None

    @property
    def nbytes(self) -> int:
        """The memory of preview and source, in bytes."""
        return int(self.preview.nbytes) + (0 if self.source is None else int(self.source.nbytes))


class Worker(JobWorker):
    """Does jobs. It keeps the images of the last studies that it read, up to ``KEPT_BYTES``, to draw them later."""

    def __init__(
        self, card: Card, network: Settings, settings: ScoreSettings, out: Path, session: Session | None = None
    ) -> None:
        """``network`` holds the settings of the model's method; ``session`` hashes the identifying values of files."""
        super().__init__(settings, out, session)
        self.prepare = Prepare(network, split=settings.split)
        self.gate = None if settings.force else Gate(card.profile)
        self.scale = Scale(settings.map, *card.color_range(settings.map))
        self.drawables: OrderedDict[str, _Drawable] = OrderedDict()

    def read(self, study: Study) -> MetaTensor:
        """Return the image of a study as it is in its files. Raises UnreadableImage."""
        return self.prepare.read(study)

    def prepare_study(self, study: Study, began: float) -> Ready | Entry:
        """Read a study; return its slices on the network's grid, or the entry of a study that the gate refuses."""
        source = self.prepare.read(study)
        if self.gate is not None and (reason := self.gate.check(source)):
            return Entry("skipped", reason, seconds=time.monotonic() - began, kind=GATED)
        image: MetaTensor = self.prepare.transform(source)
        slices: Pixels = np.ascontiguousarray(as_slices(image).numpy())
        if self.settings.engine == "ray":
            return Ready(slices, time.monotonic() - began, preview(source, image).numpy())
        self._keep(study.id, source, image)
        return Ready(slices, time.monotonic() - began)

    def _keep(self, name: str, source: MetaTensor, image: MetaTensor) -> _Drawable:
        """Keep the images of a study for its drawing, and drop the oldest ones beyond ``KEPT_BYTES``."""
        images = (source, image) if self.settings.heatmaps != "none" else ()
        drawable = self.drawables[name] = _Drawable(preview(source, image), *images)
        while len(self.drawables) > 1 and sum(item.nbytes for item in self.drawables.values()) > KEPT_BYTES:
            self.drawables.popitem(last=False)
        return drawable

    def _read_again(self, study: Study) -> _Drawable:
        source = self.prepare.read(study)
        return self._keep(study.id, source, self.prepare.transform(source))

    def draw(self, job: Draw, began: float) -> Entry:
        """Write the thumbnail of a study, and its heatmap if the job asks for one."""
        study, maps, worst = job.study, torch.from_numpy(job.maps), job.worst
        heatmap = ""
        if job.preview is not None and not job.heatmap:
            gray = torch.from_numpy(job.preview)
        else:
            drawable = self.drawables.pop(study.id, None) or self._read_again(study)
            gray = drawable.preview[worst]
            if job.heatmap and drawable.source is not None and drawable.image is not None:
                heatmap = save_map(self.out, study.id, drawable.source, drawable.image, maps, worst, self.scale)
        thumbnail = save_thumbnail(self.out, study.id, gray, maps[worst], self.scale)
        seconds = time.monotonic() - began
        return Entry("scored", heatmap=heatmap, facts={"thumbnail": thumbnail}, seconds=seconds)
