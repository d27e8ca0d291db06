"""medad evaluate: evaluate an existing model on labeled studies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medad.cli import _common as common
from medad.cli import _tracking as tracking
from medad.cli._paths import check_model, there

if TYPE_CHECKING:
    from medad.splits import Pools


def evaluate(
    model: Annotated[Path, typer.Argument(help="Model folder, or models:/NAME@candidate in MLflow.")],
    out: common.Out,
    data: Annotated[
        Path | None, typer.Option(help="Manifest (CSV or Parquet) with test rows of both classes.", callback=there)
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="A dataset's test set instead.")] = None,
    data_root: common.DataRoot = None,
    settings: common.Set = [],  # noqa: B006 - typer reads it once
    tracking_uri: common.TrackingUri = None,
    experiment: common.ExperimentName = None,
    no_tracking: common.NoTracking = False,
    device: common.Device = "auto",
    threads: common.Threads = 0,
) -> None:
    """Score the test studies, write cases, metrics and pictures to OUT, and record it. Nothing is fitted.

    Studies that the model has learned from, or whose patients it has, are refused. 'medad settings evaluation' lists
    the keys of --set.
    """
    from medad.config import ConfigError, Evaluation, build, parse_overrides
    from medad.registry import datasets

    if (data is None) == (dataset is None):
        raise ConfigError("say what to judge by: --data MANIFEST, or --dataset NAME")
    if dataset is not None:
        datasets.check(dataset)
    evaluation = build(Evaluation, parse_overrides(settings), "--set")
    check_model(model)
    name, pools = _pools(data, dataset, data_root, out)
    device = common.start(threads, device)
    from medad.data.loading import Loader
    from medad.data.study_cache import default_cache
    from medad.experiments.evaluate import evaluate_one
    from medad.model import load

    folder = tracking.model_folder(model, out, tracking_uri)
    loaded = load(folder, device)
    tracked = tracking.open_tracker(tracking.TrackingOptions(out, tracking_uri, experiment, no_tracking))
    loader = Loader(loaded.method.settings, device, cache=default_cache())
    rows = evaluate_one(loaded, folder, name, pools, loader, out, tracked.tracker, evaluation)
    tracked.tracker.catch_up(out)
    common.show_results(rows)
    typer.echo(f"results: {out}")
    tracked.close(out)


def _pools(data: Path | None, dataset: str | None, data_root: Path | None, out: Path) -> tuple[str, Pools]:
    from medad.manifest.reading import read_manifest
    from medad.registry import datasets

    if data is not None:
        manifest = read_manifest(data)
        return manifest.name, manifest.pools()
    return str(dataset), datasets.get(str(dataset)).pools(data_root, out)
