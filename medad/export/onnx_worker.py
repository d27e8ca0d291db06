"""A worker process of batch scoring that reads, prepares and draws without PyTorch."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from medad.data.facts import facts_of_pixels
from medad.export.description import Description
from medad.export.images import Preparation, Source, preview, save_map, save_thumbnail
from medad.outputs.pictures import Bytes
from medad.scoring.core.entries import Entry
from medad.scoring.core.gate import Gate
from medad.scoring.core.settings import ScoreSettings
from medad.scoring.engine.job_worker import JobWorker
from medad.scoring.engine.jobs import Draw, Ready
from medad.scoring.index.file_info import Session
from medad.scoring.index.schema import GATED
from medad.types import Study

KEPT_BYTES = 256 * 2**20  # of sources that wait for their drawings


@dataclass(frozen=True)
class _Drawable:
    """The images that the pictures of a study are drawn from; ``source`` only if heatmaps are drawn."""

    preview: Bytes
    source: Source | None

    @property
    def nbytes(self) -> int:
        """The memory of the images, in bytes."""
        return self.preview.nbytes + (0 if self.source is None else self.source.pixels.nbytes)


class OnnxWorker(JobWorker):
    """Does jobs. It keeps the images of the last studies that it read, up to ``KEPT_BYTES``, to draw them later."""

    def __init__(
        self, description: Description, settings: ScoreSettings, out: Path, session: Session | None = None
    ) -> None:
        """``session`` hashes the identifying values of files."""
        super().__init__(settings, out, session)
        card = description.card
        self.preparation = Preparation(description.preprocessing, settings.split)
        self.gate = None if settings.force else Gate(card.profile)
        self.scale = card.color_scale(settings.map)
        self.drawables: OrderedDict[str, _Drawable] = OrderedDict()

    def read(self, study: Study) -> Source:
        """Return the image of a study as it is in its files. Raises UnreadableImage."""
        return self.preparation.read(study)

    def prepare_study(self, study: Study, began: float) -> Ready | Entry:
        """Read a study; return the input of the graph, or the entry of a study that the gate refuses."""
        source = self.read(study)
        if self.gate is not None and (reason := self.gate.refusal(facts_of_pixels(source.pixels, source.reading))):
            return Entry("skipped", reason, seconds=time.monotonic() - began, kind=GATED)
        slices = self.preparation.slices(source)
        self._keep(study.id, _Drawable(preview(source, slices), self._if_drawn(source)))
        return Ready(slices, time.monotonic() - began)

    def _if_drawn(self, source: Source) -> Source | None:
        return None if self.settings.heatmaps == "none" else source

    def _keep(self, name: str, drawable: _Drawable) -> None:
        """Keep the images of a study for its drawing, and drop the oldest ones beyond ``KEPT_BYTES``."""
        self.drawables[name] = drawable
        while len(self.drawables) > 1 and sum(item.nbytes for item in self.drawables.values()) > KEPT_BYTES:
            self.drawables.popitem(last=False)

    def _read_again(self, study: Study) -> _Drawable:
        source = self.read(study)
        return _Drawable(preview(source, self.preparation.slices(source)), self._if_drawn(source))

    def draw(self, job: Draw, began: float) -> Entry:
        """Write the thumbnail of a study, and its heatmap if the job asks for one."""
        study, worst = job.study, job.worst
        drawable = self.drawables.pop(study.id, None) or self._read_again(study)
        heatmap = ""
        if job.heatmap and drawable.source is not None:
            heatmap = save_map(self.out, study.id, drawable.source, job.maps, worst, self.scale)
        thumbnail = save_thumbnail(self.out, study.id, drawable.preview[worst], job.maps[worst, 0], self.scale)
        seconds = time.monotonic() - began
        return Entry("scored", heatmap=heatmap, facts={"thumbnail": thumbnail}, seconds=seconds)
