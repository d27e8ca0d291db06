"""`medad archive`: the ranking, the estimate, the page, and what is refused."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from contracts.fakes import small, studies, training_set
from helpers.making import write_med_ad
from typer.testing import CliRunner, Result

import medad.archive.judged
from medad.archive import ArchiveError, Judged, judge_archive, rank
from medad.cli import app
from medad.model import Card, Model
from medad.types import Study, TrainingSet

COUNTS = (40, 12, 16, 4, 4)  # normals; normal and abnormal studies of the archive; test studies
SETTINGS = ("size=32", "backbone=resnet18", "weights=none", "members=1", "strengths=[0.01]", "calibration=0.5")


def medad_(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def options(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, a model of ratio in ratio/model, and what `medad archive` made of it in archive/."""
    root = tmp_path_factory.mktemp("archive")
    write_med_ad(root / "data", counts=COUNTS)
    data = ("--dataset", "braintumor", "--data-root", root / "data")
    done = medad_("train", "ratio", *data, "--out", root / "ratio", "--no-tracking", *options(*SETTINGS))
    assert done.exit_code == 0, done.output
    done = medad_("archive", root / "ratio" / "model", *data, "--out", root / "archive", "--top", 6)
    assert done.exit_code == 0, done.output
    (root / "output.txt").write_text(done.output)
    return root


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_study_of_the_archive_has_a_rank(place: Path) -> None:
    rows = table(place / "archive" / "archive.csv")
    assert [int(row["rank"]) for row in rows] == list(range(1, 29))
    assert {Path(row["file"]).name for row in rows} == {f"1{n:03d}.png" for n in range(12)} | {
        f"2{n:03d}.png" for n in range(16)
    }
    scores = [float(row["ratio"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    shares = [float(row["expected_normal_share"]) for row in rows]
    assert shares == sorted(shares)
    assert sum("/2" in f"/{Path(row['file']).name}" for row in rows[:10]) >= 7  # the bright squares come first


def test_the_estimate_and_its_conditions_are_told(place: Path) -> None:
    content = json.loads((place / "archive" / "archive.json").read_text())
    value, low, high = content["abnormal_share"]
    assert low <= 16 / 28 <= high
    assert low <= value <= high
    assert content["abnormal_studies"][1] <= 16 <= content["abnormal_studies"][2]
    assert (content["cross_fitted"], content["normals"], content["archive"]) == (True, 40, 28)
    output = " ".join((place / "output.txt").read_text().split())
    assert content["sentences"][0] in output
    assert "another scanner included" in output


def test_the_page_shows_the_first_studies_with_their_pictures(place: Path) -> None:
    text = (place / "archive" / "triage.html").read_text(encoding="utf-8")
    found = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    rows = json.loads(found[1])
    assert len(rows) == 28
    assert [bool(row[-1]) for row in rows] == [True] * 6 + [False] * 22
    assert all((place / "archive" / row[place_]).is_file() for row in rows[:6] for place_ in (-1, -2))
    assert "have not learned the study" in text
    assert "scores.csv" not in text


def test_a_second_run_judges_nothing_and_gives_the_same_bytes(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = place / "archive"
    before = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    next(iter((out / "heatmaps").rglob("*.png"))).unlink()  # as if the drawing had been interrupted
    monkeypatch.setattr(medad.archive.judged, "_judge", None)
    data = ("--dataset", "braintumor", "--data-root", place / "data")
    done = medad_("archive", place / "ratio" / "model", *data, "--out", out, "--top", 6)
    assert done.exit_code == 0, done.output
    assert {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_method_that_learns_from_normals_alone_is_used_as_it_is(place: Path) -> None:
    data = ("--dataset", "braintumor", "--data-root", place / "data", "--no-tracking")
    more = options("size=32", "components=4", "calibration=0.5")
    done = medad_("bench", *data[2:], "--datasets", "braintumor", "--methods", "pca", "--out", place / "pca", *more)
    assert done.exit_code == 0, done.output
    (cell,) = (place / "pca" / "cells").iterdir()
    done = medad_("archive", cell / "model", *data[:4], "--out", place / "by-pca", "--top", 0)
    assert done.exit_code == 0, done.output
    content = json.loads((place / "by-pca" / "archive.json").read_text())
    assert (content["cross_fitted"], content["normals"], content["score"]) == (False, 20, "rec")
    assert len(table(place / "by-pca" / "archive.csv")) == 28


def model_of(method: str) -> Model:
    network = small(method)
    scales = dict.fromkeys(network.scores, 1.0)
    card = Card(method=method, settings={}, seed=0, trained_on={}, map_scale=scales)
    return Model(network, card, "0" * 16)


def test_a_method_that_learned_the_archive_and_cannot_cross_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="learned from the archive itself"):
        judge_archive(model_of("ddad"), training_set(), None, tmp_path, "d")  # type: ignore[arg-type]


def test_an_archive_without_studies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="no unlabeled studies"):
        judge_archive(model_of("pca"), TrainingSet(studies("normal", 3)), None, tmp_path, "d")  # type: ignore[arg-type]


def test_an_output_folder_of_another_model_is_refused(place: Path) -> None:
    data = TrainingSet((), (Study("x", (Path("x"),)),))
    with pytest.raises(ArchiveError, match="another model or other data"):
        judge_archive(model_of("pca"), data, None, place / "archive", "d")  # type: ignore[arg-type]


def test_without_normals_there_is_a_ranking_and_no_estimate() -> None:
    judged = Judged("rec", False, np.array([]), None, studies("u", 3), np.array([1.0, 3.0, 2.0]))
    ranking = rank(judged)
    assert ranking.order.tolist() == [1, 2, 0]
    assert ranking.share is None
    assert "cannot be estimated" in ranking.sentences()[0]
    assert "calibration" in ranking.sentences()[0]


def test_an_archive_like_the_normals_may_hold_nothing_abnormal() -> None:
    rng = np.random.default_rng(0)
    judged = Judged("ratio", True, rng.normal(size=100), None, studies("u", 100), rng.normal(size=100))
    ranking = rank(judged)
    assert ranking.numbers is not None
    assert ranking.numbers[1] == 0
    assert "may hold no abnormal study" in ranking.sentences()[0]


@pytest.mark.parametrize("arguments", [[], ["--normal", "."], ["--dataset", "demo", "--data", "."]])
def test_the_archive_must_be_named_once(place: Path, arguments: list[str], tmp_path: Path) -> None:
    done = medad_("archive", place / "ratio" / "model", *arguments, "--out", tmp_path)
    assert done.exit_code == 2
    assert "say which archive" in done.output
