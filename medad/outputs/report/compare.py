"""Build tables of the paired tests of a folder, with the same values as ``medad compare``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medad.evaluation.comparisons import Comparisons
from medad.outputs.report.table import Block, Column, Row, Table, interval, number, text
from medad.outputs.tables import p_value

SHOWN = 20  # rows of a table on the page; the CSV file has all rows
LEVEL = 0.05
CAPTIONS = {"method": "methods, each by the score that stands for it", "score": "scores of one method"}


def comparison_tables(questions: Sequence[Comparisons]) -> list[Table]:
    """Return a table for each question and dataset, which form a family of tests."""
    return [table for comparisons in questions for table in _tables(comparisons)]


def _tables(comparisons: Comparisons) -> Iterator[Table]:
    rows = comparisons.rows()
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        family = [row for row in rows if row["dataset"] == dataset]
        caption = f"{dataset}: {CAPTIONS[comparisons.by]}"
        tested = sorted((row for row in family if row["p"] is not None), key=lambda row: (row["p_holm"], row["p"]))
        untested = [row for row in family if row["p"] is None]
        ordered = [*tested, *untested]
        yield Table(
            "comparisons",
            caption,
            _columns(f"{comparisons.confidence:.0%} interval"),
            [Block("", ordered[:SHOWN])],
            {"family": caption},
            _note(tested, untested),
            left_out=ordered[SHOWN:],
        )


def _note(tested: Sequence[Row], untested: Sequence[Row]) -> str:
    different = sum(row["p_holm"] < LEVEL for row in tested)
    parts = [f"{different} of {len(tested)} tests show a difference (Holm corrected p < {LEVEL:g})"]
    if tested:
        cases = " or ".join(dict.fromkeys(f"{row['n_normal']} + {row['n_abnormal']}" for row in tested))
        by_patient = ", clustered by patient" if any(row["clusters"] == "patients" for row in tested) else ""
        parts.append(f", on {cases} (normal + abnormal) cases{by_patient}")
    parts.append(".")
    if untested:
        parts.append(f" Not tested: {'; '.join(dict.fromkeys(str(row['note']) for row in untested))}.")
    if len(tested) + len(untested) > SHOWN:
        parts.append(f" The {SHOWN} with the lowest p are shown; the CSV file has all.")
    return "".join(parts)


def _columns(sure: str) -> list[Column]:
    return [
        Column("first", text("first"), number=False),
        Column("second", text("second"), number=False),
        Column("metric", lambda row: str(row["metric"]).upper(), number=False),
        Column("first", number("value_first")),
        Column("second", number("value_second")),
        Column(f"difference ({sure})", interval("difference", "low", "high", joint=" to ")),
        Column("p", lambda row: p_value(row["p"])),
        Column("p, Holm", lambda row: p_value(row.get("p_holm"))),
    ]
