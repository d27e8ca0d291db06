"""medad train: train one model on a data set, a manifest or folders of studies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medad.cli import _common as common
from medad.cli import _tracking as tracking
from medad.cli._paths import there
from medad.registry import networks
from medad.wording import command, counted

if TYPE_CHECKING:
    from medad.config import Tracking
    from medad.experiments.plan import Experiment
    from medad.manifest.manifest import Manifest
    from medad.methods.base import Method


Normal = Annotated[Path | None, typer.Option(help="Folder of known-normal studies.", callback=there)]
Unlabeled = Annotated[Path | None, typer.Option(help="Folder of unlabeled studies.", callback=there)]
DatasetName = Annotated[
    str | None, typer.Option(help="Train on a data set's training set instead; 'medad data list' names them.")
]


def train(
    out: common.Out,
    pipeline: common.PipelineName = "ddad",
    normal: Normal = None,
    unlabeled: Unlabeled = None,
    dataset: DatasetName = None,
    manifest: common.Data = None,
    data_root: common.DataRoot = None,
    network: Annotated[str | None, typer.Option(help=f"{', '.join(networks.names())}.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    settings: common.Set = [],  # noqa: B006 - typer reads it once
    skip_unreadable: common.SkipUnreadable = False,
    tracking_uri: common.TrackingUri = None,
    experiment: common.ExperimentName = None,
    no_tracking: common.NoTracking = False,
    device: common.Device = "auto",
    threads: common.Threads = 0,
    allow_download: common.AllowDownload = False,
) -> None:
    """Train a model on normal studies, and unlabeled ones, and write the model folder OUT/model.

    An interrupted training goes on from its last checkpoint.

    'medad methods', 'medad networks' and 'medad pipelines' say what can be named, and 'medad settings METHOD' every key
    of --set.
    """
    from medad.config import ConfigError

    if (normal, dataset, manifest).count(None) != 2:
        raise ConfigError("say what to train on: --normal DIR (and --unlabeled DIR), --data MANIFEST or --dataset NAME")
    own_data = common.read_own(manifest)
    planned_experiment, store = _planned(pipeline, network, seed, settings, dataset, own_data)
    device = common.start(threads, device)
    from medad.data.loading import Loader
    from medad.data.study_cache import default_cache
    from medad.experiments.normal_reference import check_choices
    from medad.experiments.train import train_one, training_set
    from medad.registry import methods

    method: Method = methods.get(planned_experiment.method)(planned_experiment.settings)
    method.rehearse(allow_download)
    check_choices([method], planned_experiment.evaluation)
    data, source = training_set(planned_experiment, normal, unlabeled, data_root, out, own_data)
    tracked = tracking.open_tracker(tracking.TrackingOptions(out, tracking_uri, experiment, no_tracking, store))
    loader = Loader(planned_experiment.settings, device, skip_unreadable, cache=default_cache())
    folder = train_one(planned_experiment, data, source, loader, out, tracked.tracker)
    tracked.tracker.catch_up(out)
    typer.echo(f"model:   {folder}")
    typer.echo(f"next:    {command('medad', 'score', folder, 'FOLDER', '--out', 'scores')}")
    tracked.close(out)


def _planned(
    pipeline: str, network: str | None, seed: int, settings: list[str], dataset: str | None, own_data: Manifest | None
) -> tuple[Experiment, Tracking]:
    """Return the only experiment of the pipeline with these options, and the pipeline's tracking block.

    Raises:
        ConfigError: an option is not valid, or the pipeline has several experiments.
    """
    from medad.config import ConfigError, Pipeline, build, parse_overrides
    from medad.experiments.plan import plan
    from medad.pipeline_files import read_pipeline

    grid = read_pipeline(pipeline)
    overrides = parse_overrides(settings)
    if network is not None and "network" in overrides:
        raise ConfigError("--network and --set network=... name the same thing: give one of them")
    chosen = (network,) if network else grid.networks[:1]
    name = own_data.name if own_data else dataset or "demo"
    grid = build(Pipeline, {**grid.model_dump(), "datasets": (name,), "seeds": (seed,), "networks": chosen}, "options")
    planned = plan(grid, overrides, (own_data.name,) if own_data else ())
    if len(planned) != 1:
        raise ConfigError(f"{pipeline} names {counted(len(planned), 'experiment')}; 'medad train' trains one")
    return planned[0], grid.tracking
