"""medad bench: compare methods on datasets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medad.cli import _common as common
from medad.cli._grid import Place, report, run_grid

if TYPE_CHECKING:
    from medad.config import Pipeline


NAMED = ("datasets", "methods", "networks", "seeds", "anomaly_rates")  # what options replace in a pipeline
Datasets = Annotated[
    str | None, typer.Option(help="Comma-separated, for example rsna,braintumor; 'medad data list' names them.")
]
Seeds = Annotated[str | None, typer.Option(help="Comma-separated, for example 0,1,2.")]
AnomalyRates = Annotated[
    str | None, typer.Option(help="Comma-separated shares of the unlabeled set that are abnormal: a sweep.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="A dataset, or a published class of one, that is not on disk is an error.")
]


def bench(
    out: common.Out,
    pipeline: common.PipelineName = "ddad",
    datasets: Datasets = None,
    methods: common.Methods = None,
    networks: common.Networks = None,
    seeds: Seeds = None,
    anomaly_rates: AnomalyRates = None,
    data_root: common.DataRoot = None,
    manifest: common.Data = None,
    settings: common.Set = [],  # noqa: B006 - typer reads it once
    tracking_uri: common.TrackingUri = None,
    experiment: common.ExperimentName = None,
    no_tracking: common.NoTracking = False,
    device: common.Device = "auto",
    threads: common.Threads = 0,
    engine: common.WhichEngine = common.Engine.LOCAL,
    address: common.Address = None,
    allow_download: common.AllowDownload = False,
    strict: Strict = False,
) -> None:
    """Run datasets x methods x networks x seeds; write results.csv and print the table.

    Without --methods, the pipeline's baselines (acquisition facts alone) are run beside its methods.

    Finished cells are kept: after an interruption the same command goes on. Table and report are of this command's
    cells alone, whatever else lies in the folder.

    'medad methods', 'medad networks', 'medad pipelines' and 'medad data list' say what can be named, and 'medad
    settings METHOD' every key of --set.

    On a cluster, --threads are those of one experiment (0: its cores are shared out), and each has a GPU if there is.

    Exit code 1: something failed, was not tracked, or with --strict is missing; 2: wrong input, or nothing to run.
    """
    from medad.config import parse_overrides

    common.check_address(engine, address)
    overrides = parse_overrides(settings)
    grid = _grid(pipeline, overrides, manifest, datasets, methods, networks, seeds, anomaly_rates)
    place = Place(out, tracking_uri, experiment, no_tracking, device, threads, allow_download, engine, address)
    own_data = common.read_own(manifest and manifest.absolute())
    outcome, tracked = run_grid(grid, overrides, place, data_root, "bench", own_data)
    report(outcome, out)
    tracked.close(out)
    if outcome.failed or (strict and outcome.missing):
        raise typer.Exit(1)


def _grid(pipeline: str, overrides: Mapping[str, Any], manifest: Path | None, *options: str | None) -> Pipeline:
    """Return the pipeline with the ``options``, in the order of NAMED, and with its baselines unless methods are named.

    Raises:
        ConfigError: there is no such pipeline, or two options name the networks.
    """
    from medad.config import ConfigError
    from medad.pipeline_files import read_pipeline

    named = dict(zip(NAMED, options, strict=True))
    if named["networks"] is not None and "network" in overrides:
        raise ConfigError("--networks and --set network=... name the same thing: give one of them")
    grid = read_pipeline(pipeline)
    grid = _with_options(grid.with_baselines() if named["methods"] is None else grid, named)
    own_data_alone = manifest is not None and named["datasets"] is None
    return grid.model_copy(update={"datasets": ()}) if own_data_alone else grid


def _with_options(pipeline: Pipeline, named: Mapping[str, str | None]) -> Pipeline:
    """Return the pipeline with the values of the options that are given in place of those of the file."""
    from medad.config import Pipeline, build

    values = {key: common.names(text) for key, text in named.items() if text is not None}
    return build(Pipeline, {**pipeline.model_dump(), **values}, "options")
