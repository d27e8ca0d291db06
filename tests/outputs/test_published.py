"""Published figures: exactly those that were verified, beside the cells that they belong to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from medad.config import ConfigError
from medad.experiments.plan import plan
from medad.outputs.published import COMPARABLE, published_lines, read_published
from medad.outputs.tables import HEADINGS, result_lines
from medad.pipeline_files import home, read_pipeline
from medad.registry import datasets, networks, scores

HEAD = "dataset,method,network,score,anomaly_rate,metric,value,source\n"


def row(**more: Any) -> dict[str, Any]:
    known = {"dataset": "rsna", "method": "ddad", "network": "ae", "score": "inter", "anomaly_rate": 0.6, "seed": 0}
    measured = {"auc": 0.5, "ap": 0.5, "auc_std": None, "ap_std": None, "n_normal": 3, "n_abnormal": 2}
    counts = {"n_unlabeled": 5, "n_unlabeled_abnormal": 3, "split": "official", "title": "inter-discrepancy"}
    return {**known, **measured, **counts, **more}


def test_the_figures_are_those_that_were_verified() -> None:
    """METHODS.md, written out a second time: the cells of DDAD by score and rate, and how many others there are."""
    figures = read_published()
    ddad = {
        (one.score, one.anomaly_rate): one.value
        for one in figures
        if one.method == "ddad" and one.metric == "auc" and "re-run" not in one.source
    }
    rates = dict(zip((0.0, 0.2, 0.4, 0.6, 0.8, 1.0), (0.703, 0.782, 0.802, 0.815, 0.824, 0.822), strict=True))
    assert ddad == {
        ("rec", None): 0.669,
        ("intra", None): 0.694,
        **{("inter", rate): value for rate, value in rates.items()},
    }
    rerun = sorted((one.score, one.metric, one.value) for one in figures if "re-run" in one.source)
    assert rerun == [("inter", "ap", 0.82), ("inter", "auc", 0.832), ("intra", "auc", 0.706), ("rec", "auc", 0.67)]
    assert {(one.dataset, one.network) for one in figures if one.method == "ddad"} == {("rsna", "ae")}
    assert Counter(one.method for one in figures if one.method != "ddad") == {
        "best of thirty methods": 4,
        "AE with perceptual loss": 4,
        "AE with latent 16": 8,
        "CDO, mean of the classes": 11,
    }
    assert {one.dataset for one in figures} <= set(datasets.names())
    assert {one.score for one in figures} - {""} <= set(scores.names())
    assert all(one.source for one in figures)


def test_a_cell_has_its_figures_and_their_sources() -> None:
    headings, lines = result_lines([row(), row(score="r_dual")], read_published())
    assert list(headings) == [*HEADINGS, "published AUC"]
    assert [line[-1] for line in lines] == ["0.815 [1], 0.832 [2]", ""]
    text = published_lines([row(), row(score="r_dual")], read_published())
    assert text[0].startswith("[1] Cai et al.")
    assert text[1].startswith("[2] an independent re-run")
    assert any(
        line.startswith("published for rsna, official split: best of thirty methods: auc 0.911 (MedIAnomaly")
        for line in text
    )
    assert not any("lag" in line for line in text)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"anomaly_rate": 0.2}, "0.782 [1]"),
        ({"anomaly_rate": 0.3}, None),
        ({"score": "rec", "anomaly_rate": 0.3}, "0.669 [1], 0.670 [2]"),
        ({"network": "aeu"}, None),
        ({"dataset": "lag"}, None),
        ({"method": "pca"}, None),
        ({"split": "custom split", "anomaly_rate": 0.2}, "(0.782 [1])"),
        ({"split": "manifest", "anomaly_rate": 0.2}, "(0.782 [1])"),
    ],
)
def test_only_the_same_cell_and_split_count(more: dict[str, Any], expected: str | None) -> None:
    headings, lines = result_lines([row(**more)], read_published())
    assert (lines[0][-1] if len(headings) > len(HEADINGS) else None) == expected


def test_a_class_of_a_benchmark_is_told_of_the_mean_over_all() -> None:
    start = "published for mvtec, official split: CDO, mean of the classes:"
    text = published_lines([row(dataset="mvtec:bottle"), row(dataset="mvtec:grid")], read_published())
    assert text == [
        f"{start} pixel_auc 0.982, aupro 0.947 (CDO, IEEE TII 19(11), 2023)",
        f"{start} auc 0.991, pixel_auc 0.981, pixel_ap 0.575, aupro 0.943 (CDO, re-release of 2025, last epoch)",
    ]


def test_the_words_for_a_comparable_split_are_those_of_the_datasets() -> None:
    from medad.datasets.base import COUNTED, OFFICIAL

    assert COMPARABLE == (OFFICIAL, COUNTED)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("dataset,auc\nrsna,0.5\n", "its columns must be"),
        (f"{HEAD}rsna,ddad,ae,inter,0.6,auc,81.5,paper\n", "line 2: value 81.5 must be from 0 to 1"),
        (f"{HEAD}rsna,ddad,ae,inter,most,auc,0.8,paper\n", "line 2: anomaly_rate and value must be numbers"),
        (f"{HEAD}rsna,ddad\n", "line 2"),
    ],
)
def test_a_wrong_table_is_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "figures.csv"
    path.write_text(content)
    with pytest.raises(ConfigError, match=said):
        read_published(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_published(tmp_path / "none.csv")


def test_an_unverified_cell_may_be_left_empty(tmp_path: Path) -> None:
    (tmp_path / "figures.csv").write_text(f"{HEAD}rsna,ddad,aeu,inter,0.6,auc,,paper\n")
    assert read_published(tmp_path / "figures.csv") == ()


def test_the_grid_of_the_paper() -> None:
    """Five datasets, three networks, five scores and the baseline; DDAD's settings are the published ones."""
    grid = plan(read_pipeline("ocssl"), {})
    assert list(dict.fromkeys(one.dataset for one in grid)) == ["rsna", "vindr", "cxad", "braintumor", "lag"]
    assert sorted({one.network for one in grid}) == networks.names()
    assert len(grid) == 5 * 3 * 3
    published = plan(read_pipeline("ddad").model_copy(update={"datasets": ("rsna",)}), {})[0].settings
    assert {one.settings for one in grid if one.network == "ae"} == {published}
    assert published.scores == ("single", "rec", "intra", "inter", "r_intra", "r_dual")
    series = plan(read_pipeline("anomaly_rates"), {})
    wanted = {one.anomaly_rate for one in read_published() if one.score == "inter"}
    assert {one.settings.anomaly_rate for one in series} == wanted
    every = {one.settings.model_copy(update={"anomaly_rate": 0.6, "scores": published.scores}) for one in series}
    assert every == {published}
    assert home("benchmarks").joinpath("published.csv").is_file()
