"""medad bench: compare methods on datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

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
    from medad.config import ConfigError, parse_overrides
    from medad.pipeline_files import read_pipeline

    common.check_address(engine, address)
    overrides = parse_overrides(settings)
    if networks is not None and "network" in overrides:
        raise ConfigError("--networks and --set network=... name the same thing: give one of them")
    grid = read_pipeline(pipeline)
    grid = _with_options(
        grid.with_baselines() if methods is None else grid, datasets, methods, networks, seeds, anomaly_rates
    )
    if manifest is not None and datasets is None:
        grid = grid.model_copy(update={"datasets": ()})
    place = Place(out, tracking_uri, experiment, no_tracking, device, threads, allow_download, engine, address)
    own_data = common.read_own(manifest and manifest.absolute())
    outcome, tracked = run_grid(grid, overrides, place, data_root, "bench", own_data)
    report(outcome, out)
    tracked.close(out)
    if outcome.failed or (strict and outcome.missing):
        raise typer.Exit(1)


def _with_options(pipeline: Pipeline, *options: str | None) -> Pipeline:
    """Return the pipeline with the values of the ``options``, in the order of NAMED, in place of those of the file."""
    from medad.config import Pipeline, build

    values = {key: common.names(text) for key, text in zip(NAMED, options, strict=True) if text is not None}
    return build(Pipeline, {**pipeline.model_dump(), **values}, "options")
