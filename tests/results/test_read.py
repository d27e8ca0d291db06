"""Results read back: groups, the score that stands for a method, scores by network; nothing is trusted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.making_results import write_cell

from medad.results.cases import columns_of, member_columns, read_cases, scores_of
from medad.results.names import CASES, RESULT
from medad.results.read import NoResults, read_results
from medad.results.row import checked_row, number_of


def test_a_folder_is_groups_that_differ_in_more_than_the_seed(tmp_path: Path) -> None:
    for seed in (1, 0):
        write_cell(tmp_path, seed=seed, pictures=False)
    write_cell(tmp_path, rate=0.2, pictures=False)
    write_cell(tmp_path, method="pca", network="-", shifts={"rec": 0.2}, pictures=False)
    groups = read_results(tmp_path).groups
    assert [group.system for group in groups] == ["ddad/ae, anomaly rate 0.2", "ddad/ae, anomaly rate 0.6", "pca"]
    assert [[cell.seed for cell in group.cells] for group in groups] == [[0], [0, 1], [0]]
    assert [group.first.trivial for group in groups] == [False, False, True]
    with pytest.raises(NoResults, match="no such folder"):
        read_results(tmp_path / "none")


def test_the_score_that_stands_for_a_method_is_the_marked_one(tmp_path: Path) -> None:
    cell = write_cell(tmp_path, shifts={"rec": 0.2, "inter": 0.4, "intra": 0.1})
    content = json.loads((cell / RESULT).read_text())

    def primary(marked: str | None) -> str:
        for row in content["rows"]:
            row.pop("primary", None)
            if marked is not None:
                row["primary"] = row["score"] == marked
        (cell / RESULT).write_text(json.dumps(content))
        return read_results(tmp_path).groups[0].first.primary

    assert primary("inter") == "inter"
    assert primary(None) == "intra", "of an older result: the one that chose the pictures"


def test_a_score_of_several_networks_has_a_column_for_each(tmp_path: Path) -> None:
    table = {"id": ["a", "b"], "label": [0, 1], "single": [1.5, 3.0], "single.0": [1.0, 2.0], "single.1": [2.0, 4.0]}
    pd.DataFrame({**table, "single.x": ["?", "?"]}).to_csv(tmp_path / CASES, index=False)
    cases = read_cases(tmp_path / CASES, ["single"])
    assert cases is not None
    assert columns_of("single", cases.columns) == member_columns("single", 2) == ["single.0", "single.1"]
    np.testing.assert_array_equal(scores_of(cases, "single"), [[1, 2], [2, 4]])
    assert columns_of("rec", ["rec"]) == ["rec"]


def test_a_row_holds_what_its_keys_say_or_is_none() -> None:
    good = {"dataset": "d", "method": "m", "score": "s", "auc": 0.5, "ap": 0.5}
    row = checked_row(
        {**good, "primary": "yes", "trivial": True, "title": 7, "auc_low": "x", "pixel_auc": float("inf")}
    )
    assert row is not None
    assert (row["primary"], row["trivial"], row["title"], row["auc_low"]) == (False, True, "7", None)
    assert (number_of(row, "auc"), number_of(row, "pixel_auc"), number_of(row, "nothing")) == (0.5, None, None)
    assert checked_row({**good, "auc": float("nan")}) is not None
    for bad in ([], "row", {"dataset": "d"}, None):
        assert checked_row(bad) is None
