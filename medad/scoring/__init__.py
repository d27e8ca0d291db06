"""Batch scoring of a folder: every file ends as a row that is scored, skipped or failed, and nothing stops the rest.

run.py leads: index.py finds the studies, local.py or on_ray.py has them read and scored, the ledger keeps every row as
it is made, results.py writes the table from it. The table of an interrupted run that was resumed has the bytes of an
undisturbed one: rows are in the order of their files, scores do not depend on what was batched with what (scorer.py),
and what took how long is kept out of it. Files may come, go and change at any time, also while they are read: the next
run ends as one with an output folder of its own (stamps.py, copies.py).
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from medad.model import Model
from medad.scoring.flagging import Verdicts
from medad.scoring.gate import Gate
from medad.scoring.index.ledger import Ledger
from medad.scoring.results import settings_digest, write_results
from medad.scoring.run import Run
from medad.scoring.settings import HEATMAPS, LEDGER, TABLE, ScoreSettings, ScoringError
from medad.types import MedadError

__all__ = ["HEATMAPS", "LEDGER", "TABLE", "ScoreSettings", "ScoringError", "Summary", "score_folder"]
REASONS = 100
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Summary:
    """How many rows there are of each status, how many were there before this call, and reasons of some failures."""

    counts: Counter[str]
    kept: int
    reasons: list[str]


def score_folder(
    model: Model, folder: Path, out: Path, settings: ScoreSettings | None = None, *, restart: bool = False
) -> Summary:
    """Score everything below ``folder``; write the tables and the pictures to ``out``.

    Rows are kept in ``out``/ledger.sqlite as they are made: the same call goes on after an interruption, scores again
    only files that changed, and drops rows and pictures of files that are gone. ``restart`` forgets all that there is.

    Raises:
        ScoringError: there is no such folder, or no such score; too much fails.
        LedgerError: ``out`` holds the results of another model or folder, is in use, or cannot be written.
    """
    settings = settings or ScoreSettings()
    scores = tuple(model.method.scores)
    score = settings.score or model.card.ranking_score(model.method.primary)
    settings = replace(settings, score=score, map=settings.map or model.card.drawn_map(score))
    chosen = settings.alpha, settings.threshold, settings.point, settings.map
    verdicts = Verdicts(model.card, scores, settings.score, *chosen)
    if not settings.force:
        Gate(model.card.profile)  # a profile that is no good is said now, and not by a worker
    log.info("studies are ranked by %s; the map of %s is drawn: %s", verdicts.score, verdicts.map, verdicts.why_map)
    if why := verdicts.cannot_flag:
        undrawn = ", and no heatmap drawn" if settings.heatmaps == "flagged" else ""
        log.warning("no study will be flagged%s: %s", undrawn, why)
    if not folder.exists():
        raise ScoringError(f"{folder}: there is no such file or folder")
    ledger = Ledger(out / LEDGER, _identity(model, folder, settings), restart)
    digests = {"model": model.digest, "settings": settings_digest(verdicts, force=settings.force)}

    def tables() -> None:
        try:
            write_results(ledger.rows(), out, verdicts, digests, f"Scores of {folder.name}")
        except OSError as error:
            raise ScoringError(f"{out}: the tables cannot be written: {error}. The ledger holds every row") from None

    with closing(ledger):
        try:
            kept = Run(model, folder, out, settings, verdicts, ledger, tables).all()
        except BaseException:
            with suppress(MedadError):  # what stopped the run may stop this too, and is to be heard of first
                tables()
            raise
        tables()
        return Summary(Counter(ledger.counts()), kept, _reasons(ledger))


def _identity(model: Model, folder: Path, settings: ScoreSettings) -> dict[str, str]:
    """What must be the same in all calls on one output folder."""
    return {
        "model": model.digest,
        "folder": str(folder.resolve()),
        "score": settings.score,
        "map": settings.map,
        "heatmaps": settings.heatmaps,
        "force": str(settings.force),
        "uids": str(settings.uids),
        "split": str(settings.split),
    }


def _reasons(ledger: Ledger) -> list[str]:
    return [f"{row.file}: {row.entry.reason}" for row in islice(ledger.rows("failed"), REASONS)]
