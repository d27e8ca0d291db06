"""Read one finished experiment from its folder, which may be incomplete or damaged."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medad.functional.intervals import CONFIDENCE
from medad.parsing import JSON_BYTES, ParseError, parse_json, read_text
from medad.results.cases import read_cases
from medad.results.names import CASES, PICTURE_INDEX, PICTURES, RESULT
from medad.results.row import ResultRow, checked_row, finite

PNG = b"\x89PNG\r\n\x1a\n"
PICTURE_BYTES = 2**20  # maximum; pictures of cases are far smaller


@dataclass(frozen=True)
class Cell:
    """One finished experiment: its settings, its result rows and the other contents of its folder.

    ``cases`` is the table of test cases, ``card`` the model's card, ``pictured`` the index of the case pictures; each
    is None if the file is missing or unreadable, and ``gaps`` has a sentence for it. ``metrics`` (step, value) and
    ``facts`` come from the records of its runs. ``evaluation`` are the evaluation settings of the result.
    ``acquisition`` are sentences on differences between the groups of studies.
    """

    folder: Path
    experiment: dict[str, Any]
    rows: list[ResultRow]
    cases: pd.DataFrame | None
    card: dict[str, Any] | None
    pictured: dict[str, Any] | None
    metrics: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)
    evaluation: dict[str, Any] = field(default_factory=dict)
    acquisition: list[str] = field(default_factory=list)

    @property
    def seed(self) -> int:
        """The seed of the experiment."""
        return int(self.rows[0].get("seed") or 0)

    @property
    def source(self) -> dict[str, Any]:
        """The source of the training data from the model's card; empty if the card has none."""
        source = (self.card or {}).get("trained_on")
        return source if isinstance(source, dict) else {}

    @property
    def held_out(self) -> dict[str, NDArray[np.float64]]:
        """The scores (n,) of the normals held out for calibration, by the name of each tested score."""
        calibration = (self.card or {}).get("calibration")
        scores = (
            {name: _numbers(calibration.get(name)) for name in self.scores} if isinstance(calibration, dict) else {}
        )
        return {name: values for name, values in scores.items() if len(values)}

    @property
    def confidence(self) -> float:
        """The confidence level of the intervals."""
        return float(self.rows[0].get("confidence") or CONFIDENCE)

    @property
    def scores(self) -> list[str]:
        """The names of the scores that have a column in the table of cases."""
        columns = () if self.cases is None else self.cases.columns
        return [row["score"] for row in self.rows if row["score"] in columns]

    @property
    def primary(self) -> str:
        """The score that represents the method: the one marked in the rows, else the one that chose the pictures."""
        marked = [row["score"] for row in self.rows if row.get("primary")]
        pictured = (self.pictured or {}).get("score")
        names = [row["score"] for row in self.rows]
        return (marked or [name for name in names if name == pictured] or names)[-1]

    @property
    def trivial(self) -> bool:
        """Whether the method is a trivial baseline."""
        return any(row.get("trivial") for row in self.rows)

    def judged(self, score: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return labels and scores, (N,) each, of the cases that have both; several networks give their mean score."""
        if self.cases is None:
            return np.empty(0, np.int64), np.empty(0)
        scored = self.cases[self.cases["label"].isin([0, 1]) & np.isfinite(self.cases[score])]
        return scored["label"].to_numpy(np.int64), scored[score].to_numpy(np.float64)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in ``path``, or None if it cannot be read or is not an object."""
    try:
        content = parse_json(read_text(path, JSON_BYTES), str(path), finite=False)
    except ParseError:
        return None
    return content if isinstance(content, dict) else None


def read_cell(folder: Path) -> tuple[Cell | None, str]:
    """Return the cell in ``folder`` and "", or None and the reason why it cannot be read."""
    result = read_json(folder / RESULT)
    raw_rows = result.get("rows") if result else None
    checked = [checked_row(row) for row in raw_rows] if isinstance(raw_rows, list) else []
    rows = [row for row in checked if row is not None]
    if not result or not rows or len(rows) < len(checked):
        return None, "damaged: its result.json cannot be read"
    gaps: list[str] = []
    cases = read_cases(folder / CASES, [row["score"] for row in rows])
    if cases is None:
        gaps.append("There is no readable cases.csv: no curves, histograms, subgroups or comparisons.")
    card = read_json(folder / "model" / "model.json") or read_json(folder / "model.json")
    if card is None:
        gaps.append("There is no model folder beside the results: no model card.")
    index = read_json(folder / PICTURES / PICTURE_INDEX)
    experiment, evaluation = (_mapping(result.get(key)) for key in ("experiment", "evaluation"))
    sentences = [*_texts((card or {}).get("acquisition_notes")), *_texts(result.get("acquisition"))]
    return Cell(folder, experiment, rows, cases, card, index, *read_records(folder), gaps, evaluation, sentences), ""


def _texts(values: object) -> list[str]:
    """Return the texts of a list; anything else is left out."""
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _numbers(values: object) -> NDArray[np.float64]:
    """Return a list of finite numbers as an array (n,); anything else gives an empty array."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        return np.empty(0)
    return array if array.ndim == 1 and np.isfinite(array).all() else np.empty(0)


def read_records(folder: Path) -> tuple[dict[str, list[tuple[int, float]]], dict[str, str]]:
    """Return the metrics by step and the tags of the runs recorded in ``folder``/runs; damaged lines are skipped."""
    metrics: dict[str, dict[int, float]] = {}
    facts: dict[str, str] = {}
    for path in sorted(folder.glob("runs/*.jsonl")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                event = parse_json(line, str(path), finite=False)
                if event["kind"] == "metric" and finite(event["value"]) is not None:
                    metrics.setdefault(str(event["name"]), {})[int(event["step"])] = event["value"]
                elif event["kind"] == "begin":
                    facts |= {str(key): str(value) for key, value in event["tags"].items()}
            except (ParseError, ValueError, TypeError, KeyError, AttributeError):
                continue
    return {name: sorted(line.items()) for name, line in metrics.items()}, facts


def read_picture(cell: Cell, name: object) -> bytes | None:
    """Return the picture ``name`` of the cell's index, or None unless it is a small PNG inside the picture folder."""
    if not isinstance(name, str) or Path(name).name != name:
        return None
    path = cell.folder / PICTURES / name
    if path.is_symlink() or not path.is_file() or path.stat().st_size > PICTURE_BYTES:
        return None
    content = path.read_bytes()
    return content if content.startswith(PNG) else None
