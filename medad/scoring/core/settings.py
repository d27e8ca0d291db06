"""The settings of batch scoring, and the names of its output files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medad.types import MedadError

LEDGER = "ledger.sqlite"
TABLE = "scores.csv"
TIMINGS = "timings.csv"
HEATMAPS = "heatmaps"


class ScoringError(MedadError):
    """A folder that cannot be scored, or a run that was stopped."""


class FolderAway(ScoringError):
    """A folder that cannot be read, or that is empty but held files before: its network share is probably offline."""


@dataclass(frozen=True)
class ScoreSettings:
    """How a folder is scored.

    ``score`` ranks and flags studies; the map of the score ``map`` is drawn; "" takes the choice of the model's card.
    ``heatmaps`` says which studies get a heatmap on the grid of their source; all scored studies get a thumbnail.
    ``force`` also scores studies that the gate would refuse. ``uids`` writes the UIDs of DICOM images and series into
    the table instead of pseudonyms. ``split`` scores each volume of a 4-D file and each page of a TIFF as a study of
    its own; without it such files are refused. ``follow_links`` includes links to files outside the folder.

    The other settings change no score, and may differ between runs with the same output folder. ``alpha``,
    ``threshold`` and ``point`` (an operating point of the model) define what is flagged; the heatmaps of earlier runs
    are adapted to them. ``workers`` is the number of worker processes (0: one for each core); ``timeout`` the seconds
    for one file; ``retry_failed`` tries again what failed in an earlier run; ``max_failed`` is the share of failures
    above which the run stops; ``watch`` the seconds between two scans of a folder that is being filled (0: one scan);
    ``engine`` is where studies are scored; ``address`` is the address of a Ray cluster, and ``device`` the device of
    its scorers (the local engine scores on the device of the model).
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
