"""medad run: run a pipeline of stages, such as the clinical experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medad.cli import _common as common
from medad.cli import _tracking as tracking
from medad.wording import command, counted

if TYPE_CHECKING:
    from medad.config import Pipeline
    from medad.experiments.plan import Experiment
    from medad.manifest.manifest import Manifest


def run(
    pipeline: Annotated[
        str, typer.Argument(help="A name that 'medad pipelines' lists for run, or a YAML file with stages.")
    ],
    out: common.Out,
    settings: common.Set = [],  # noqa: B006 - typer reads it once
    tracking_uri: common.TrackingUri = None,
    experiment: common.ExperimentName = None,
    device: common.Device = "auto",
    threads: common.Threads = 0,
) -> None:
    """Check, train, evaluate, report, register: as one run in MLflow. Needs --set data=MANIFEST.

    --set takes the keys of the pipeline's file (data, methods, networks, seeds, ...) and those of its method, which
    'medad settings METHOD' lists.

    Interrupted and started again, it goes on at the stage it was in. The model becomes a version of a registered model
    with the alias 'candidate'; moving an alias on from there is a person's decision. With --set
    registration=if_separates, a model whose score the test set does not show to separate is not registered (exit 1).
    """
    grid, manifest, planned_experiment = _planned(pipeline, settings)
    device = common.start(threads, device)
    from medad.data.loading import Loader
    from medad.experiments.clinical import Clinical, run_clinical
    from medad.experiments.normal_reference import check_choices
    from medad.registry import methods

    check_choices([methods.get(planned_experiment.method)(planned_experiment.settings)], planned_experiment.evaluation)
    tracked = tracking.open_tracker(tracking.TrackingOptions(out, tracking_uri, experiment, block=grid.tracking))
    name = grid.tracking.model or manifest.name
    clinical = Clinical(
        planned_experiment,
        manifest,
        Loader(planned_experiment.settings, device),
        out,
        tracked.tracker,
        name,
        grid.registration,
    )
    for sentence in run_clinical(clinical, grid.stages, Path(pipeline).stem):
        common.say(sentence)
    refused = clinical.unregistered() if "register" in grid.stages else ""
    model = (
        (out / "model", "FOLDER") if refused else (f"models:/{name}@candidate", "FOLDER", "--tracking-uri", tracked.uri)
    )
    typer.echo(f"next:    {command('medad', 'score', *model, '--out', 'scores')}")
    tracked.close(out)
    if refused and grid.registration == "if_separates":
        raise typer.Exit(1)


def _planned(pipeline: str, settings: list[str]) -> tuple[Pipeline, Manifest, Experiment]:
    """Return the pipeline with its settings, its manifest, and its only experiment.

    Raises:
        ConfigError: the pipeline has no stages, no manifest or several experiments.
    """
    from medad.config import ConfigError, parse_overrides, read_pipeline
    from medad.experiments.plan import plan

    grid, overrides = _with_overrides(read_pipeline(pipeline), parse_overrides(settings))
    if not grid.stages:
        raise ConfigError(f"{pipeline} has no stages: run it with 'medad bench' or 'medad train'")
    if grid.data is None:
        raise ConfigError("say what to run on: --set data=MANIFEST (CSV or Parquet)")
    planned = plan(grid.model_copy(update={"datasets": ("demo",)}), overrides)
    if len(planned) != 1:
        several = counted(len(planned), "experiment")
        raise ConfigError(f"{pipeline} names {several}; a run of stages has one method, network, seed")
    from medad.manifest.manifest import read_manifest

    manifest = read_manifest(Path(grid.data))
    return grid, manifest, replace(planned[0], dataset=manifest.name)


def _with_overrides(pipeline: Pipeline, overrides: Mapping[str, Any]) -> tuple[Pipeline, dict[str, Any]]:
    """Apply the overrides that are keys of the pipeline; return it with the other overrides, which are for methods."""
    from medad.config import Pipeline, build

    pipeline_values = {key: value for key, value in overrides.items() if key in Pipeline.model_fields}
    if isinstance(pipeline_values.get("tracking"), dict):
        pipeline_values["tracking"] = {**pipeline.tracking.model_dump(), **pipeline_values["tracking"]}
    method_values = {key: value for key, value in overrides.items() if key not in pipeline_values}
    return build(Pipeline, {**pipeline.model_dump(), **pipeline_values}, "--set"), method_values
