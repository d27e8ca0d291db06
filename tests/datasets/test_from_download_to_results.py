"""From what a user has on disk to results.csv, by the commands: prepare, check, bench; every data set in miniature."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import raw_downloads
from helpers.dataset_files import has_parser, write_data, write_example
from helpers.making import FAST
from PIL import Image
from typer.testing import CliRunner, Result

from medad.cli import app
from medad.datasets.class_benchmarks import expand
from medad.registry import datasets
from medad.splits import name_digest

pytestmark = pytest.mark.usefixtures("no_pictures")
BROUGHT = [name for name in datasets.names() if not datasets.get(name).generated]
PARSED = [name for name in BROUGHT if has_parser(name)]
PCA = ["--methods", "pca", "--set", "size=32", "--set", "components=2", "--set", "batch_size=4", "--no-tracking"]


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with every data set that users bring."""
    root, raw = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("raw")
    for name in BROUGHT:
        if name in raw_downloads.MINIATURES:  # with all that the tests below look at
            raw_downloads.MINIATURES[name](raw / name if name in PARSED else root)
        elif name in PARSED:
            write_example(name, raw / name)
        else:
            write_data(name, root, raw / name)
    for name in PARSED:
        done = command("data", "prepare", name, raw / name, root, "--workers", 1)
        assert done.exit_code == 0, done.output
    return root


@pytest.fixture
def own(root: Path, tmp_path: Path) -> Path:
    """A data root with RSNA alone, to change."""
    shutil.copytree(root / "RSNA", tmp_path / "data" / "RSNA")
    return tmp_path / "data"


def make_official(monkeypatch: pytest.MonkeyPatch, root: Path, *names: str) -> None:
    """As if the lists that are in ``root`` were the published ones."""
    for name in names:
        dataset = datasets.get(name)
        lists = dataset.names(root / dataset.folder / "data.json")
        unlabeled = len(lists["unlabeled normal"])
        digests = tuple(name_digest(listed) for listed in lists.values())
        monkeypatch.setitem(datasets._things, name, replace(dataset, digests=digests, unlabeled=unlabeled))


def test_what_was_prepared_has_no_defect(root: Path) -> None:
    done = command("data", "check", root, "--workers", 1)
    assert done.exit_code == 0, done.output
    assert done.output.count("no defects") == len(expand(BROUGHT, root)[0])


def test_every_data_set_is_benched(root: Path, tmp_path: Path) -> None:
    done = command("bench", "--datasets", ",".join(BROUGHT), "--data-root", root, "--out", tmp_path / "out", *PCA)
    assert done.exit_code == 0, done.output
    results = pd.read_csv(tmp_path / "out" / "results.csv")
    names = list(expand(BROUGHT, root)[0])
    assert {"rsna", "cxad", "brats2021", "mvtec:bottle", "mvtec:grid", "visa:candle"} < set(names)
    assert list(results["dataset"]) == names
    assert set(results["split"]) == {"custom split"}
    # The abnormal ones are bright squares on a smooth background, which PCA of normals does not know.
    assert (results["auc"] > 0.5).mean() > 0.8


def test_masks_of_boxes_lie_where_the_download_says(root: Path) -> None:
    """(5, 8, 10, 20) and (30, 6, 12, 24) of 48 pixels, on 512."""
    masks = sorted((root / "RSNA" / "masks").glob("*.png"))
    assert len(masks) == raw_downloads.ABNORMALS // 2
    mask = np.asarray(Image.open(masks[0]))
    assert mask.shape == (512, 512)
    rows, columns = np.nonzero(mask)
    assert abs(np.array([rows.min(), rows.max(), columns.min(), columns.max()]) * 48 / 512 - [6, 30, 5, 42]).max() < 0.2
    assert abs((mask > 0).mean() - (10 * 20 + 12 * 24) / 48**2) < 0.005
    pools = datasets.get("rsna").pools(root, root)
    marked = [study for study in pools.test_abnormal + pools.unlabeled_abnormal if study.mask]
    assert {study.mask_kind for study in marked} == {"boxes"}


def test_isic_2018_keeps_the_split_of_its_download(root: Path) -> None:
    pools = datasets.get("isic2018").pools(root, root)
    assert [len(part) for part in (pools.normal, pools.test_normal, pools.test_abnormal)] == [12, 5, 4]
    assert len({study.patient for study in pools.normal}) == 6
    assert "seed" in json.loads((root / "LAG" / "data.json").read_text())
    assert "seed" not in json.loads((root / "ISIC2018" / "data.json").read_text())


def test_the_official_lists_are_recognized_and_one_renamed_file_is_not(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "custom split" in command("data", "check", own / "RSNA", "--workers", 1).output
    make_official(monkeypatch, own, "rsna")
    assert datasets.get("rsna").pools(own, own).kind == "official"
    done = command("data", "check", own / "RSNA", "--workers", 1)
    assert (done.exit_code, "official" in done.output) == (0, True), done.output
    text = (own / "RSNA" / "data.json").read_text()
    name = json.loads(text)["test"]["0"][0]
    (own / "RSNA" / "images" / name).rename(own / "RSNA" / "images" / "renamed.png")
    (own / "RSNA" / "data.json").write_text(text.replace(name, "renamed.png"))
    assert datasets.get("rsna").pools(own, own).kind == "custom split"
    assert "custom split" in command("data", "check", own / "RSNA", "--workers", 1).output


def test_cxad_is_a_manifest_with_a_name(root: Path, tmp_path: Path) -> None:
    images, lists = root / "CXAD" / "images", json.loads((root / "CXAD" / "data.json").read_text())
    rows = [["file", "role", "label"]]
    rows += [[images / name, "normal", ""] for name in lists["train"]["0"]]
    rows += [[images / name, "unlabeled", label] for label in "01" for name in lists["train"]["unlabeled"][label]]
    rows += [[images / name, "test", label] for label in "01" for name in lists["test"][label]]
    raw_downloads.table(tmp_path / "data" / "CXAD" / "manifest.csv", rows)
    done = command("data", "check", tmp_path / "data", "--workers", 1)
    assert (done.exit_code, "no defects" in done.output) == (0, True), done.output
    done = command("bench", "--datasets", "cxad", "--data-root", tmp_path / "data", "--out", tmp_path / "out", *PCA)
    assert done.exit_code == 0, done.output
    results = pd.read_csv(tmp_path / "out" / "results.csv")
    assert results[["dataset", "split", "n_normal", "n_abnormal"]].to_numpy().tolist() == [["cxad", "manifest", 3, 3]]


def test_one_patient_on_two_sides_is_refused(own: Path, tmp_path: Path) -> None:
    lists = json.loads((own / "RSNA" / "data.json").read_text())
    learned, tested = lists["train"]["0"][0], lists["test"]["1"][0]
    path = own / "RSNA" / "cases.csv"
    with path.open(newline="") as stream:
        rows = {row[0]: row for row in csv.reader(stream)}
    rows[tested][1] = rows[learned][1]
    raw_downloads.table(path, rows.values())
    done = command("data", "check", own / "RSNA", "--workers", 1)
    assert done.exit_code == 1, done.output
    assert f"'{tested}', of the patient of '{learned}'" in done.output
    done = command("bench", "--datasets", "rsna", "--data-root", own, "--out", tmp_path / "out", *PCA)
    assert done.exit_code == 2, done.output
    assert f"first '{tested}', of the patient of '{learned}'" in done.output
    assert rows[learned][1] not in done.output


def test_the_grid_of_the_paper_beside_published_figures(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_official(monkeypatch, root, "rsna")
    fast = [part for key, value in {**FAST, "size": 16, "epochs": 1}.items() for part in ("--set", f"{key}={value}")]
    place = ["--data-root", tmp_path / "data", "--out", tmp_path / "out", "--no-tracking"]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "RSNA").symlink_to(root / "RSNA")
    grid = ["bench", "ocssl", "--methods", "ddad", *place, *fast, "--seeds", 0, "--set", "anomaly_rate=0.5"]
    done = command(*grid)
    assert done.exit_code == 0, done.output
    results = pd.read_csv(tmp_path / "out" / "results.csv")
    assert list(results["network"].unique()) == ["ae", "aeu", "memae"]
    assert list(results["score"][:6]) == ["single", "rec", "intra", "inter", "r_intra", "r_dual"]
    for name in ("vindr", "cxad", "braintumor", "lag"):
        assert f"missing: {name}" in done.output
    assert "published AUC" in done.output
    lines = {tuple(cell.strip() for cell in line.split("│")[1:]) for line in done.output.splitlines() if "│" in line}
    published = {(cells[0], cells[3], cells[5].removesuffix(" (!)")): cells[10] for cells in lines if len(cells) > 10}
    assert published["rsna", "ae", "rec"] == "0.669 [1], 0.670 [2]"
    assert published["rsna", "ae", "inter"] == ""  # published at other anomaly rates
    assert published["rsna", "memae", "rec"] == published["rsna", "aeu", "inter"] == ""
    assert "published for rsna, official split: AE with perceptual loss: auc 0.875" in done.output
    assert command(*grid, "--strict").exit_code == 1


def test_the_figures_of_the_official_split_are_marked_beside_another(root: Path, tmp_path: Path) -> None:
    fast = [part for key, value in {**FAST, "size": 16, "epochs": 1}.items() for part in ("--set", f"{key}={value}")]
    options = ["--datasets", "rsna", "--data-root", root, "--out", tmp_path / "out", "--no-tracking"]
    done = command("bench", "ddad", "--methods", "ddad", *options, *fast, "--set", "scores=[rec]")
    assert done.exit_code == 0, done.output
    assert "(0.669 [1], 0.670 [2])" in done.output
    assert "in parentheses are of the official split" in done.output
