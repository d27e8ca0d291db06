"""Write the results of a scored folder as DICOM objects, once the rows of the ledger are complete.

A case is read and scored a second time for its map, which no table holds; a case whose objects exist already is not
even read. So the step costs about as much as scoring the DICOM cases again, one after the other in this process, and
it goes on where an interrupted call stopped. An object is recognized by its UID, which follows from the case's UIDs,
its scores, the model and the settings.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from medad.files import write_csv
from medad.io import UnreadableImage
from medad.model import Model
from medad.outputs.dicom import KINDS
from medad.outputs.dicom.source import NoDicomResult, read_source
from medad.outputs.dicom.uids import Uids
from medad.outputs.dicom.writing import holds, refusal, write_object
from medad.progress import progress
from medad.scoring.columns import Digests
from medad.scoring.core.entries import CaseRow
from medad.scoring.core.flagging import Verdicts
from medad.scoring.core.map_files import named
from medad.scoring.core.settings import ScoreSettings
from medad.scoring.dicom_case import CaseScorer, result_uids
from medad.scoring.index.ledger import Ledger
from medad.scoring.index.stamps import IndexedStudy, unchanged
from medad.text import visible

FOLDER = "dicom"
TABLE = "dicom.csv"
HEADINGS = ("file", "object", "status", "reason", "path")
SHOWN = 5
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ObjectRow:
    """A row of ``dicom.csv``: what became of one object of a case.

    ``status`` is "written", "present" (from an earlier call), "not possible" (of this source) or "failed".
    """

    file: str
    kind: str
    status: str
    reason: str = ""
    path: str = ""


class DicomResults:
    """Writes the objects of ``kinds`` for each scored case of ``folder`` to ``out``/dicom, and a table of them."""

    def __init__(self, model: Model, folder: Path, out: Path, settings: ScoreSettings) -> None:
        self.model, self.out, self.settings = model, out, settings
        self.base = folder if folder.is_dir() else folder.parent
        self.kinds = settings.dicom_kinds

    def __call__(self, ledger: Ledger, verdicts: Verdicts, digests: Digests) -> Counter[str]:
        """Write what is missing, delete what is out of date, and return the number of objects by status.

        Raises:
            WriteError: an object or the table cannot be written.
            ScoringError: the device is out of memory.
        """
        total = ledger.counts().get("scored", 0)
        counts: Counter[str] = Counter()
        reasons: dict[str, str] = {}
        current: set[str] = set()
        scorer = CaseScorer(self.model, verdicts, split=self.settings.split)

        def rows() -> Iterator[tuple[str, ...]]:
            with progress("dicom", total) as advance:
                for row in ledger.rows("scored"):
                    for done in self._case(row, ledger, scorer, digests, current):
                        counts[done.status] += 1
                        if done.reason and done.status != "present":
                            reasons.setdefault(f"{done.kind} {done.status}: {done.reason}", done.file)
                        yield done.file, done.kind, done.status, done.reason, done.path
                    advance(1)

        try:
            write_csv(self.out / TABLE, HEADINGS, rows())
        finally:
            scorer.close()
        self._delete_others(current)
        self._report(counts, reasons)
        return counts

    def _case(
        self, row: CaseRow, ledger: Ledger, scorer: CaseScorer, digests: Digests, current: set[str]
    ) -> Iterator[ObjectRow]:
        """Write the missing objects of one case, and yield a row for each object."""
        if not row.identifiers.study:
            reason = "the source is no DICOM file, or states no StudyInstanceUID: there is no study to add a result to"
            yield ObjectRow(row.file, "all", "not possible", reason)
            return
        place = named(FOLDER, row.id)
        current.add(place)
        pseudonymous = replace(row, identifiers=row.identifiers.pseudonyms()) if self.settings.uids else row
        uids = result_uids(pseudonymous, digests, scorer.verdicts.map)
        paths = {kind: self.out / place / f"{kind}.dcm" for kind in KINDS}
        missing = [kind for kind in self.kinds if not holds(paths[kind], uids[kind])]
        self._delete_outdated(paths, uids, missing)
        done = dict.fromkeys(self.kinds, ("present", ""))
        if missing:
            files, stamp = ledger.files_of(row.id)
            study = IndexedStudy(row.id, tuple(self.base / name for name in files), stamp=stamp)
            done |= self._write(row, study, scorer, {kind: (paths[kind], uids[kind]) for kind in missing})
        for kind, (status, reason) in done.items():
            path = f"{place}/{kind}.dcm" if status in ("present", "written") else ""
            yield ObjectRow(row.file, kind, status, reason, path)

    def _write(
        self, row: CaseRow, study: IndexedStudy, scorer: CaseScorer, objects: dict[str, tuple[Path, Uids]]
    ) -> dict[str, tuple[str, str]]:
        """Score a case again, write its missing objects, and return status and reason of each."""
        done = {}
        try:
            source = read_source(study.files)
            for kind in objects:
                if reason := refusal(kind, source):
                    done[kind] = ("not possible", reason)
            if len(done) == len(objects):
                return done
            result = scorer(study, source, row.entry.scores)
            if not unchanged(study):
                raise NoDicomResult("the file has changed since it was scored: give the same command again")
        except NoDicomResult as error:
            return dict.fromkeys(objects, ("failed", str(error))) | done
        except UnreadableImage as error:
            return dict.fromkeys(objects, ("failed", f"{error.reason} ({error.kind})")) | done
        except MemoryError:
            return dict.fromkeys(objects, ("failed", "there is not enough memory to make it (too-large)")) | done
        for kind, (path, uids) in objects.items():
            if kind in done:
                continue
            try:
                write_object(path, result, uids)
                done[kind] = ("written", "")
            except NoDicomResult as error:
                done[kind] = ("not possible", str(error))
        return done

    def _delete_outdated(self, paths: dict[str, Path], uids: dict[str, Uids], missing: list[str]) -> None:
        """Delete the objects of a case that hold another result; an object of a kind not asked for may stay."""
        for kind, path in paths.items():
            if path.exists() and (kind in missing or not holds(path, uids[kind])):
                path.unlink()

    def _delete_others(self, current: set[str]) -> None:
        """Delete the objects of cases that are no longer scored; files of other names stay."""
        for folder in sorted((self.out / FOLDER).glob("[0-9a-f][0-9a-f]/*")):
            if f"{FOLDER}/{folder.parent.name}/{folder.name}" in current:
                continue
            for kind in KINDS:
                (folder / f"{kind}.dcm").unlink(missing_ok=True)
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _report(self, counts: Counter[str], reasons: dict[str, str]) -> None:
        """Log the numbers, and the first reasons, each with a file that it holds for."""
        numbers = ", ".join(f"{counts[status]} {status}" for status in ("written", "present", "not possible", "failed"))
        log.info("DICOM objects in %s: %s; %s lists them", self.out / FOLDER, numbers, TABLE)
        for reason, file in list(reasons.items())[:SHOWN]:
            log.warning("%s (such as %s)", reason, visible(file))
