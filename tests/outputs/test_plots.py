"""Plots: the lines that are drawn go through the points that they should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from medad.outputs.plots import CURVE_POINTS, draw_pr, draw_roc, save_curves


@pytest.fixture
def judged() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], (500, 300))
    return labels, rng.normal(size=800) + labels


def test_the_area_under_the_drawn_roc_curve_is_the_share_of_pairs_ranked_right(
    judged: tuple[np.ndarray, np.ndarray],
) -> None:
    labels, values = judged
    axis = Figure().subplots()
    draw_roc(axis, {"one": [judged]})
    x, y = axis.get_lines()[-1].get_data()
    assert len(x) <= CURVE_POINTS
    pairs = np.mean(values[labels == 1][:, None] > values[labels == 0][None])
    assert np.trapezoid(y, x) == pytest.approx(pairs, abs=0.005)


def test_the_drawn_pr_curve_ends_at_the_share_of_abnormal_cases(judged: tuple[np.ndarray, np.ndarray]) -> None:
    labels, _ = judged
    axis = Figure().subplots()
    draw_pr(axis, {"one": [judged]})
    chance, line = axis.get_lines()
    assert set(chance.get_ydata()) == {labels.mean()}
    recall, precision = line.get_data()
    assert (recall[-1], precision[-1]) == (1, pytest.approx(labels.mean()))


def test_the_picture_of_curves_is_written(tmp_path: Path, judged: tuple[np.ndarray, np.ndarray]) -> None:
    save_curves(tmp_path / "curves.png", judged[0], {"a": judged[1], "b": -judged[1]}, "title")
    picture = np.asarray(Image.open(tmp_path / "curves.png").convert("RGB"))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20
