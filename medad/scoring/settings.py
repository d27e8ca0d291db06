"""What batch scoring is told, and the names of what it writes."""

from __future__ import annotations

from dataclasses import dataclass

from medad.types import MedadError

LEDGER = "ledger.sqlite"
TABLE = "scores.csv"
TIMINGS = "timings.csv"
HEATMAPS = "heatmaps"


class ScoringError(MedadError):
    """A folder that cannot be scored at all, or a run that was stopped."""


@dataclass(frozen=True)
class ScoreSettings:
    """``drawn`` is the score whose maps are drawn, None for none. ``force`` scores what the gate would refuse; ``uids``
    puts DICOM UIDs into the table in place of pseudonyms. What follows changes no row: ``workers`` (0: one for each
    core), ``timeout`` seconds for one file, ``max_failed`` share of failures at which the run stops.
    """

    drawn: str | None = None
    force: bool = False
    uids: bool = False
    workers: int = 0
    timeout: float = 300.0
    max_failed: float = 0.5
