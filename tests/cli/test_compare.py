"""`medad compare` on folders as a bench leaves them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.making_results import write_cell
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests
from typer.testing import CliRunner, Result

from medad.cli import app
from medad.functional.delong import compare_aucs
from medad.outputs.report import write_report


def compare(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["compare", *map(str, arguments), "--set", "resamples=200"])


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    for network in ("ae", "memae"):
        for seed in (0, 1):
            write_cell(tmp_path / "bench", network=network, seed=seed, pictures=False)
    return tmp_path / "bench"


def columns(bench: Path, network: str, score: str) -> np.ndarray:
    folders = sorted(bench.glob(f"cells/ddad_{network}_seed*"))
    return np.stack([pd.read_csv(folder / "cases.csv")[score] for folder in folders], axis=1)


def test_scores_of_each_method_are_compared_over_their_seeds(bench: Path) -> None:
    done = compare(bench)
    assert done.exit_code == 0, done.output
    table = pd.read_csv(bench / "comparisons.csv")
    assert list(zip(table["first"], table["second"], table["metric"], strict=True)) == [
        (f"ddad/{network}:rec", f"ddad/{network}:inter", metric)
        for network in ("ae", "memae")
        for metric in ("auc", "ap")
    ]
    labels = np.repeat([0, 1], (60, 40))
    expected = compare_aucs(labels, columns(bench, "ae", "rec"), columns(bench, "ae", "inter"))
    row = table.iloc[0]
    assert (row["difference"], row["low"], row["high"], row["p"]) == pytest.approx(
        (expected.difference, expected.low, expected.high, expected.p)
    )
    assert set(table["seeds_first"]) == {2}
    np.testing.assert_allclose(table["p_holm"], multipletests(table["p"], method="holm")[1])
    assert "corrected for 4 tests" in done.output
    assert f"{expected.difference:+.3f}" in done.output


def pairs_of(table: Path) -> list[list[str]]:
    return pd.read_csv(table)[["first", "second"]].drop_duplicates().to_numpy().tolist()


def test_methods_are_compared_by_their_chosen_scores_or_with_a_baseline(bench: Path) -> None:
    assert compare(bench, "--by", "method").exit_code == 0
    assert pairs_of(bench / "comparisons.csv") == [["ddad/ae:inter", "ddad/memae:inter"]]
    (bench / "more").mkdir()
    done = compare(bench, "--by", "method", "--baseline", "ddad/ae:rec", "--table", bench / "more" / "table.csv")
    assert done.exit_code == 0, done.output
    table = pd.read_csv(bench / "more" / "table.csv")
    assert set(table["second"]) == {"ddad/ae:rec"}
    assert set(table["first"]) == {"ddad/ae:inter", "ddad/memae:rec", "ddad/memae:inter"}


def test_methods_without_a_common_score_are_compared_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    write_cell(tmp_path, shifts={"rec": 0.2, "r_dual": 0.4}, pictures=False)
    write_cell(tmp_path, method="pca", network="-", shifts={"rec": 1.0}, pictures=False)
    done = compare(tmp_path, "--by", "method")
    assert done.exit_code == 0, done.output
    assert pairs_of(tmp_path / "comparisons.csv") == [["ddad/ae:r_dual", "pca:rec"]]
    said = " ".join(done.output.split())
    assert "left out: toy, ddad/ae: rec; r_dual stands for it (--scores ddad=SCORE names another)" in said
    assert compare(tmp_path, "--scores", "ddad=rec,pca=rec").exit_code == 0
    assert pairs_of(tmp_path / "comparisons.csv") == [["ddad/ae:rec", "pca:rec"]]
    by_score = compare(tmp_path)
    assert "left out: toy, pca: rec; nothing to compare it with by score" in " ".join(by_score.output.split())


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ("cdo=rec", "there is no method 'cdo'; choose from ddad/ae, ddad/memae"),
        ("ddad=top", "ddad/ae has no score 'top'; choose from rec, inter"),
        ("ddad", "write it as METHOD=SCORE"),
    ],
)
def test_a_score_that_is_not_there_is_named(bench: Path, scores: str, said: str) -> None:
    done = compare(bench, "--scores", scores)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_the_report_and_the_command_print_the_same_p_values(tmp_path: Path) -> None:
    """Several methods, rates and seeds, studies of one patient: every row of one table is a row of the other."""
    for seed in (0, 1):
        for rate in (0.2, 0.6):
            write_cell(tmp_path, seed=seed, rate=rate, counts=(30, 20), pictures=False)
        write_cell(tmp_path, method="pca", network="-", shifts={"rec": 0.3}, seed=seed, counts=(30, 20), pictures=False)
    for path in tmp_path.glob("cells/*/cases.csv"):
        cases = pd.read_csv(path)
        cases["patient"] = [f"p{1 + i // 2:04d}" for i in range(len(cases))]
        cases.to_csv(path, index=False)
    for path in tmp_path.glob("cells/*/result.json"):  # how they were judged is how they are compared
        path.write_text(json.dumps({**json.loads(path.read_text()), "evaluation": {"resamples": 100}}))
    write_report(tmp_path)
    report = pd.read_csv(tmp_path / "report" / "comparisons.csv").set_index(["first", "second", "metric"])
    columns = ["value_first", "value_second", "difference", "low", "high", "p", "p_holm", "tests", "clusters"]
    compared = []
    for question in ("score", "method"):
        done = CliRunner().invoke(app, ["compare", str(tmp_path), "--by", question])
        assert done.exit_code == 0, done.output
        compared.append(pd.read_csv(tmp_path / "comparisons.csv").set_index(["first", "second", "metric"]))
    printed = pd.concat(compared)
    assert len(printed) == len(report) == 6
    pd.testing.assert_frame_equal(printed[columns].sort_index(), report[columns].sort_index())


def test_a_seed_that_cannot_be_compared_is_named(bench: Path) -> None:
    first, second = sorted(bench.glob("cells/ddad_ae_seed*"))
    (second / "cases.csv").unlink()
    done = compare(bench)
    said = " ".join(done.output.split())
    assert "left out: toy · ddad · ae, seed 1: it has no readable cases.csv to compare by" in said
    cases = pd.read_csv(first / "cases.csv")
    cases.iloc[:-1].to_csv(second / "cases.csv", index=False)
    done = compare(bench)
    assert "seed 1: it was tested on other cases than seed 0" in " ".join(done.output.split())
    assert set(pd.read_csv(bench / "comparisons.csv").query("first == 'ddad/ae:rec'")["seeds_first"]) == {1}


def test_networks_that_are_judged_one_by_one_count_by_their_mean_here_too(tmp_path: Path) -> None:
    folder = write_cell(tmp_path, pictures=False)
    cases = pd.read_csv(folder / "cases.csv")
    rng = np.random.default_rng(0)
    members = [cases["rec"] + rng.normal(0, 1, len(cases)) for _ in range(3)]
    for place, values in enumerate(members):
        cases[f"rec.{place}"] = values
    cases["rec"] = sum(members) / 3
    cases.to_csv(folder / "cases.csv", index=False)
    assert compare(tmp_path).exit_code == 0
    row = pd.read_csv(tmp_path / "comparisons.csv").iloc[0]
    aucs = [roc_auc_score(cases["label"], values) for values in members]
    assert row["value_first"] == pytest.approx(np.mean(aucs))
    assert row["value_first"] != pytest.approx(roc_auc_score(cases["label"], cases["rec"]))


def test_two_experiments_side_by_side(tmp_path: Path) -> None:
    for name, shifts in (("old", {"rec": 0.2}), ("new", {"rec": 1.9})):
        write_cell(tmp_path / name, shifts=shifts, pictures=False)
    done = compare(tmp_path / "new", tmp_path / "old")
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "new" / "comparisons.csv")
    assert list(table["metric"]) == ["auc", "ap"]
    assert (table["difference"] > 0.1).all()
    assert (table["p_holm"] < 0.05).all()
    assert list(table["folder_second"]) == [str(tmp_path / "old")] * 2


def test_studies_of_one_patient_are_not_independent(bench: Path, tmp_path: Path) -> None:
    assert compare(bench).exit_code == 0
    alone = pd.read_csv(bench / "comparisons.csv")
    for path in bench.glob("cells/*/cases.csv"):
        cases = pd.read_csv(path)
        cases["patient"] = [f"p{1 + i // 2:04d}" for i in range(len(cases))]
        cases.to_csv(path, index=False)
    done = compare(bench)
    assert "clustered by patient" in done.output
    clustered = pd.read_csv(bench / "comparisons.csv")
    assert set(clustered["clusters"]) == {"patients"}
    assert (clustered["difference"] == alone["difference"]).all()
    tested = clustered["metric"] == "auc"
    assert (clustered.loc[tested, "p"] != alone.loc[tested, "p"]).all()
    assert (clustered["low"] != alone["low"]).all()


def test_what_cannot_be_compared_is_said(bench: Path, tmp_path: Path) -> None:
    write_cell(tmp_path / "other", counts=(50, 40), pictures=False)
    write_cell(tmp_path / "lonely", shifts={"rec": 1.0}, pictures=False)
    for arguments, said in (
        ((bench, "--by", "size"), "choose from score, method, folder"),
        ((bench, "--baseline", "dad"), "no such method or score; choose from ddad/ae:rec, ddad/ae:inter"),
        ((tmp_path / "lonely",), "nothing to compare by score; there are ddad/ae:rec"),
        ((tmp_path / "other", tmp_path / "lonely"), "not tested on the same cases: 90 and 100, 90 of them shared"),
        ((tmp_path / "nothing",), "there is no such folder"),
        ((bench, "--set", "resample=3"), "Did you mean 'resamples'?"),
    ):
        done = compare(*arguments)
        assert done.exit_code == 2, (arguments, done.output)
        text = " ".join(done.output.split())
        assert said in text, (arguments, text)
        assert done.output.startswith("error: ")


def test_a_difference_without_variance_is_not_tested_and_costs_nothing_else(tmp_path: Path) -> None:
    folder = write_cell(tmp_path, pictures=False)
    cases = pd.read_csv(folder / "cases.csv")
    cases["rec"], cases["inter"] = cases["label"], -cases["label"]
    cases.to_csv(folder / "cases.csv", index=False)
    done = compare(tmp_path)
    assert done.exit_code == 0, done.output
    assert "not tested: AUCs of 1.000 and 0.000 without any variance" in " ".join(done.output.split())
    table = pd.read_csv(tmp_path / "comparisons.csv")
    assert table["p"].isna().tolist() == [True, False]
    assert np.isfinite(table.loc[1, "p_holm"])
