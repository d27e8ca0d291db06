"""The final tables, written from the ledger's rows in chunks: memory does not grow with the folder.

``scores.csv`` and ``scores.parquet`` hold the same rows. Equal rows give equal bytes, however often the run was
interrupted; so the duration of each study, which differs between runs, is in ``timings.csv`` instead.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medad.files import writing
from medad.outputs.triage import About, Item, Worst, write_triage
from medad.scoring.flagging import FLAGGED_BY, FLAGS, Verdicts
from medad.scoring.index.entries import Row
from medad.scoring.settings import TABLE, TIMINGS
from medad.text import cell

PARQUET = "scores.parquet"
CHUNK = 10_000
_BEFORE = ("study", "file", "status", "reason", "files", "slices")
_AFTER = ("heatmap", "model", "settings")


def pseudonym(text: str) -> str:
    """Return 16 hex digits that stand for a study UID, or for the path of a file without a UID.

    The hash has no salt, so a study has the same pseudonym in all tables, and tables can be joined. Whoever has the UID
    can compute the pseudonym; the way back needs a list of UIDs.
    """
    return hashlib.sha256(b"medad study " + text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def settings_digest(verdicts: Verdicts, **chosen: Any) -> str:
    """Return 16 hex digits: a digest of everything besides the model that decides about the rows."""
    text = json.dumps({**verdicts.values(), **chosen}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_results(
    rows: Iterable[Row], out: Path, verdicts: Verdicts, digests: Mapping[str, str], title: str = "Batch scoring"
) -> Counter[str]:
    """Write the tables and the triage page from ``rows``, in their order, and return the number of rows by status.

    ``digests`` has the keys "model" and "settings". Each file is replaced as a whole or not at all.

    Raises:
        OSError: ``out`` cannot be written.
    """
    schema = _schema(verdicts)
    counts: Counter[str] = Counter()
    worst = Worst()
    with ExitStack() as opened:
        parts = [opened.enter_context(writing(out / name, exclusive=True)) for name in (TABLE, PARQUET, TIMINGS)]
        table = opened.enter_context(parts[0].open("w", encoding="utf-8", newline=""))
        parquet = opened.enter_context(pq.ParquetWriter(parts[1], schema))
        timings = opened.enter_context(parts[2].open("w", encoding="utf-8", newline=""))
        lines, times = csv.writer(table, lineterminator="\n"), csv.writer(timings, lineterminator="\n")
        lines.writerow(map(cell, schema.names))
        times.writerow(("file", "seconds"))
        for chunk in _chunks(rows):
            columns = _columns(chunk, verdicts, digests)
            counts.update(columns["status"])
            parquet.write_table(pa.table(columns, schema))
            lines.writerows(zip(*(map(cell, columns[name]) for name in schema.names), strict=True))
            _collect(worst, chunk, columns, verdicts)
            times.writerows((cell(row.file), f"{row.entry.seconds:.3f}") for row in chunk)
    write_triage(out, worst, _about(verdicts, digests, title))
    return counts


def _about(verdicts: Verdicts, digests: Mapping[str, str], title: str) -> About:
    """Return the content of the head of the triage page."""
    return About(
        model=digests["model"],
        settings=digests["settings"],
        score=verdicts.score,
        title=title,
        rules=verdicts.sentences(),
        scale=verdicts.card.color_scale(verdicts.map),
        chosen=verdicts.why_map,
        normals=verdicts.normals,
        alpha=verdicts.alpha if verdicts.normals else None,
        limit=verdicts.limit,
    )


def _collect(worst: Worst, rows: Sequence[Row], columns: Mapping[str, list[Any]], verdicts: Verdicts) -> None:
    """Add a chunk of rows to the items of the triage page."""
    nothing = [None] * len(rows)
    name = verdicts.score
    scores, p_values = (columns.get(column, nothing) for column in (name, f"{name}_p"))
    flags = [columns.get(flag, nothing) for flag in FLAGS]
    for place, row in enumerate(rows):
        hits = [values[place] for values in flags]
        item = Item(
            file=columns["file"][place],
            study=columns["study"][place],
            status=row.entry.status,
            reason=row.entry.reason,
            slices=row.entry.slices,
            score=scores[place],
            p=p_values[place],
            flag=None if hits == [None, None] else sum(bool(hit) << bit for bit, hit in enumerate(hits)),
            thumbnail=str(row.entry.facts.get("thumbnail", "")),
            heatmap=row.entry.heatmap,
        )
        worst.add(item)


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Return ``rows`` in lists of at most ``CHUNK``."""
    following = iter(rows)
    while chunk := list(islice(following, CHUNK)):
        yield chunk


def _schema(verdicts: Verdicts) -> pa.Schema:
    """Return the names and types of the table's columns, in order."""
    whole, words = ("files", "slices"), (*_BEFORE[:4], *_AFTER, FLAGGED_BY)
    names = [*_BEFORE, *verdicts.scores, *verdicts.columns(), *_AFTER]
    kinds = [
        pa.string() if name in words else pa.int32() if name in whole else pa.bool_() if name in FLAGS else pa.float64()
        for name in names
    ]
    return pa.schema(list(zip(names, kinds, strict=True)))


def _columns(rows: Sequence[Row], verdicts: Verdicts, digests: Mapping[str, str]) -> dict[str, list[Any]]:
    """Return the Python values of each column; None where a row has no value."""
    scored = [place for place, row in enumerate(rows) if row.entry.status == "scored"]
    scores_of_rows = [rows[place].entry.scores for place in scored]
    numbers = {name: np.array([scores[name] for scores in scores_of_rows], np.float64) for name in verdicts.scores}
    return {
        "study": [row.uid or pseudonym(row.file) for row in rows],
        "file": [row.file for row in rows],
        "status": [row.entry.status for row in rows],
        "reason": [row.entry.reason for row in rows],
        "files": [row.count for row in rows],
        "slices": [row.entry.slices for row in rows],
        **{
            name: _spread(values, scored, len(rows))
            for name, values in {**numbers, **verdicts.of(scores_of_rows)}.items()
        },
        "heatmap": [row.entry.heatmap for row in rows],
        "model": [digests["model"]] * len(rows),
        "settings": [digests["settings"]] * len(rows),
    }


def _spread(values: Any, places: Sequence[int], count: int) -> list[Any]:
    """Return ``count`` cells with ``values`` at ``places`` and None elsewhere."""
    cells: list[Any] = [None] * count
    for place, value in zip(places, values.tolist(), strict=True):
        cells[place] = value
    return cells
