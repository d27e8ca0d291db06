"""Read the result rows of an experiment without heavy imports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medad.config import Evaluation
from medad.results.row import ResultRow

RESULT = "result.json"
CHARTED = ("auc", "auc_adjusted", "ap", "pixel_auc", "pixel_ap", "pixel_aupro")


def finished(folder: Path, evaluation: Evaluation | None = None) -> list[ResultRow] | None:
    """Return the result rows in ``folder``, or None if they are missing or have other ``evaluation`` settings."""
    if not (folder / RESULT).is_file():
        return None
    content = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    if evaluation is not None and content.get("evaluation") != evaluation.model_dump(mode="json"):
        return None
    rows: list[ResultRow] = content["rows"]
    return rows


def charted(row: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a result row that have a chart in MLflow; all others are in the table only."""
    return {key: float(row[key]) for key in CHARTED if row.get(key) is not None}
