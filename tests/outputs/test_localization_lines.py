"""The printed table of what maps find."""

from __future__ import annotations

from typing import Any

from medad.outputs.tables import localization_lines


def row(dataset: str, seed: int, **known: Any) -> dict[str, Any]:
    same = {"split": "custom", "method": "cdo", "variant": "mom", "network": "resnet18", "anomaly_rate": 0.6}
    scores = {"score": "top", "auc": 0.7, "auc_std": None, "ap": 0.6, "ap_std": None, "n_normal": 3, "n_abnormal": 2}
    return {"dataset": dataset, "seed": seed, **same, **scores, **known}


def test_seeds_are_averaged_and_classes_too() -> None:
    rows = [
        row("mvtec:a", 0, pixel_auc=0.8, pixel_aupro=0.5, n_masks=2),
        row("mvtec:a", 1, pixel_auc=0.9, pixel_aupro=0.7, n_masks=2),
        row("mvtec:b", 0, pixel_auc=0.55, pixel_aupro=None, n_masks=2),
        row("without masks", 0),
    ]
    headings, lines = localization_lines(rows)
    assert headings == ("dataset", "method", "network", "score", "pixel AUC", "AU-PRO")
    assert [tuple(line) for line in lines] == [
        ("mvtec:a", "cdo, mom", "resnet18", "top", "0.850 ± 0.071", "0.600 ± 0.141"),
        ("mvtec:b", "cdo, mom", "resnet18", "top", "0.550", ""),
        ("mvtec (mean)", "cdo, mom", "resnet18", "top", "0.700", ""),
    ]


def test_the_interval_of_one_model_is_shown() -> None:
    boxes = row("rsna", 0, pointing=0.5, pointing_low=0.2, pointing_high=0.8, n_boxes=4)
    assert localization_lines([boxes])[1][0][-1] == "0.500 [0.200, 0.800]"


def test_without_masks_there_is_none() -> None:
    assert localization_lines([row("rsna", 0)])[1] == []
