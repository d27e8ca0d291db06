"""medad run: run a pipeline of stages, such as the clinical experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medad.cli import _common as common
from medad.cli import _tracking as tracking
from medad.wording import command

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
    grid, manifest, candidate, compared = _planned(pipeline, settings)
    device = common.start(threads, device)
    from medad.experiments.clinical import run_clinical
    from medad.experiments.clinical_stages import Clinical
    from medad.experiments.grid.cells import Loaders
    from medad.experiments.normal_reference import check_choices
    from medad.registry import methods

    built = [methods.get(planned.method)(planned.settings) for planned in (candidate, *compared)]
    check_choices(built, candidate.evaluation)
    tracked = tracking.open_tracker(tracking.TrackingOptions(out, tracking_uri, experiment, block=grid.tracking))
    name = grid.tracking.model or manifest.name
    loaders = Loaders(device)
    clinical = Clinical(candidate, compared, manifest, loaders, out, tracked.tracker, name, grid.registration)
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


def _planned(pipeline: str, settings: list[str]) -> tuple[Pipeline, Manifest, Experiment, tuple[Experiment, ...]]:
    """Return the pipeline with its settings, its manifest, the candidate's experiment and those compared with it.

    Raises:
        ConfigError: the pipeline has no stages or no manifest, an experiment twice, or a candidate that it lacks.
    """
    from medad.config import ConfigError, parse_overrides
    from medad.experiments.plan import plan
    from medad.pipeline_files import read_pipeline

    grid, overrides = _with_overrides(read_pipeline(pipeline), parse_overrides(settings))
    if not grid.stages:
        raise ConfigError(f"{pipeline} has no stages: run it with 'medad bench' or 'medad train'")
    if grid.data is None:
        raise ConfigError("say what to run on: --set data=MANIFEST (CSV or Parquet)")
    planned = plan(grid.model_copy(update={"datasets": ("demo",)}), overrides)
    if len({experiment.title for experiment in planned}) < len(planned):
        raise ConfigError(
            f"{pipeline} names one method and network several times; a run of stages has one seed of each"
        )
    name = grid.candidate or planned[0].method
    if name not in grid.methods:
        reason = f"candidate={name!r} is none of its methods ({', '.join(grid.methods)})"
        raise ConfigError(f"{pipeline}: {reason}: choose one of them with --set candidate=METHOD")
    from medad.manifest.reading import read_manifest

    manifest = read_manifest(Path(grid.data))
    experiments = [replace(experiment, dataset=manifest.name) for experiment in planned]
    candidate = next(experiment for experiment in experiments if experiment.method == name)
    compared = tuple(experiment for experiment in experiments if experiment is not candidate)
    return grid, manifest, candidate, compared


def _with_overrides(pipeline: Pipeline, overrides: Mapping[str, Any]) -> tuple[Pipeline, dict[str, Any]]:
    """Apply the overrides that are keys of the pipeline; return it with the other overrides, which are for methods."""
    from medad.config import Pipeline, build

    pipeline_values = {key: value for key, value in overrides.items() if key in Pipeline.model_fields}
    if isinstance(pipeline_values.get("tracking"), dict):
        pipeline_values["tracking"] = {**pipeline.tracking.model_dump(), **pipeline_values["tracking"]}
    if "methods" in pipeline_values and pipeline.candidate not in pipeline_values["methods"]:
        pipeline_values.setdefault("candidate", None)  # the file's candidate is one of the file's methods
    method_values = {key: value for key, value in overrides.items() if key not in pipeline_values}
    return build(Pipeline, {**pipeline.model_dump(), **pipeline_values}, "--set"), method_values
