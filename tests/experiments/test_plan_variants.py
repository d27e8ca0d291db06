"""Settings of one method, and variants for ablations, in a grid file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medad.config import ConfigError, Pipeline
from medad.experiments.plan import plan
from medad.outputs.tables import over_seeds, result_lines
from medad.pipeline_files import read_pipeline
from medad.registry import datasets

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
ABLATION = {"neither": {"rectangles": 0, "gamma": 0.0}, "MOM": {"gamma": 0.0}, "MOM+OOM": {}}


def planned(overrides: dict[str, Any] | None = None, **grid: Any) -> list[Any]:
    return plan(Pipeline(**{"datasets": ("demo",), "methods": ("cdo",), **grid}), overrides or {})


def test_each_variant_has_its_own_settings() -> None:
    found = planned(variants=ABLATION, seeds=(0, 1))
    assert [(one.variant, one.settings.rectangles, one.settings.gamma, one.seed) for one in found] == [
        ("neither", 0, 0, 0), ("neither", 0, 0, 1), ("MOM", 4, 0, 0), ("MOM", 4, 0, 1), ("MOM+OOM", 4, 2, 0),
        ("MOM+OOM", 4, 2, 1),
    ]  # fmt: skip


def test_a_variant_has_a_folder_of_its_own_with_a_safe_name() -> None:
    same = planned(variants={"a/b ü": {}, "plain": {}})
    names = [one.name("digest") for one in same]
    assert len(set(names)) == 2
    assert all("/" not in name and " " not in name for name in names)
    assert "_plain_" in names[1]
    assert planned()[0].describe().get("variant") is None


@pytest.mark.parametrize(
    ("grid", "overrides", "said"),
    [
        ({"variants": {"a": {"gama": 1}}}, {}, r"variants, a, for cdo: unknown key 'gama'.* Did you mean 'gamma'"),
        (
            {"variants": ABLATION, "methods": ("cdo", "pca")},
            {},
            r"variants, neither, for pca: unknown key 'rectangles'",
        ),
        ({"variants": ABLATION}, {"gamma": 1.0}, "--set gamma: the variants of this pipeline set it"),
        ({"variants": {"a": {"gamma": -1}}}, {}, "gamma=-1 is not allowed"),
        ({"method_settings": {"cod": {}}}, {}, "did you mean 'cdo'"),
        ({"method_settings": {"pca": {"gamma": 1}}}, {}, r"method_settings, for pca: unknown key 'gamma'"),
    ],
    ids=str,
)
def test_wrong_keys_are_named(grid: dict[str, Any], overrides: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError if "cod" not in str(grid) else Exception, match=said):
        planned(overrides, **grid)


def test_settings_of_one_method_go_before_those_of_all_and_options_before_both() -> None:
    told = {"settings": {"size": 64, "epochs": 9}, "method_settings": {"cdo": {"size": 128, "epochs": 3}}}
    ddad, cdo = planned(methods=("ddad", "cdo"), **told)
    assert (ddad.settings.size, ddad.settings.epochs) == (64, 9)
    assert (cdo.settings.size, cdo.settings.epochs) == (128, 3)
    ddad, cdo = planned({"size": 96}, methods=("ddad", "cdo"), **told)
    assert (ddad.settings.size, cdo.settings.size) == (96, 96)


def row(variant: str, seed: int, auc: float) -> dict[str, Any]:
    names = {"dataset": "demo", "split": "demo", "method": "cdo", "network": "resnet18", "score": "max", "title": ""}
    counts = {"n_unlabeled": 0, "n_unlabeled_abnormal": 0, "n_normal": 3, "n_abnormal": 4, "anomaly_rate": 0.6}
    return {**names, **counts, "variant": variant, "seed": seed, "auc": auc, "ap": auc, "auc_std": None, "ap_std": None}


def test_the_table_keeps_variants_apart() -> None:
    rows = [row("MOM", 0, 0.8), row("-", 0, 0.5), row("MOM", 1, 0.6)]
    assert [(one["variant"], round(one["auc"], 6)) for one in over_seeds(rows)] == [("MOM", 0.7), ("-", 0.5)]
    headings, lines = result_lines(rows)
    place = headings.index("method")
    assert [line[place] for line in lines] == ["cdo, MOM", "cdo"]


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("cdo_*.yaml")), ids=lambda path: path.stem)
def test_grids_of_this_repository_are_plans(path: Path) -> None:
    found = plan(read_pipeline(str(path)), {})
    assert found
    for one in found:
        datasets.get(one.dataset)
    if path.stem == "cdo_ablation":
        assert {one.variant for one in found} == {"neither", "MOM", "MOM+OOM"}


def test_the_paper_and_its_re_release_as_pipelines() -> None:
    """Every published number; the paper's are also the method's defaults."""
    grids = [read_pipeline(name).model_copy(update={"datasets": ("demo",)}) for name in ("cdo", "cdo_2025")]
    paper, later = (plan(grid, {})[0].settings for grid in grids)
    assert paper == planned()[0].settings
    keys = ("size", "channels", "backbone", "gamma", "rectangles", "sigma", "epochs", "batch_size", "optimizer")
    assert [getattr(paper, key) for key in keys] == [256, 3, "hrnet_w32", 2, 4, 4, 50, 16, "adamw"]
    assert [getattr(later, key) for key in keys] == [256, 3, "hrnet_w32", 2, 4, 4, 100, 32, "adam"]
    assert (paper.learning_rate, paper.weight_decay, paper.decay, paper.decay_every) == (4e-4, 1e-4, 0.95, 1)
    assert (later.learning_rate, later.decay, later.decay_every, later.top_share) == (1e-3, 0.1, 80, 0.01)
    keys = ("resize", "noise_grain", "clip", "maps", "fusion", "foreground", "weight_decay")
    assert [getattr(paper, key) for key in keys] == ["plain", 1, 0, "features", "bilinear", False, 1e-4]
    assert [getattr(later, key) for key in keys] == ["two_steps", 4, 5, "cosine", "bilinear", False, 0]
