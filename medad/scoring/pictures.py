"""Keep the pictures in the output folder equal to those that the rows name.

A picture to be deleted is first noted in the ledger's table ``orphans``, in the transaction that removes it from its
row, and it is deleted before anything is drawn. So if the process is killed at any moment, the next run deletes the
remaining orphans, and never a picture that was drawn again under the same name.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from medad.files import PART
from medad.scoring.core.entries import Entry
from medad.scoring.core.flagging import Verdicts
from medad.scoring.core.map_files import THUMBNAILS, heatmaps_of, thumbnail_of
from medad.scoring.core.settings import HEATMAPS, ScoringError
from medad.scoring.index.ledger import Ledger

PAGE = 512
_OURS = re.compile(rf"({re.escape(PART)})?[0-9a-f]{{16}}\.(png|nii\.gz|jpg)")


class Pictures:
    """The pictures in ``out`` that belong to the studies in a ledger."""

    def __init__(self, ledger: Ledger, out: Path) -> None:
        self.ledger = ledger
        self.out = out

    def fit(self, verdicts: Verdicts) -> None:
        """Adapt the heatmaps of earlier runs to ``verdicts``: flagged studies have one, all others have none.

        A newly flagged study is scored again in this run, since its maps were not stored. A study that is not flagged
        any more loses its heatmap and keeps its scores.
        """
        query = f"""SELECT id, scores, heatmap != '' FROM cases WHERE status = 'scored' AND id > ?
            ORDER BY id LIMIT {PAGE}"""
        last = b""
        while page := self.ledger.database.execute(query, (last,)).fetchall():
            last = page[-1][0]
            flags = verdicts.flagged([json.loads(scores) for _, scores, _ in page]).tolist()
            pairs = [(name, flag, drawn) for (name, _, drawn), flag in zip(page, flags, strict=True)]
            anew = [(name,) for name, flag, drawn in pairs if flag and not drawn]
            plain = [(name,) for name, flag, drawn in pairs if drawn and not flag]
            if anew or plain:
                self._fit(anew, plain)

    def _fit(self, anew: list[tuple[bytes]], plain: list[tuple[bytes]]) -> None:
        values = ("status", "slices", "scores", "heatmap", "facts", "seconds")
        nothing = ", ".join(f"{value} = NULL" for value in values)
        with self.ledger.writing() as database:
            database.executemany(f"UPDATE cases SET {nothing} WHERE id = ?", anew)
            # The thumbnail is deleted too: the next run may find that the study is a copy of another one.
            database.executemany("INSERT OR REPLACE INTO orphans VALUES (?, 1)", anew)
            database.executemany("UPDATE cases SET heatmap = '' WHERE id = ?", plain)
            database.executemany("INSERT OR IGNORE INTO orphans VALUES (?, 0)", plain)

    def delete_orphans(self) -> None:
        """Delete the pictures that the ledger lists as orphans. Call it before anything is drawn.

        Raises:
            ScoringError: a picture cannot be deleted.
        """
        database = self.ledger.database
        while page := database.execute(f"SELECT id, thumbnail FROM orphans LIMIT {PAGE}").fetchall():
            for name, thumbnail in page:
                study_id = os.fsdecode(name)
                self._delete((*heatmaps_of(study_id), *([thumbnail_of(study_id)] if thumbnail else [])))
            with self.ledger.writing():
                database.executemany("DELETE FROM orphans WHERE id = ?", [(name,) for name, _ in page])

    def delete_others(self, study_id: str, entry: Entry) -> None:
        """Delete the pictures of a study that its row does not name: an interrupted drawing may have written them.

        Raises:
            ScoringError: a picture cannot be deleted.
        """
        drawn = entry.status == "scored"
        self._delete((*(() if entry.heatmap else heatmaps_of(study_id)), *(() if drawn else [thumbnail_of(study_id)])))

    def delete_all(self) -> None:
        """Delete every picture. Call it for an empty ledger: all pictures belong to a ledger that was discarded.

        Raises:
            ScoringError: a picture cannot be deleted.
        """
        for folder in (HEATMAPS, THUMBNAILS):
            paths = (self.out / folder).glob("[0-9a-f][0-9a-f]/*")
            self._delete(str(path.relative_to(self.out)) for path in paths if _OURS.fullmatch(path.name))

    def _delete(self, names: Iterable[str]) -> None:
        try:
            for path in (self.out / name for name in names):
                path.unlink(missing_ok=True)
                path.with_name(f"{PART}{path.name}").unlink(missing_ok=True)
        except OSError as error:
            raise ScoringError(f"{self.out}: a picture cannot be deleted: {error.strerror or error}") from None
