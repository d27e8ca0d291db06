"""Define a worker process: it does one job at a time, such as looking into files, reading or drawing a study."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path

from medad.io.core.errors import UnreadableImage
from medad.scoring.core.entries import Entry
from medad.scoring.core.settings import ScoreSettings
from medad.scoring.engine.jobs import Digest, Done, Draw, Job, Look, Read, Ready
from medad.scoring.index.bad_slices import failure
from medad.scoring.index.file_info import Session, digest_of, look_into
from medad.scoring.index.file_parts import counted
from medad.scoring.index.stamps import CHANGED, unchanged
from medad.types import MedadError, Study

log = logging.getLogger(__name__)


class JobWorker(ABC):
    """Does jobs; its subclasses say how the image of a study is prepared for a model, and drawn."""

    def __init__(self, settings: ScoreSettings, out: Path, session: Session | None = None) -> None:
        """``session`` hashes the identifying values of files."""
        self.settings = settings
        self.session = session or Session()
        self.out = out

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
                return self.draw(job, began)
            return self.prepare_study(job.study, began)
        except UnreadableImage as error:
            return replace(failure(job.study, error, self.read), seconds=time.monotonic() - began)
        except OSError as error:  # from the output folder: reading turns its errors into UnreadableImage
            raise MedadError(f"{self.out}: a heatmap cannot be written: {error.strerror or error}") from None
        except MemoryError:
            reason = "there is not enough memory to prepare it (too-large); score it on a larger machine"
            return Entry("failed", reason, kind="too-large")
        except Exception as error:  # a defect of medad that one study triggers must not end the whole run
            log.exception("internal error on one study")
            return Entry("failed", f"internal error ({type(error).__name__}); please report it", kind="internal")

    @abstractmethod
    def read(self, study: Study) -> object:
        """Return the image of a study as it is in its files.

        Raises:
            UnreadableImage: it cannot be read.
        """

    @abstractmethod
    def prepare_study(self, study: Study, began: float) -> Ready | Entry:
        """Read a study and return the network's input, or the entry of a study that the gate refuses.

        ``began`` is the start of the work on the monotonic clock. Raises UnreadableImage.
        """

    @abstractmethod
    def draw(self, job: Draw, began: float) -> Entry:
        """Write the pictures of a study, and return their paths in an entry. Raises UnreadableImage or OSError."""
