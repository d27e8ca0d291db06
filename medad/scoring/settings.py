"""What batch scoring is told, and the names of what it writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medad.types import MedadError

LEDGER = "ledger.sqlite"
TABLE = "scores.csv"
TIMINGS = "timings.csv"
HEATMAPS = "heatmaps"


class ScoringError(MedadError):
    """A folder that cannot be scored at all, or a run that was stopped."""


class FolderAway(ScoringError):
    """A folder that cannot be read, or is empty and was not: most likely a share that has dropped out."""


@dataclass(frozen=True)
class ScoreSettings:
    """``score`` ranks studies and flags them, and the map of the score ``map`` is drawn; "" is what the model's card
    names. ``heatmaps``: which studies have one on the grid of their source, beside the thumbnail that all have.
    ``force`` scores what the gate would refuse; ``uids`` puts the UIDs of DICOM images and series into the table in
    place of pseudonyms; ``split`` scores each volume of a 4-D file and each page of a TIFF as a study of its own, where
    they are refused else. ``follow_links`` takes links to files outside the folder as well.

    What follows changes no score, and may differ between the runs on one output folder. ``alpha``, ``threshold`` and
    ``point`` (an operating point of the model) say what is flagged, and the heatmaps of earlier runs follow them.
    ``workers`` (0: one for each core); ``timeout`` seconds for one file; ``retry_failed`` tries again what failed in an
    earlier run; ``max_failed`` share of failures at which the run stops; ``watch`` seconds between two looks at a
    folder that is filling (0: one look); ``engine`` and the ``address`` of its cluster, whose scorers are on ``device``
    (one machine scores where the model is).
    """

    score: str = ""
    map: str = ""
    heatmaps: Literal["flagged", "all", "none"] = "flagged"
    force: bool = False
    uids: bool = False
    split: bool = False
    follow_links: bool = False
    alpha: float = 0.05
    threshold: float | None = None
    point: str | None = None
    workers: int = 0
    timeout: float = 300.0
    retry_failed: bool = False
    max_failed: float = 0.5
    watch: float = 0.0
    engine: Literal["local", "ray"] = "local"
    address: str | None = None
    device: str = "auto"
