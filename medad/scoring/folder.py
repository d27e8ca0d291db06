"""Score a folder: check the model and the settings, open the ledger, run, and write the tables."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from medad.scoring.columns import Columns, Digests
from medad.scoring.core.flagging import Verdicts
from medad.scoring.core.gate import Gate
from medad.scoring.core.settings import LEDGER, ScoreSettings, ScoringError
from medad.scoring.engine.backend import Backend
from medad.scoring.index.ledger import Ledger
from medad.scoring.results import settings_digest, write_results
from medad.scoring.run import ScoringRun
from medad.types import MedadError

if TYPE_CHECKING:
    from medad.model import Model

REASONS = 100
Step = Callable[[Ledger, Verdicts, Digests], Counter[str]]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Summary:
    """The result of one call: ``counts`` of rows by status, the number of rows ``kept`` from earlier calls, and the
    ``reasons`` of at most 100 failures, each with its file. ``dicom`` counts the DICOM objects by status, if the
    settings ask for any."""

    counts: Counter[str]
    kept: int
    reasons: list[str]
    dicom: Counter[str] = field(default_factory=Counter)


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

    step: Step | None = None
    if settings is not None and settings.dicom:
        from medad.scoring.dicom_results import DicomResults

        step = DicomResults(model, folder, out, settings)
    return score_folder_with(WithTorch(model), folder, out, settings, restart=restart, step=step)


def score_folder_with(
    backend: Backend,
    folder: Path,
    out: Path,
    settings: ScoreSettings | None = None,
    *,
    restart: bool = False,
    step: Step | None = None,
) -> Summary:
    """Do the work of :func:`score_folder` with a model in any form, such as an exported one.

    ``step`` runs after each scan, once the rows and the tables are complete.
    """
    settings = settings or ScoreSettings()
    if settings.dicom and step is None:
        raise ScoringError("--dicom needs the model folder: an exported model writes no DICOM objects")
    score = settings.score or backend.card.ranking_score(backend.primary)
    settings = settings.model_copy(update={"score": score, "map": settings.map or backend.card.drawn_map(score)})
    verdicts = _verdicts(backend, settings)
    _check(backend, folder, settings, verdicts)
    ledger = Ledger(out / LEDGER, _identity(backend.digest, folder, settings), restart)
    digests = Digests(backend.digest, settings_digest(verdicts, force=settings.force))
    columns = Columns(verdicts, digests, settings.uids)

    def tables() -> None:
        try:
            write_results(ledger.rows(), out, columns, f"Scores of {folder.name}")
        except OSError as error:
            raise ScoringError(f"{out}: the tables cannot be written: {error}. The ledger holds every row") from None

    objects: Counter[str] = Counter()

    def finished() -> None:
        nonlocal objects
        tables()
        if step is not None:
            objects = step(ledger, verdicts, digests)

    with closing(ledger):
        try:
            rows_before = ScoringRun(backend, folder, out, settings, verdicts, ledger, finished).all()
        except BaseException:
            with suppress(MedadError):  # the same cause may stop the tables; the first error is the one to report
                tables()
            raise
        finished()
        return Summary(Counter(ledger.counts()), rows_before, _reasons(ledger), objects)


def _check(backend: Backend, folder: Path, settings: ScoreSettings, verdicts: Verdicts) -> None:
    """Say what ranks, what is drawn and what cannot be flagged, before any worker starts.

    Raises:
        ScoringError: there is no ``folder``.
        ProfileError: the card's profile is damaged.
    """
    if not settings.force:
        Gate(backend.card.profile)
    log.info("cases are ranked by %s; the map of %s is drawn: %s", verdicts.score, verdicts.map, verdicts.why_map)
    if why := verdicts.cannot_flag:
        undrawn = ", and no heatmap drawn (--heatmaps all draws everything)" if settings.heatmaps == "flagged" else ""
        log.warning("no case will be flagged%s: %s", undrawn, why)
    if not folder.exists():
        raise ScoringError(f"{folder}: there is no such file or folder")


def _verdicts(backend: Backend, settings: ScoreSettings) -> Verdicts:
    """Return the rules that flag a case."""
    return Verdicts(
        backend.card,
        backend.scores,
        settings.score,
        alpha=settings.alpha,
        threshold=settings.threshold,
        point=settings.point,
        map=settings.map,
    )


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
