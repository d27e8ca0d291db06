"""What is found against a result: each kind where it is, and nothing where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.making_studies import make_experiment, make_pools, run_one

from medad.evaluation.findings import MEANINGS, finding_kinds, finding_lines, findings, primary_findings
from medad.evaluation.summary import seed_summary
from medad.experiments.spread import MapSpread, score_spread
from medad.outputs.tables import result_lines, warning_lines

GOOD: dict[str, Any] = {
    **{"dataset": "toy", "split": "custom split", "method": "ddad", "variant": "-", "network": "ae", "seed": 0},
    **{"score": "r_dual", "title": "refined", "anomaly_rate": 0.6, "n_normal": 40, "n_abnormal": 40},
    **{"auc": 0.8, "auc_low": 0.7, "auc_high": 0.9, "ap": 0.8, "auc_std": None, "ap_std": None},
    **{"normal_spread": 0.4, "map_contrast": 0.6, "loss_fall": 0.02, "primary": True},
    **{"pixel_auc_each": 0.8, "pixel_auc_each_low": 0.7, "pixel_auc_each_high": 0.9},
}
BAD: dict[str, dict[str, Any]] = {
    "no_separation": {"auc": 0.527, "auc_low": 0.42, "auc_high": 0.63},
    "inverted": {"auc": 0.386, "auc_low": 0.29, "auc_high": 0.49},
    "equal_scores": {"normal_spread": 1e-6},
    "loss_falling": {"loss_fall": 0.2},
    "flat_maps": {"map_contrast": 0.01},
    "maps_at_chance": {"pixel_auc_each": 0.5, "pixel_auc_each_low": 0.45, "pixel_auc_each_high": 0.55},
    "maps_inverted": {"pixel_auc_each": 0.3, "pixel_auc_each_low": 0.2, "pixel_auc_each_high": 0.4},
}


def test_nothing_is_said_against_a_good_result_or_of_what_is_not_known() -> None:
    assert findings(GOOD) == []
    assert findings({"auc": 0.4, "auc_low": None, "auc_high": None, "loss_fall": None}) == []
    assert findings({key: float("nan") for key in GOOD}) == []


@pytest.mark.parametrize("kind", BAD)
def test_each_kind_is_found_by_itself(kind: str) -> None:
    row = {**GOOD, **BAD[kind]}
    (finding,) = findings(row)
    assert (finding.kind, finding_kinds(row)) == (kind, kind)
    assert finding.separates == (kind not in ("no_separation", "inverted"))
    assert any(character.isdigit() for character in finding.detail)
    assert finding_lines([row]) == [f"{MEANINGS[kind]}: ddad/ae r_dual ({finding.detail})"]
    assert [one.kind for one in primary_findings([{**row, "primary": False, "score": "rec"}, GOOD, row])] == [kind]


def test_the_printed_table_has_a_mark_and_a_line_below() -> None:
    rows = [GOOD, {**GOOD, "score": "rec", **BAD["no_separation"], **BAD["loss_falling"]}]
    cells = [line[5] for line in result_lines(rows)[1]]
    assert cells == ["r_dual", "rec (!)"]
    said = warning_lines(rows)
    assert len(said) == 2
    assert "ddad/ae rec (AUC 0.527 [0.420, 0.630])" in said[0]
    assert "still falling" in said[1]


def test_of_several_seeds_the_mean_separates_and_the_worst_training_counts() -> None:
    other = {**GOOD, "seed": 1, "auc": 0.6, "auc_low": 0.4, "auc_high": 0.7, "loss_fall": 0.3}
    summary = seed_summary([GOOD, other])
    assert (summary["auc"], summary["auc_low"], summary["auc_high"]) == pytest.approx((0.7, 0.55, 0.8))
    assert finding_kinds(summary) == "loss_falling"


def test_a_sentence_names_some_scores_and_counts_the_others() -> None:
    rows = [{**GOOD, "score": f"s{place}", "loss_fall": 0.5} for place in range(20)]
    (line,) = finding_lines(rows)
    assert line.endswith("and 8 more")
    assert "s11" in line
    assert "s12" not in line


def test_an_interval_of_a_mean_needs_one_of_every_seed() -> None:
    assert seed_summary([GOOD, {**GOOD, "auc_low": None, "auc_high": None}])["auc_low"] is None


def test_maps_are_flat_where_their_pixels_differ_little_against_the_scale() -> None:
    def contrast(*maps: np.ndarray) -> float:
        spread = MapSpread()
        for one in maps:
            spread.add(one.astype(np.float32))
        return spread.contrast()

    rng = np.random.default_rng(0)
    noise = rng.random((2, 32, 32))
    assert contrast(np.full((1, 8, 8), 0.7)) == 0
    assert contrast(np.zeros((1, 8, 8))) == 0
    assert contrast(0.4 + 0.005 * noise) < 0.02, "flat yellow"
    assert contrast(noise) > 0.9
    assert contrast(1e-9 * noise) > 0.9, "of whatever unit"
    assert contrast(-noise) > 0.9
    assert contrast(*[0.001 * noise] * 8, 100 * noise) > 0.9, "normal maps are faint beside abnormal ones"
    assert contrast(*[np.ones((1, 8, 8))] * 19, noise[:1]) < 0.05, "one lively map among flat ones"


def test_scores_are_all_but_equal_against_their_size() -> None:
    rng = np.random.default_rng(0)
    assert score_spread(np.ones(20)) == 0
    assert score_spread(np.zeros(20)) == 0
    assert score_spread(0.47 + 1e-5 * rng.random(50)) < 0.001
    assert score_spread(1e-8 * rng.random(50)) > 0.5
    assert score_spread(rng.normal(0, 1, 50)) > 0.5


def test_a_run_writes_its_findings_to_the_rows_the_table_and_the_record(tmp_path: Path) -> None:
    """DDAD after one epoch on a few pictures: too little training, and said so. PCA beside it trains nothing."""
    pools = make_pools(tmp_path / "images")
    made = make_experiment("ddad", members=2, epochs=1, refine_epochs=1, refine_batch_size=4, scores=("rec", "single"))
    rows, _ = run_one(made, pools, tmp_path / "ddad")
    assert all("loss_falling" in row["findings"] for row in rows)
    assert [row["primary"] for row in rows] == [False, True]
    assert "loss_falling" in pd.read_csv(tmp_path / "ddad" / "results.csv")["findings"][0]
    assert "loss_falling" in (tmp_path / "ddad" / "runs" / "cell.jsonl").read_text()
    cases = pd.read_csv(tmp_path / "ddad" / "cases.csv")
    assert list(cases.columns)[-3:] == ["single", "single.0", "single.1"]
    np.testing.assert_allclose(cases["single"], cases[["single.0", "single.1"]].mean(axis=1))
    (row,), _ = run_one(make_experiment("pca"), pools, tmp_path / "pca")
    assert (row["loss_fall"], row["trivial"], row["primary"]) == (None, True, True)
    assert 0.5 < row["pixel_auc_each_low"] <= row["pixel_auc_each"] <= row["pixel_auc_each_high"] <= 1
    assert row["findings"] == ""
