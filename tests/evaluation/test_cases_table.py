"""cases.csv: names are text in a spreadsheet, seen as they are, and come back where medad reads them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, cast

import numpy as np

from medad.experiments.test_scores import TestScores as Collected
from medad.experiments.test_scores import write_cases
from medad.results.cases import read_cases
from medad.types import Study

IDS = ["=cmd()|x", "+1.png", "a\u202egnp.exe", "b\u2028c\n", "plain.png"]
SEEN = ["=cmd()|x", "+1.png", "a\\u202egnp.exe", "b\\u2028c\\x0a", "plain.png"]


def test_no_name_is_computed_or_hidden_and_all_come_back(tmp_path: Path) -> None:
    studies = tuple(
        Study(name, (Path("x"),), "p", 0, attributes=(("scanner", "@A"), ("age", "-5"), ("=site", "\u2066B")))
        for name in IDS
    )
    scores = np.array([[-1.5], [0.25], [3.0], [1e-7], [2.0]])
    write_cases(tmp_path / "cases.csv", Collected(studies, {"rec": scores}, {}, (None,) * 5, cast(Any, None)))
    with (tmp_path / "cases.csv").open(encoding="utf-8", newline="") as file:
        headings, *rows = list(csv.reader(file))
    assert headings == ["id", "label", "patient", "attr:scanner", "attr:age", "attr:=site", "rec"]
    assert [row[0] for row in rows] == ["'=cmd()|x", "'+1.png", *SEEN[2:]]
    assert {tuple(row[1:6]) for row in rows} == {("0", "p0001", "'@A", "-5", "\\u2066B")}
    assert [float(row[6]) for row in rows] == scores[:, 0].tolist()
    assert (tmp_path / "cases.csv").read_text(encoding="utf-8").count("\n") == 6

    table = read_cases(tmp_path / "cases.csv", ["rec"])
    assert table is not None
    assert table["id"].tolist() == SEEN
    assert set(table["attr:scanner"]) == {"@A"}
    assert table["rec"].tolist() == scores[:, 0].tolist()
