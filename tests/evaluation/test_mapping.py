"""Which map is drawn, and what its colors mean: decided by normal studies alone."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.making import FAST
from helpers.making_studies import make_experiment, make_pools, run_one
from PIL import Image
from torch import Tensor

from medad.config import ConfigError, Evaluation
from medad.experiments.map_choice import best_map, check_maps
from medad.experiments.normal_reference import check_choices
from medad.methods.pca import PCA, PCASettings
from medad.model import load
from medad.scoring import ScoreSettings, score_folder
from medad.types import Scored


class TwoMaps(PCA):
    """Ranks by "blind", whose map knows nothing of the image; "sees" marks what PCA does not expect."""

    @property
    def scores(self) -> dict[str, str]:
        return {"sees": "reconstruction error", "blind": "a ramp"}

    def score(self, images: Tensor) -> dict[str, Scored]:
        sees = super().score(images)["rec"]
        ramp = torch.linspace(0, 1, images.shape[-1]).expand_as(sees.anomaly_map)
        return {"sees": sees, "blind": Scored(sees.score, ramp.clone(), sees.members)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cell whose method has two maps, trained and judged with a share of held-out normals."""
    root = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PCA, "scores", TwoMaps.scores)
        score = PCA.score

        def both(self: PCA, images: Tensor) -> dict[str, Scored]:
            sees = score(self, images)["rec"]
            ramp = torch.linspace(0, 1, images.shape[-1]).expand_as(sees.anomaly_map)
            return {"sees": sees, "blind": Scored(sees.score, ramp.clone(), sees.members)}

        patch.setattr(PCA, "score", both)
        pools = make_pools(root / "images")
        run_one(make_experiment("pca", calibration=0.4, size=32, components=4), pools, root / "cell")
        loaded = load(root / "cell" / "model")
        inbox = root / "inbox"
        inbox.mkdir()
        for study in (*pools.test_normal, *pools.test_abnormal):
            Image.open(study.files[0]).save(inbox / f"{study.id}.png")
        score_folder(loaded, inbox, root / "scores", ScoreSettings(workers=1, heatmaps="all", force=True))
        score_folder(loaded, inbox, root / "blind", ScoreSettings(workers=1, heatmaps="all", force=True, map="blind"))
    return root


def card_of(root: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((root / "cell" / "model" / "model.json").read_text())
    return content


def test_the_map_that_marks_synthetic_lesions_is_drawn_and_not_that_of_the_ranking_score(model: Path) -> None:
    card = card_of(model)
    assert card["score"] == "blind", "the last that the method declares"
    assert card["map"] == "sees"
    assert card["map_check"]["sees"] > 0.7
    assert abs(card["map_check"]["blind"] - 0.5) < 0.2
    index = json.loads((model / "cell" / "cases" / "cases.json").read_text())
    assert (index["score"], index["map"]) == ("blind", "sees")


def test_a_card_holds_held_out_normals_only(model: Path) -> None:
    card = card_of(model)
    assert card["percentiles"] == {}
    assert len(card["calibration"]["blind"]) == 12
    low, high = load_range(card, "sees")
    assert 0 < low < high


def load_range(card: dict[str, Any], name: str) -> tuple[float, float]:
    return card["map_threshold"][name], card["map_scale"][name]


def test_normal_scans_stay_gray_and_lesions_are_colored(model: Path) -> None:
    """The square of an abnormal scan is colored in its heatmap; hardly a pixel of a normal one is."""
    colored: dict[str, list[float]] = {"0": [], "1": []}
    table = (model / "scores" / "scores.csv").read_text().splitlines()
    names = table[0].split(",")
    for line in table[1:]:
        row = dict(zip(names, line.split(","), strict=True))
        with Image.open(model / "scores" / row["heatmap"]) as picture:
            shown = np.asarray(picture)[:32, 32:64].astype(int)
        colored[row["file"][4]].append(float(((shown.max(axis=2) - shown.min(axis=2)) > 20).mean()))
    assert np.mean(colored["0"]) < 0.03
    assert np.mean(colored["1"]) > 0.04
    assert len(colored["0"]) == 8


def test_another_map_changes_pictures_and_no_number(model: Path) -> None:
    assert (model / "scores" / "scores.csv").read_bytes() == (model / "blind" / "scores.csv").read_bytes()
    assert "Map drawn: <b>sees</b>" in (model / "scores" / "triage.html").read_text()
    assert "Map drawn: <b>blind</b>" in (model / "blind" / "triage.html").read_text()
    one, other = (sorted((model / name / "heatmaps").rglob("*.png")) for name in ("scores", "blind"))
    assert [path.name for path in one] == [path.name for path in other]
    assert all(a.read_bytes() != b.read_bytes() for a, b in zip(one, other, strict=True))


def test_test_studies_do_not_decide(tmp_path: Path) -> None:
    """Score and map are the same whatever the test set is, and are not asked of it."""
    pools = make_pools(tmp_path / "images")
    swapped = replace(
        pools,
        test_normal=tuple(replace(study, label=0, mask=None) for study in pools.test_abnormal),
        test_abnormal=tuple(replace(study, label=1) for study in pools.test_normal),
    )
    cards = []
    for place, each in enumerate((pools, swapped)):
        run_one(make_experiment("ddad", **FAST, calibration=0.3), each, tmp_path / str(place))
        card = load(tmp_path / str(place) / "model").card
        cards.append((card.score, card.map, card.map_check))
    assert cards[0] == cards[1]
    assert cards[0][0] == "r_dual"
    assert set(cards[0][2]) == {"single", "rec", "intra", "inter", "r_intra", "r_dual"}


def test_settings_name_score_and_map_and_a_wrong_name_is_refused_before_training(tmp_path: Path) -> None:
    pools = make_pools(tmp_path / "images")
    wanted = {"score": "inter", "map": "r_intra"}
    run_one(make_experiment("ddad", evaluation=wanted, **FAST), pools, tmp_path / "cell")
    card = load(tmp_path / "cell" / "model").card
    assert (card.score, card.map) == ("inter", "r_intra")
    assert json.loads((tmp_path / "cell" / "cases" / "cases.json").read_text())["score"] == "inter"
    for key in ("score", "map"):
        with pytest.raises(ConfigError, match=f"{key}='dual' is no score here: choose from single, rec"):
            run_one(make_experiment("ddad", evaluation={key: "dual"}, **FAST), pools, tmp_path / key)
        assert not (tmp_path / key / "model").exists()


def test_of_several_methods_one_has_to_have_the_name() -> None:
    pca = PCA(PCASettings(size=16))
    two = TwoMaps(PCASettings(size=16))
    check_choices([pca, two], Evaluation(score="rec", map="sees"))
    with pytest.raises(ConfigError, match="map='none'"):
        check_choices([pca, two], Evaluation(map="none"))


def test_equally_good_maps_are_that_of_the_score_or_the_last() -> None:
    check = {"single": 0.901, "rec": 0.9, "inter": 0.6, "r_dual": 0.65}
    assert best_map(check, "r_dual") == "rec"
    assert best_map(check, "single") == "single"
    assert best_map({**check, "r_dual": 0.89}, "r_dual") == "r_dual"
    assert best_map({}, "r_dual") == "r_dual"


def test_maps_without_information_are_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        best_map({"rec": 0.52, "inter": 0.5}, "rec")
    assert "do not trust its heatmaps" in caplog.text


def test_images_of_one_value_give_no_choice() -> None:
    assert check_maps(PCA(PCASettings(size=16)), [torch.full((1, 16, 16), -1.0)] * 3) == {}
