"""The settings of batch scoring, and the names of its output files. Needs no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from medad.config import Strict
from medad.outputs.dicom import KINDS
from medad.types import MedadError

LEDGER = "ledger.sqlite"
TABLE = "scores.csv"
TIMINGS = "timings.csv"
HEATMAPS = "heatmaps"


class ScoringError(MedadError):
    """A folder that cannot be scored, or a run that was stopped."""


class FolderAway(ScoringError):
    """A folder that cannot be read, or that is empty but held files before: its network share is probably offline."""


class ScoreSettings(Strict):
    """The settings of batch scoring: a field is an option of 'medad score', with this default and description.

    ``alpha``, ``threshold``, ``point``, ``dicom``, and the fields from ``workers`` on change no score, and may differ
    between runs with the same output folder; heatmaps of earlier runs are adapted to new rules.
    """

    score: str = Field(
        default="", description="Score that ranks and flags; default: the one that the model's card names."
    )
    map: str = Field(default="", description="Score whose map is drawn; default: the one that the model's card names.")
    heatmaps: Literal["flagged", "all", "none"] = Field(
        default="flagged",
        description="Cases to draw on the grid of their source (a second and 10 MB for a large radiograph). All scored "
        "cases get a thumbnail.",
    )
    alpha: float = Field(default=0.05, description="Flag p-values up to this, if the model has calibration scores.")
    threshold: float | None = Field(default=None, description="Flag scores above this.")
    point: str | None = Field(default=None, description="Flag scores from this operating point of the model on.")
    dicom: str = Field(
        default="",
        description="DICOM objects to write to OUT/dicom for each scored DICOM case, such as seg,sr. The only output "
        f"that carries the patient's identity. Each case is scored twice. Kinds: {', '.join(KINDS)}.",
    )
    force: bool = Field(default=False, description="Score also what is unlike the training images.")
    uids: bool = Field(
        default=False,
        description="Put StudyInstanceUID, SeriesInstanceUID and SOPInstanceUID into the table, not only keys.",
    )
    split: bool = Field(
        default=False, description="Score each volume of a 4-D file, and each page of a TIFF, by itself."
    )
    follow_links: bool = Field(default=False, description="Follow links to files outside the folder.")
    workers: int = Field(default=0, ge=0, description="Processes that read; 0: one for each core.")
    timeout: float = Field(default=300.0, ge=1, description="Seconds that reading one file may take.")
    retry_failed: bool = Field(default=False, description="Try again what failed before.")
    max_failed: float = Field(
        default=0.5, ge=0, le=1, description="Stop once more than this share of all images failed; from 100 on."
    )
    watch: float = Field(
        default=0.0, ge=0, description="Go on with what arrives, looking this often, in seconds; 0: once."
    )
    engine: Literal["local", "ray"] = Field(
        default="local", description="ray: on a cluster; needs pip install 'medad[ray]'."
    )
    address: str | None = Field(default=None, description="Address of the Ray cluster; default: one on this machine.")
    device: str = Field(default="auto", description="cpu, cuda, cuda:1, ... or auto: a GPU if there is one.")

    @field_validator("dicom")
    @classmethod
    def _kinds(cls, names: str) -> str:
        """Return the kinds of DICOM objects in one order, each once."""
        chosen = {name.strip() for name in names.split(",")} - {""}
        if unknown := chosen - set(KINDS):
            raise ValueError(f"no DICOM object {min(unknown)!r}: choose from {', '.join(KINDS)}, separated by commas")
        return ",".join(kind for kind in KINDS if kind in chosen)

    @property
    def dicom_kinds(self) -> tuple[str, ...]:
        """The kinds of DICOM objects to write; () for none."""
        return tuple(filter(None, self.dicom.split(",")))
