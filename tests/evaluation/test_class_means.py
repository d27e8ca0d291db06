"""The mean over the classes of a benchmark, below their rows."""

from __future__ import annotations

from typing import Any

import pytest

from medad.evaluation.summary import over_classes, over_seeds
from medad.outputs.tables import result_lines


def row(dataset: str, auc: float, score: str = "rec", seed: int = 0, **more: Any) -> dict[str, Any]:
    known = {"method": "pca", "network": "-", "anomaly_rate": 0.6, "split": "counts as published", "title": "-"}
    counts = {"n_normal": 3, "n_abnormal": 2, "n_unlabeled": 0, "n_unlabeled_abnormal": 0}
    spread = {"auc_std": None, "ap_std": None}
    return {
        "dataset": dataset,
        "score": score,
        "seed": seed,
        "auc": auc,
        "ap": auc / 2,
        **known,
        **counts,
        **spread,
        **more,
    }


def test_classes_count_alike_however_many_seeds_they_have() -> None:
    rows = [row("mvtec:bottle", 0.9), row("mvtec:bottle", 0.7, seed=1), row("mvtec:grid", 0.6), row("rsna", 0.1)]
    (found,) = over_classes(over_seeds(rows))
    assert (found["dataset"], found["over"], found["split"]) == ("mvtec (mean)", "2 classes", "counts as published")
    assert (found["auc"], found["ap"]) == (pytest.approx(0.7), pytest.approx(0.35))
    assert (found["n_normal"], found["n_abnormal"]) == (6, 4)


def test_scores_and_benchmarks_are_kept_apart() -> None:
    rows = [
        row(f"{name}:{part}", 0.5, score) for name in ("mvtec", "visa") for part in "ab" for score in ("rec", "top")
    ]
    found = [(one["dataset"], one["score"]) for one in over_classes(over_seeds(rows))]
    assert found == [("mvtec (mean)", "rec"), ("mvtec (mean)", "top"), ("visa (mean)", "rec"), ("visa (mean)", "top")]


def test_one_class_has_no_mean_and_different_splits_are_said() -> None:
    rows = [row("mvtec:a", 0.5), row("visa:a", 0.5), row("visa:b", 0.5, split="custom split")]
    (found,) = over_classes(over_seeds(rows))
    assert (found["dataset"], found["split"]) == ("visa (mean)", "mixed")
    lines = result_lines(rows)[1]
    assert [line[0] for line in lines] == ["mvtec:a", "visa:a", "visa:b", "visa (mean)"]
