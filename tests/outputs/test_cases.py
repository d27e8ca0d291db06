"""Pictures of cases: which are chosen, and what is drawn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from medad.outputs.cases import OUTLINE, SIDE, outlined, pick_cases, save_cases
from medad.outputs.pictures import Scale
from medad.results.names import PICTURE_INDEX
from medad.types import Case


def test_the_most_confidently_right_and_wrong_of_each_class_are_picked() -> None:
    labels = np.array([0, 1, 0, 1, 0, 1, 0, 1])
    values = np.array([0.1, 0.9, 0.8, 0.2, 0.3, 0.7, 0.4, 0.6])
    picks = {(pick.label, pick.right, pick.rank): pick.index for pick in pick_cases(labels, values, each=1)}
    assert picks == {(1, True, 1): 1, (1, False, 1): 3, (0, True, 1): 0, (0, False, 1): 2}


def test_no_case_is_picked_twice_however_few_there_are() -> None:
    for normal in range(6):
        for abnormal in range(6):
            labels = np.repeat([0, 1], (normal, abnormal))
            picked = [pick.index for pick in pick_cases(labels, np.arange(len(labels), dtype=float), each=3)]
            assert len(picked) == len(set(picked)) == len(labels)


def test_wrong_cases_are_ranked_from_the_worst() -> None:
    labels, values = np.ones(8, dtype=int), np.arange(8.0)
    wrong = [pick.index for pick in pick_cases(labels, values) if not pick.right]
    assert wrong == [0, 1, 2]


def test_the_outline_surrounds_the_mask_and_leaves_it_visible() -> None:
    gray = np.full((16, 16), 100, np.uint8)
    mask = np.zeros((16, 16), bool)
    mask[4:8, 6:12] = True
    drawn = outlined(gray, mask)
    factor = drawn.shape[0] // 16
    marked = (drawn == OUTLINE).all(axis=2)
    inside = np.kron(mask, np.ones((factor, factor), bool))
    assert marked.any()
    assert not (marked & inside).any()
    assert (drawn[inside] == 100).all()
    rows, columns = np.nonzero(marked)
    assert rows.min() < 4 * factor
    assert rows.max() >= 8 * factor
    assert columns.min() < 6 * factor
    assert columns.max() >= 12 * factor


def test_what_is_written_is_listed_and_chosen_by_the_ranking_score(tmp_path: Path) -> None:
    labels = np.repeat([0, 1], 4)
    scores = {"first": -np.arange(8.0), "last": np.arange(8.0)}
    asked: list[tuple[int, str]] = []

    def picture(index: int, by: str) -> Case:
        asked.append((index, by))
        image = torch.rand(1, 16, 16) * 2 - 1
        mask = torch.zeros(16, 16)
        mask[:4] = 1
        maps = {name: torch.full((1, 16, 16), 0.5) for name in scores}
        return Case("", image, maps, mask if labels[index] else None)

    scales = {"first": Scale("first", 0.0, 1.0), "last": Scale("last", 0.25, 2.0)}
    save_cases(tmp_path, [f"c{index}" for index in range(8)], labels, scores, picture, scales, "last", "first")
    index = json.loads((tmp_path / PICTURE_INDEX).read_text())
    assert (index["score"], index["map"]) == ("last", "first")
    assert "last" in index["rule"]
    assert {by for _, by in asked} == {"last"}
    found = next(one for one in index["cases"] if one["label"] == 1 and one["right"] and one["rank"] == 1)
    assert (found["id"], found["value"], found["above_normals"]) == ("c7", 7.0, 1.0)
    assert found["mask_share"] == 0.25
    values = {"highest": 0.5, "inside": 0.5, "outside": 0.5, "low": 0.25, "top": 2.0}
    assert found["maps"]["last"] == {**found["maps"]["last"], **values}
    listed = {one["image"] for one in index["cases"]} | {one["mask"] for one in index["cases"] if one["mask"]}
    listed |= {found["file"] for one in index["cases"] for found in one["maps"].values()}
    assert listed == {path.name for path in tmp_path.glob("*.png")}
    assert all(Image.open(tmp_path / name).size >= (16, 16) for name in listed)
    assert [one["mask"] is None for one in index["cases"]] == [one["label"] == 0 for one in index["cases"]]


def test_the_map_of_a_case_lies_on_its_image_and_a_normal_one_stays_gray(tmp_path: Path) -> None:
    """Above the color bar, pixels that normals reach have no color."""

    def picture(index: int, by: str) -> Case:
        heat = torch.full((1, 16, 16), 0.3)
        if index:
            heat[:, :8] = 1.0
        return Case("", torch.linspace(-1, 1, 256).reshape(1, 16, 16), {"rec": heat})

    save_cases(
        tmp_path, ["n", "a"], np.array([0, 1]), {"rec": np.arange(2.0)}, picture, {"rec": Scale("rec", 0.3, 1.0)},
        "rec", "rec",
    )  # fmt: skip
    for one in json.loads((tmp_path / PICTURE_INDEX).read_text())["cases"]:
        with Image.open(tmp_path / one["maps"]["rec"]["file"]) as drawn:
            shown = np.asarray(drawn.convert("RGB")).astype(int)
        assert shown.shape[0] > SIDE, "the bar is below"
        colored = (shown[:SIDE].max(axis=2) - shown[:SIDE].min(axis=2)) > 30
        assert colored[: SIDE // 2].mean() == (1.0 if one["label"] else 0.0)
        assert not colored[SIDE // 2 :].any()
