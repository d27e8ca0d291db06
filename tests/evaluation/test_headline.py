"""The headline: what is ahead, whether it beats chance and the trivial baselines, in that order of importance."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from helpers.making_results import write_cell

from medad.evaluation.comparing import compare_entries, evaluation_of
from medad.evaluation.entries import read_entries
from medad.evaluation.headline import headline, standings
from medad.results.read import read_results


def sentences(folder: Path) -> list[str]:
    results = read_results(folder)
    return headline(results, compare_entries(read_entries([results]), "method", evaluation_of(results)))


def test_a_baseline_that_is_ahead_is_said_first(tmp_path: Path) -> None:
    write_cell(tmp_path, shifts={"rec": 0.9, "r_dual": 0.0}, pictures=False)
    write_cell(tmp_path, method="max_intensity", network="-", shifts={"max": 1.6}, pictures=False)
    first, best, chosen = sentences(tmp_path)
    assert first.startswith("toy: no method is better than the trivial baseline max_intensity:max, AUC 0.")
    assert best.startswith("toy: the highest AUC of 3 scores is max_intensity:max")
    assert "picked by its result" in best
    assert chosen.startswith("toy: ddad/ae:r_dual, AUC")
    assert "not shown to be better than chance" in chosen
    assert "behind max_intensity:max by 0." in chosen
    assert standings(read_results(tmp_path))[0].name == "max_intensity:max"


def test_a_method_that_beats_them_all_is_named_with_the_paired_test(tmp_path: Path) -> None:
    write_cell(tmp_path, shifts={"rec": 0.1, "r_dual": 2.5}, pictures=False)
    write_cell(tmp_path, method="pca", network="-", shifts={"rec": 0.2}, pictures=False)
    write_cell(tmp_path, method="max_intensity", network="-", shifts={"max": 0.1}, pictures=False)
    first, best, chosen = sentences(tmp_path)
    assert first == "toy: better than every trivial baseline: ddad/ae:r_dual."
    assert "ddad/ae:r_dual" in best
    assert "better than chance" in best
    assert chosen.count("ahead of") == 2
    assert chosen.count("(Holm)") == 2
    assert "p < 0.001" in chosen


def test_ahead_is_not_yet_better(tmp_path: Path) -> None:
    write_cell(tmp_path, shifts={"rec": 1.0}, counts=(20, 15), pictures=False)
    write_cell(tmp_path, method="pca", network="-", shifts={"rec": 0.9}, counts=(20, 15), pictures=False)
    first = sentences(tmp_path)[0]
    ahead = standings(read_results(tmp_path))[0].name == "ddad/ae:rec"
    assert first.endswith("not shown to be better.") if ahead else first.startswith("toy: no method is better")


def test_the_same_case_scores_give_the_headlines_p(tmp_path: Path) -> None:
    write_cell(tmp_path, shifts={"rec": 0.9}, pictures=False)
    write_cell(tmp_path, method="pca", network="-", shifts={"rec": 0.4}, pictures=False)
    results = read_results(tmp_path)
    compared = compare_entries(read_entries([results]), "method", evaluation_of(results))
    row = pd.DataFrame(compared.rows()).query("metric == 'auc'").iloc[0]
    shown = "p < 0.001" if row["p_holm"] < 0.001 else f"p = {row['p_holm']:.3f}"
    assert f"by {abs(row['difference']):.3f} [" in sentences(tmp_path)[-1]
    assert f"{shown} (Holm)" in sentences(tmp_path)[-1]


def test_of_many_datasets_each_has_one_sentence(tmp_path: Path) -> None:
    for place in range(14):
        names = {"dataset": f"class{place:02d}", "network": f"n{place}"}
        write_cell(tmp_path, **names, counts=(9, 8), pictures=False)
    told = sentences(tmp_path)
    assert len(told) == 13
    assert told[0].startswith("class00: the highest AUC")
    assert told[-1] == "2 more datasets are in the tables."


def test_a_single_method_is_held_against_chance_alone(tmp_path: Path) -> None:
    write_cell(tmp_path, shifts={"rec": 2.0}, pictures=False)
    best, chosen = sentences(tmp_path)
    assert best.startswith("toy: the highest AUC is ddad/ae:rec, AUC")
    assert chosen.endswith("better than chance.")
