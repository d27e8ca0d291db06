"""Batch scoring of a folder: every file becomes a row that is scored, skipped or failed, and no file stops the rest.

``run.py`` is the main loop. ``index/`` finds the studies, ``engine/local.py`` or ``engine/on_ray.py`` reads and scores
them, the ledger stores every row as soon as it is complete, and ``results.py`` writes the tables from the ledger. The
table of a run that was interrupted and resumed has the same bytes as that of an undisturbed run: rows are in the order
of their files, scores do not depend on the composition of batches (``scorer.py``), and durations are in another file.
Files may be added, changed or deleted at any time, also while they are read: the next run gives the same results as a
run with a new output folder (``index/stamps.py``, ``index/duplicates.py``).
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from medad.scoring.backend import Backend
from medad.scoring.flagging import Verdicts
from medad.scoring.gate import Gate
from medad.scoring.index.ledger import Ledger
from medad.scoring.results import settings_digest, write_results
from medad.scoring.run import Run
from medad.scoring.settings import HEATMAPS, LEDGER, TABLE, ScoreSettings, ScoringError
from medad.types import MedadError

if TYPE_CHECKING:
    from medad.model import Model

__all__ = [
    "HEATMAPS",
    "LEDGER",
    "TABLE",
    "ScoreSettings",
    "ScoringError",
    "Summary",
    "score_folder",
    "score_folder_with",
]
REASONS = 100
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Summary:
    """The result of one call: ``counts`` of rows by status, the number of rows ``kept`` from earlier calls, and the
    ``reasons`` of at most 100 failures, each with its file."""

    counts: Counter[str]
    kept: int
    reasons: list[str]


def score_folder(
    model: Model, folder: Path, out: Path, settings: ScoreSettings | None = None, *, restart: bool = False
) -> Summary:
    """Score all images below ``folder``, and write the tables and the pictures to ``out``.

    Each row is written to ``out``/ledger.sqlite as soon as it is complete. After an interruption the same call
    continues: it scores only files that are new or changed, and deletes the rows and pictures of deleted files.
    ``restart`` discards all earlier results in ``out``.

    Raises:
        ScoringError: ``folder`` does not exist, the model has no such score, or too many images fail.
        LedgerError: ``out`` holds the results of another model or folder, is in use, or cannot be written.
    """
    from medad.scoring.engine.with_torch import WithTorch

    return score_folder_with(WithTorch(model), folder, out, settings, restart=restart)


def score_folder_with(
    backend: Backend, folder: Path, out: Path, settings: ScoreSettings | None = None, *, restart: bool = False
) -> Summary:
    """Do the work of :func:`score_folder` with a model in any form, such as an exported one."""
    settings = settings or ScoreSettings()
    card = backend.card
    score = settings.score or card.ranking_score(backend.primary)
    settings = replace(settings, score=score, map=settings.map or card.drawn_map(score))
    chosen = settings.alpha, settings.threshold, settings.point, settings.map
    verdicts = Verdicts(card, backend.scores, settings.score, *chosen)
    if not settings.force:
        Gate(card.profile)  # reports a damaged profile here, before any worker starts
    log.info("studies are ranked by %s; the map of %s is drawn: %s", verdicts.score, verdicts.map, verdicts.why_map)
    if why := verdicts.cannot_flag:
        undrawn = ", and no heatmap drawn" if settings.heatmaps == "flagged" else ""
        log.warning("no study will be flagged%s: %s", undrawn, why)
    if not folder.exists():
        raise ScoringError(f"{folder}: there is no such file or folder")
    ledger = Ledger(out / LEDGER, _identity(backend.digest, folder, settings), restart)
    digests = {"model": backend.digest, "settings": settings_digest(verdicts, force=settings.force)}

    def tables() -> None:
        try:
            write_results(ledger.rows(), out, verdicts, digests, f"Scores of {folder.name}")
        except OSError as error:
            raise ScoringError(f"{out}: the tables cannot be written: {error}. The ledger holds every row") from None

    with closing(ledger):
        try:
            rows_before = Run(backend, folder, out, settings, verdicts, ledger, tables).all()
        except BaseException:
            with suppress(MedadError):  # the same cause may stop the tables; the first error is the one to report
                tables()
            raise
        tables()
        return Summary(Counter(ledger.counts()), rows_before, _reasons(ledger))


def _identity(digest: str, folder: Path, settings: ScoreSettings) -> dict[str, str]:
    """Return the values that must be equal in all calls on one output folder."""
    return {
        "model": digest,
        "folder": str(folder.resolve()),
        "score": settings.score,
        "map": settings.map,
        "heatmaps": settings.heatmaps,
        "force": str(settings.force),
        "uids": str(settings.uids),
        "split": str(settings.split),
    }


def _reasons(ledger: Ledger) -> list[str]:
    """Return file and reason of the first ``REASONS`` failed rows."""
    return [f"{row.file}: {row.entry.reason}" for row in islice(ledger.rows("failed"), REASONS)]
