"""Result rows: what they say, where it comes from, and that it stays with its study."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.making_studies import make_experiment, make_pools, run_one
from sklearn.metrics import average_precision_score, roc_auc_score

from medad.config import Evaluation
from medad.evaluation.ranking import clusters_of, judge
from medad.functional.delong import auc_interval
from medad.functional.intervals import UndefinedMetric
from medad.functional.proportions import proportion
from medad.methods.pca import PCA
from medad.model import CARD, load
from medad.outputs.tables import result_lines
from medad.results.finished import finished
from medad.splits import Pools
from medad.types import Study

QUICK = Evaluation(resamples=100)


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Pools:
    return make_pools(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def cell(pools: Pools, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    folder = tmp_path_factory.mktemp("cell")
    rows, _ = run_one(make_experiment(calibration=0.3, evaluation={"prevalence": 0.05}), pools, folder)
    return folder, rows[0]


def test_a_row_is_what_the_table_of_cases_says(cell: tuple[Path, dict[str, object]]) -> None:
    folder, row = cell
    cases = pd.read_csv(folder / "cases.csv", keep_default_na=False)
    assert list(cases.columns) == ["id", "label", "patient", "attr:scanner", "rec"]
    assert row["auc"] == pytest.approx(roc_auc_score(cases["label"], cases["rec"]))
    assert row["ap"] == pytest.approx(average_precision_score(cases["label"], cases["rec"]))
    assert row["auc_low"] < row["auc_high"]
    assert row["ap_low"] <= row["ap"] <= row["ap_high"]
    assert (row["n_normal"], row["n_abnormal"], row["n_patients"], row["clusters"]) == (8, 6, 7, "patients")
    assert json.loads((folder / "result.json").read_text())["rows"] == [row]
    assert all(not isinstance(value, (dict, list)) for value in row.values())


def test_the_table_of_cases_numbers_patients_and_names_none(cell: tuple[Path, dict[str, object]]) -> None:
    cases = pd.read_csv(cell[0] / "cases.csv")
    assert list(cases["patient"]) == [f"p000{1 + i // 2}" for i in range(8)] + [f"p000{5 + i // 2}" for i in range(6)]
    assert list(cases["attr:scanner"]) == list("AB" * 7)
    assert "T0" not in (cell[0] / "cases.csv").read_text()


def test_operating_points_are_those_of_the_held_out_normals(cell: tuple[Path, dict[str, object]]) -> None:
    folder, row = cell
    card = load(folder / "model").card
    calibration = np.array(card.calibration["rec"])
    assert len(calibration) == 10
    assert (np.diff(calibration) >= 0).all()
    assert card.thresholds == {"rec": {"spec80": row["spec80_threshold"]}}
    assert row["spec80_threshold"] == calibration[-2]  # floor(0.2 * 11) = 2
    cases = pd.read_csv(folder / "cases.csv")
    flagged = cases["rec"] > row["spec80_threshold"]
    assert row["spec80_sensitivity"] == flagged[cases["label"] == 1].mean()
    assert row["spec80_specificity"] == 1 - flagged[cases["label"] == 0].mean()
    owner = cases.loc[cases["label"] == 1, "patient"].factorize()[0]
    expected = proportion(flagged[cases["label"] == 1].to_numpy(), owner)
    assert (row["spec80_sensitivity_low"], row["spec80_sensitivity_high"]) == (expected.low, expected.high)
    sens, spec = row["spec80_sensitivity"], row["spec80_specificity"]
    assert row["spec80_ppv"] == pytest.approx(0.05 * sens / (0.05 * sens + 0.95 * (1 - spec)))
    assert row["spec80_ppv_low"] <= row["spec80_ppv"] <= row["spec80_ppv_high"]
    assert row["prevalence"] == 0.05


def test_pixels_are_measured_where_there_are_masks(cell: tuple[Path, dict[str, object]]) -> None:
    folder, row = cell
    assert row["n_masks"] == 6
    assert row["pixel_auc"] > 0.8, "squares of 250 on a smooth picture are found"
    assert 0 <= row["pixel_dice"] <= row["pixel_dice_oracle"] <= 1
    assert row["pixel_threshold"] == load(folder / "model").card.map_threshold["rec"]
    assert all(0 <= row[f"pixel_{name}"] <= 1 for name in ("ap", "f1_max", "aupro"))
    assert "pointing" not in row


def test_boxes_are_pointed_at_and_not_measured(pools: Pools, tmp_path: Path) -> None:
    boxed = tuple(replace(study, mask_kind="boxes") for study in pools.test_abnormal)
    rows, _ = run_one(make_experiment("max_intensity"), replace(pools, test_abnormal=boxed), tmp_path)
    assert (rows[0]["pointing"], rows[0]["n_boxes"]) == (1.0, 6)
    assert 0.5 < rows[0]["pointing_low"] < rows[0]["pointing_high"] == 1.0
    assert not any(key.startswith("pixel_") for key in rows[0])


def test_without_masks_patients_or_held_out_normals_nothing_is_made_up(pools: Pools, tmp_path: Path) -> None:
    bare = {
        part: tuple(replace(study, mask=None, patient=None, attributes=()) for study in getattr(pools, part))
        for part in ("test_normal", "test_abnormal")
    }
    rows, _ = run_one(make_experiment("max_intensity"), replace(pools, **bare), tmp_path)
    assert rows[0]["n_patients"] is None
    assert rows[0]["clusters"] == "studies"
    assert not any(key.startswith(("pixel_", "pointing", "spec", "sens")) for key in rows[0])
    assert list(pd.read_csv(tmp_path / "cases.csv").columns) == ["id", "label", "patient", "max"]


def test_an_unreadable_test_study_takes_no_other_ones_score(pools: Pools, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    bad = Study("broken", (broken,), label=0)
    first = pools.test_normal
    experiment = make_experiment("max_intensity")
    run_one(
        experiment, replace(pools, test_normal=(*first[:3], bad, *first[3:])), tmp_path / "bad", skip_unreadable=True
    )
    run_one(experiment, pools, tmp_path / "good")
    bad_cases, good_cases = (pd.read_csv(tmp_path / name / "cases.csv") for name in ("bad", "good"))
    pd.testing.assert_frame_equal(bad_cases, good_cases)


def test_a_few_studies_are_in_memory_at_a_time(pools: Pools, tmp_path: Path) -> None:
    _, loader = run_one(make_experiment("max_intensity", batch_size=3), pools, tmp_path)
    assert max(map(len, loader.asked)) <= 3


def test_another_evaluation_judges_anew_and_trains_nothing(
    pools: Pools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_experiment(calibration=0.5)
    rows, _ = run_one(first, pools, tmp_path)
    assert finished(tmp_path, first.evaluation) == rows
    monkeypatch.setattr(PCA, "fit", lambda *_, **__: pytest.fail("it is trained already"))
    second = make_experiment(calibration=0.5, evaluation={"prevalence": 0.1, "specificities": (0.9,)})
    assert second.name("x") == first.name("x")
    assert finished(tmp_path, second.evaluation) is None
    again, _ = run_one(second, pools, tmp_path)
    assert again[0]["auc"] == rows[0]["auc"]
    assert "spec90_ppv" in again[0]
    assert "spec80_threshold" not in again[0]
    assert list(json.loads((tmp_path / "model" / CARD).read_text())["thresholds"]["rec"]) == ["spec90"]


def test_networks_that_are_judged_one_by_one_give_mean_deviation_and_one_interval() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [40, 30])
    scores = rng.normal(0, 1, (70, 3)) + labels[:, None] * [0.5, 1.0, 1.5]
    row = judge(labels, scores, [None] * 70, {}, QUICK)
    aucs = [roc_auc_score(labels, column) for column in scores.T]
    aps = [average_precision_score(labels, column) for column in scores.T]
    assert row["auc"] == pytest.approx(np.mean(aucs))
    assert row["auc_std"] == pytest.approx(np.std(aucs, ddof=1))
    assert row["ap"] == pytest.approx(np.mean(aps))
    assert row["ap_std"] == pytest.approx(np.std(aps, ddof=1))
    expected = auc_interval(labels, scores)
    assert (row["auc_low"], row["auc_high"]) == (expected.low, expected.high)
    assert judge(labels, scores[:, :1], [None] * 70, {}, QUICK)["auc_std"] is None


def test_one_class_is_an_error_that_says_so() -> None:
    with pytest.raises(UndefinedMetric, match="there are 3 and 0"):
        judge(np.zeros(3, np.int64), np.ones((3, 1)), [None] * 3, {}, QUICK)


def test_patients_are_clusters_only_where_one_has_several_studies() -> None:
    assert clusters_of(["a", "b", None, None]) is None
    clusters = clusters_of(["a", "b", None, "a", None])
    assert clusters is not None
    assert clusters[0] == clusters[3]
    assert len(set(clusters)) == 4


def test_the_printed_table_shows_intervals_for_one_seed_and_deviations_for_several(
    cell: tuple[Path, dict[str, object]],
) -> None:
    row = cell[1]
    (line,) = result_lines([row])[1]
    assert f"{row['auc']:.3f} [{row['auc_low']:.3f}, {row['auc_high']:.3f}]" in line
    other = {key: row[key] - 0.1 for key in ("auc", "auc_low", "auc_high")}
    (line,) = result_lines([row, {**row, "seed": 1, **other}])[1]
    low, high = row["auc_low"] - 0.05, row["auc_high"] - 0.05
    assert f"{row['auc'] - 0.05:.3f} [{low:.3f}, {high:.3f}] ± 0.071" in line
    assert "2 seeds" in line
