"""Record batch scoring as a run: counts, shares and quantiles of the scores, but no name of a file or a patient."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from medad.files import write_csv
from medad.model import Model
from medad.scoring.core.flagging import FLAGS
from medad.scoring.core.settings import ScoreSettings
from medad.scoring.folder import Summary, score_folder
from medad.scoring.results import PARQUET
from medad.tracking import Run, Tracker

RECORDED = "scoring.csv"
QUANTILES = {"lowest": 0.0, "quantile_05": 0.05, "median": 0.5, "quantile_95": 0.95, "highest": 1.0}


def score_recorded(
    model: Model,
    folder: Path,
    out: Path,
    settings: ScoreSettings,
    tracker: Tracker,
    *,
    restart: bool = False,
    parent: Path | None = None,
) -> Summary:
    """Call :func:`medad.scoring.score_folder`, and record it as a run of ``tracker``.

    A call that is stopped is recorded as well. ``parent`` is the journal of the parent run, if there is one. For the
    errors see :func:`medad.scoring.score_folder`.
    """
    began, clock = time.time(), time.monotonic()
    score = settings.score or model.card.ranking_score(model.method.primary)
    with tracker.run("score", out, parent) as run:
        run.params(
            {
                "model": model.digest,
                "method": model.card.method,
                "score": score,
                **settings.model_dump(include={"alpha", "threshold", "point", "heatmaps", "force"}),
            }
        )
        try:
            return score_folder(model, folder, out, settings, restart=restart)
        finally:
            table = out / PARQUET
            if table.is_file() and table.stat().st_mtime >= int(began):  # written by this run, not by an earlier one
                _record(run, table, score, time.monotonic() - clock)


def _record(run: Run, table: Path, score: str, seconds: float) -> None:
    """Record metrics and a small table that summarize ``table``."""
    counts, flagged, values = _read(table, score)
    scored = counts["scored"]
    figures = {status: float(counts[status]) for status in ("scored", "skipped", "failed")}
    figures |= {"flagged": float(flagged), "flagged_share": flagged / scored if scored else 0.0, "seconds": seconds}
    for name, value in figures.items():
        run.metric(name, value)
    distribution = (
        {f"{score}_{name}": float(np.quantile(values, at)) for name, at in QUANTILES.items()} if scored else {}
    )
    write_csv(run.folder / RECORDED, ("what", "value"), list((figures | distribution).items()))
    run.table(run.folder / RECORDED)


def _read(table: Path, score: str) -> tuple[Counter[str], int, NDArray[np.float64]]:
    """Return the number of rows by status, the number of flagged studies, and the scores of the scored ones (N,)."""
    file = pq.ParquetFile(table)
    flags = [name for name in FLAGS if name in file.schema_arrow.names]
    counts: Counter[str] = Counter()
    flagged, values = 0, [np.empty(0)]
    for batch in file.iter_batches(columns=["status", score, *flags]):
        rows = batch.to_pandas()
        counts.update(rows["status"])
        rows = rows[rows["status"] == "scored"]
        values.append(rows[score].to_numpy(np.float64))
        flagged += int(rows[flags].fillna(False).astype(bool).any(axis=1).sum())
    return counts, flagged, np.concatenate(values)
