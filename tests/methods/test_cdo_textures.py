"""CDO on woven textures that the tests make, in MVTec AD's layout: the ablation of a grid file, over three seeds.

The claim of the paper is tested, not each figure: MOM and OOM move the discrepancies of synthetic anomalies away from
those of normal positions, and the maps find real defects better than the same network trained without both.
"""

from __future__ import annotations

import logging
import sys

import pandas as pd
import pytest
import yaml
from helpers.textures import DEFECTS, write_textures
from typer.testing import CliRunner

from medad.cli import app
from medad.pipeline_files import home

pytestmark = pytest.mark.slow

SETTINGS = {"size": 64, "batch_size": 8, "epochs": 30, "learning_rate": 0.001, "decay": 0.97, "sigma": 2.0}
EXPERTS = {
    "random": {"backbone": "resnet18", "weights": "none"},  # no ImageNet weights of a ResNet are at hand
    "ImageNet": {"backbone": "efficientnet_lite0", "weights": "imagenet"},
}
TOLD = ("margin_before", "margin_after", "overlap_before", "overlap_after")


class Listener(logging.Handler):
    """Keeps what CDO says of each training, in order."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.told: list[tuple[float, ...]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "margin" in str(record.msg):
            self.told.append(tuple(record.args))  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=EXPERTS)
def table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Result rows of three variants and three seeds, with margin and overlap before and after each training."""
    root = tmp_path_factory.mktemp(request.param)
    write_textures(root / "MVTecAD", normal=40, side=64)
    grid = yaml.safe_load((home("benchmarks") / "cdo_ablation.yaml").read_text())
    grid |= {"datasets": ["mvtec:weave"], "settings": {**SETTINGS, **EXPERTS[request.param]}}
    (root / "grid.yaml").write_text(yaml.safe_dump(grid, sort_keys=False))
    where = ["--data-root", str(root), "--out", str(root / "out"), "--device", "cpu", "--threads", "1"]
    listener = Listener()
    logger = logging.getLogger("medad.methods.cdo")
    logger.addHandler(listener)
    done = CliRunner().invoke(app, ["bench", str(root / "grid.yaml"), "--no-tracking", *where])
    logger.removeHandler(listener)
    assert done.exit_code == 0, done.output
    rows = pd.read_csv(root / "out" / "results.csv")
    cells = [(variant, seed) for variant in grid["variants"] for seed in grid["seeds"]]
    told = [
        dict(zip(("variant", "seed", *TOLD), (*cell, *one), strict=True))
        for cell, one in zip(cells, listener.told, strict=True)
    ]
    rows = rows.merge(pd.DataFrame(told), on=["variant", "seed"])
    rows.to_csv(root / "table.csv", index=False)
    with pd.option_context("display.width", 200):
        sys.stdout.write(f"\n{request.param} expert\n{_summary(rows)}\n")
    return rows


def _summary(rows: pd.DataFrame) -> str:
    columns = ["auc", "pixel_auc", "pixel_ap", "pixel_f1_max", "pixel_aupro", *TOLD]
    return rows.groupby(["score", "variant"], sort=False)[columns].agg(["mean", "std"]).round(3).T.to_string()


def values(table: pd.DataFrame, variant: str, column: str) -> pd.Series:
    return table[(table["variant"] == variant) & (table["score"] == "top")].set_index("seed")[column]


def test_the_table_is_whole(table: pd.DataFrame) -> None:
    assert len(table) == 3 * 3 * 2
    assert set(table["n_abnormal"]) == {4 * len(DEFECTS)}
    assert table[["auc", "pixel_auc", "pixel_ap", "pixel_aupro"]].notna().all().all()


@pytest.mark.parametrize("variant", ["MOM", "MOM+OOM"])
def test_training_separates_the_two_distributions(table: pd.DataFrame, variant: str) -> None:
    """Margin up, overlap down, for every seed; by MOM also more so than without synthetic anomalies.

    OOM does not lower the overlap of a random expert below that of training without either.
    """
    before, after = (values(table, variant, f"margin_{when}") for when in ("before", "after"))
    assert (after > before + 0.1).all()
    before, after = (values(table, variant, f"overlap_{when}") for when in ("before", "after"))
    assert (after < before - 0.1).all()
    if variant == "MOM":
        assert values(table, variant, "overlap_after").mean() < values(table, "neither", "overlap_after").mean()


@pytest.mark.parametrize("variant", ["MOM", "MOM+OOM"])
def test_defects_are_found_better_than_without_both(table: pd.DataFrame, variant: str) -> None:
    assert values(table, variant, "pixel_auc").mean() > values(table, "neither", "pixel_auc").mean()
