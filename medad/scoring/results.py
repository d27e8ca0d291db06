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

import pyarrow as pa
import pyarrow.parquet as pq

from medad.files import writing
from medad.outputs.triage import About, Item, Worst, write_triage
from medad.scoring.columns import Columns
from medad.scoring.core.entries import CaseRow
from medad.scoring.core.flagging import FLAGS, Verdicts
from medad.scoring.core.settings import TABLE, TIMINGS
from medad.text import cell

PARQUET = "scores.parquet"
CHUNK = 10_000


def settings_digest(verdicts: Verdicts, **chosen: Any) -> str:
    """Return 16 hex digits: a digest of everything besides the model that decides about the rows."""
    text = json.dumps({**verdicts.values(), **chosen}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_results(rows: Iterable[CaseRow], out: Path, columns: Columns, title: str = "Batch scoring") -> Counter[str]:
    """Write the tables and the triage page from ``rows``, in their order, and return the number of rows by status.

    Each file is replaced as a whole or not at all.

    Raises:
        OSError: ``out`` cannot be written.
    """
    schema = columns.schema()
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
            values = columns.values(chunk)
            counts.update(values["status"])
            parquet.write_table(pa.table(values, schema))
            lines.writerows(zip(*(map(cell, values[name]) for name in schema.names), strict=True))
            _collect(worst, chunk, values, columns)
            times.writerows((cell(row.file), f"{row.entry.seconds:.3f}") for row in chunk)
    write_triage(out, worst, _about(columns, title))
    return counts


def _about(columns: Columns, title: str) -> About:
    """Return the content of the head of the triage page."""
    verdicts = columns.verdicts
    return About(
        model=columns.digests.model,
        settings=columns.digests.settings,
        score=verdicts.score,
        title=title,
        rules=verdicts.sentences(),
        scale=verdicts.card.color_scale(verdicts.map),
        chosen=verdicts.why_map,
        normals=verdicts.normals,
        alpha=verdicts.alpha if verdicts.normals else None,
        limit=verdicts.limit,
    )


def _collect(worst: Worst, rows: Sequence[CaseRow], values: Mapping[str, list[Any]], columns: Columns) -> None:
    """Add a chunk of rows, with the ``values`` of their columns, to the items of the triage page."""
    nothing = [None] * len(rows)
    name = columns.verdicts.score
    scores, p_values = (values.get(column, nothing) for column in (name, f"{name}_p"))
    flags = [values.get(flag, nothing) for flag in FLAGS]
    for place, row in enumerate(rows):
        hits = [flag[place] for flag in flags]
        uid = row.identifiers.of_case(row.level) if columns.uids else ""
        item = Item(
            file=row.file,
            case=f"{row.level} {uid}" if uid else f"{values['case'][place]} ({row.level})",
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


def _chunks(rows: Iterable[CaseRow]) -> Iterator[list[CaseRow]]:
    """Return ``rows`` in lists of at most ``CHUNK``."""
    following = iter(rows)
    while chunk := list(islice(following, CHUNK)):
        yield chunk
