"""MVTec AD, MVTec 3D-AD and VisA, read as they are published, one data set for each class."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from helpers import raw_downloads
from typer.testing import CliRunner

from medad.cli import app
from medad.config import Settings
from medad.data.loading import Loader
from medad.datasets.base import DatasetError, MissingDataset
from medad.datasets.class_benchmarks import expand
from medad.registry import datasets
from medad.splits import compose

BENCHMARKS = {"mvtec": ("bottle", 15), "mvtec3d": ("bagel", 10), "visa": ("candle", 12)}
every = pytest.mark.parametrize("name", BENCHMARKS)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for name in BENCHMARKS:
        getattr(raw_downloads, name)(root)
    return root


def lists(root: Path, name: str) -> list[list[str]]:
    pools = datasets.get(name).pools(root, root)
    return [
        [study.id for study in pools.normal],
        *([s.id for s in part] for part in (pools.test_normal, pools.test_abnormal)),
    ]


def test_mvtec_ad(root: Path) -> None:
    three = [f"{index:03d}.png" for index in range(3)]
    train, normal, abnormal = lists(root, "mvtec:bottle")
    assert train == [f"train/good/{index:03d}.png" for index in range(8)]
    assert normal == [f"test/good/{name}" for name in three]
    assert abnormal == [f"test/{defect}/{name}" for defect in ("broken", "glue") for name in three]
    study = datasets.get("mvtec:bottle").pools(root, root).test_abnormal[4]
    assert study.mask == root / "MVTecAD/bottle/ground_truth/glue/001_mask.png"
    assert study.attributes == (("defect", "glue"),)


def test_mvtec_3d_ad(root: Path) -> None:
    train, normal, abnormal = lists(root, "mvtec3d:bagel")
    assert train == [f"train/good/rgb/{index:03d}.png" for index in range(6)]
    assert len(normal) == 3
    assert abnormal[-1] == "test/hole/rgb/002.png"
    study = datasets.get("mvtec3d:bagel").pools(root, root).test_abnormal[-1]
    assert study.mask == root / "MVTec3D/bagel/test/hole/gt/002.png"


def test_visa(root: Path) -> None:
    train, normal, abnormal = lists(root, "visa:candle")
    assert train == [f"candle/Data/Images/Normal/{index:04d}.JPG" for index in range(6)]
    assert normal == [f"candle/Data/Images/Normal/{index:04d}.JPG" for index in range(6, 9)]
    assert abnormal == [f"candle/Data/Images/Anomaly/{index:03d}.JPG" for index in range(3)]


@every
def test_masks_mark_pixels_of_abnormal_test_images_only(root: Path, name: str) -> None:
    pools = datasets.get(f"{name}:{BENCHMARKS[name][0]}").pools(root, root)
    assert {study.label for study in pools.test_abnormal} == {1}
    assert {study.mask_kind for study in pools.test_abnormal} == {"pixels"}
    assert not any(study.mask for study in (*pools.normal, *pools.test_normal))
    assert not compose(pools, 0.6).training.unlabeled
    loader = Loader(Settings(size=40, channels=3))
    mask = loader.mask(pools.test_abnormal[0])
    assert mask is not None
    assert torch.equal(mask[0, 0] > 0, torch.from_numpy(raw_downloads.square() > 0))


@every
def test_published_sizes_add_up(name: str) -> None:
    """The totals in the papers: 5,354, 3,853 without the 294 of validation, and 10,821."""
    whole = datasets.get(name)
    totals = {"mvtec": (3629, 467, 1258), "mvtec3d": (2656, 249, 948), "visa": (8659, 962, 1200)}
    assert tuple(count for _, count in whole.about.counts) == totals[name]
    assert len(whole.sizes) == BENCHMARKS[name][1]


def test_the_published_counts_are_recognized(root: Path, tmp_path: Path) -> None:
    assert datasets.get("mvtec:bottle").pools(root, root).kind == "custom split"
    home = tmp_path / "MVTecAD" / "toothbrush"  # the smallest class: 60; 12 + 30
    for folder, count in (
        ("train/good", 60),
        ("test/good", 12),
        ("test/defective", 30),
        ("ground_truth/defective", 30),
    ):
        (home / folder).mkdir(parents=True)
        for index in range(count):
            end = "_mask.png" if folder.startswith("ground") else ".png"
            (home / folder / f"{index:03d}{end}").touch()
    assert datasets.get("mvtec:toothbrush").pools(tmp_path, tmp_path).kind == "counts as published"
    (home / "test/good/011.png").unlink()
    assert datasets.get("mvtec:toothbrush").pools(tmp_path, tmp_path).kind == "custom split"


def test_a_name_without_a_class_stands_for_all_that_are_there(root: Path) -> None:
    names, missing = expand(["visa", "mvtec", "rsna", "mvtec:own"], root)
    assert names == (
        "visa:candle",
        "mvtec:bottle",
        "mvtec:grid",
        "rsna",
        "mvtec:own",
    )
    assert set(missing) == {"visa", "mvtec"}
    assert missing["mvtec"].startswith("13 published classes of MVTec AD are not there: cable, capsule")
    assert expand(["mvtec"], root / "elsewhere") == (("mvtec",), {})
    assert expand(["mvtec"], None) == (("mvtec",), {})
    shutil.copytree(root / "MVTecAD" / "grid", root / "more" / "MVTecAD" / "a_class_of_our_own")
    assert expand(["mvtec"], root / "more")[0] == ("mvtec:a_class_of_our_own",)


def test_what_is_missing_is_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingDataset, match=r"(?s)expected .*MVTecAD/cable.*There are: bottle, grid"):
        datasets.get("mvtec:cable").pools(root, root)
    with pytest.raises(DatasetError, match=r"add ':' and one of bottle, grid"):
        datasets.get("mvtec").pools(root, root)
    with pytest.raises(DatasetError, match="no name of a class"):
        datasets.get("mvtec:../VisA")
    with pytest.raises(DatasetError, match="RSNA is one dataset"):
        datasets.get("rsna:bottle")
    home = raw_downloads.mvtec(tmp_path, ("bottle",))
    (home / "bottle/ground_truth/glue/001_mask.png").unlink()
    with pytest.raises(DatasetError, match=r"glue/001_mask\.png is missing"):
        datasets.get("mvtec:bottle").pools(tmp_path, tmp_path)
    shutil.rmtree(home / "bottle/test/good")
    (home / "bottle/ground_truth/glue/001_mask.png").touch()
    with pytest.raises(DatasetError, match="test/good: there are no images"):
        datasets.get("mvtec:bottle").pools(tmp_path, tmp_path)


def test_rows_of_visas_table_that_cannot_be_used(tmp_path: Path) -> None:
    home = raw_downloads.visa(tmp_path)
    table = home / "split_csv" / "1cls.csv"
    text = table.read_text()
    for broken, said in (
        (text.replace("candle,test,anomaly", "candle,train,anomaly"), "is 'anomaly' in 'train'"),
        (text.replace("Normal/0001.JPG", "Normal/0999.JPG"), r"0999\.JPG is missing"),
        (text.replace("Masks/Anomaly/001.png", "Masks/Anomaly/009.png"), r"009\.png is missing"),
        (text.replace("object,split", "class,split"), "no column 'object'"),
    ):
        table.write_text(broken)
        with pytest.raises(DatasetError, match=said):
            datasets.get("visa:candle").pools(tmp_path, tmp_path)


@pytest.mark.usefixtures("no_pictures")
def test_a_bench_has_a_row_for_each_class(root: Path, tmp_path: Path) -> None:
    options = ["bench", "--out", str(tmp_path / "out"), "--data-root", str(root), "--no-tracking", "--methods", "pca"]
    settings = ["--set", "size=32", "--set", "channels=3", "--set", "components=2", "--set", "batch_size=4"]
    done = CliRunner().invoke(app, [*options, "--datasets", "mvtec,mvtec3d,visa", *settings])
    assert done.exit_code == 0, done.output
    results = pd.read_csv(tmp_path / "out" / "results.csv")
    assert list(results["dataset"]) == ["mvtec:bottle", "mvtec:grid", "mvtec3d:bagel", "visa:candle"]
    assert list(results["n_abnormal"]) == [6, 6, 6, 3]
    cells = sorted(path.name.rsplit("_", 1)[0] for path in (tmp_path / "out" / "cells").iterdir())
    assert cells == [
        "mvtec-bottle_pca_seed0",
        "mvtec-grid_pca_seed0",
        "mvtec3d-bagel_pca_seed0",
        "visa-candle_pca_seed0",
    ]
