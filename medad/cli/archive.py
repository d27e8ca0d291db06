"""medad archive: rank the archive that a model learned from, and estimate how many of its studies are abnormal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medad.cli import _common as common
from medad.cli import _tracking as tracking
from medad.cli._paths import check_model, there

if TYPE_CHECKING:
    from medad.archive import Ranking
    from medad.manifest.manifest import Manifest
    from medad.model import Model
    from medad.types import TrainingSet


def archive(
    model: Annotated[Path, typer.Argument(help="Model folder, or models:/NAME@candidate in MLflow.")],
    out: common.Out,
    normal: Annotated[Path | None, typer.Option(help="Folder of known-normal studies.", callback=there)] = None,
    unlabeled: Annotated[Path | None, typer.Option(help="Folder of unlabeled studies.", callback=there)] = None,
    manifest: common.Data = None,
    dataset: Annotated[str | None, typer.Option(help="A data set's training set instead.")] = None,
    data_root: common.DataRoot = None,
    top: Annotated[int, typer.Option(min=0, help="Studies to draw, from the highest score on.")] = 100,
    drawn: Annotated[
        str, typer.Option("--map", help="Score whose map is drawn; default: the one that the model's card names.")
    ] = "",
    skip_unreadable: common.SkipUnreadable = False,
    tracking_uri: common.TrackingUri = None,
    device: common.Device = "auto",
    threads: common.Threads = 0,
) -> None:
    """Estimate how many studies of the unlabeled archive are abnormal, and rank them.

    Give the data that the model was trained with, as to 'medad train'. No study is judged by a classifier that learned
    it or its patient: a method that learns from the archive (ratio) is fitted again without parts of it, and a method
    that learns from normals alone is used as it is. Other methods are refused.

    Writes OUT/archive.csv (the ranking), archive.json (the estimate with its interval) and triage.html (pictures of the
    studies to look at first). An interrupted command goes on where it was.
    """
    from medad.config import ConfigError

    if (normal, dataset, manifest).count(None) != 2 or (normal is None) != (unlabeled is None):
        raise ConfigError("say which archive: --normal DIR and --unlabeled DIR, --data MANIFEST, or --dataset NAME")
    check_model(model)
    own_data = common.read_own(manifest)
    device = common.start(threads, device)
    from medad.archive import judge_archive, rank, write_archive
    from medad.data.loading import Loader
    from medad.model import load

    loaded = load(tracking.model_folder(model, out, tracking_uri), device)
    data, digest = _data(loaded, normal, unlabeled, dataset, data_root, out, own_data)
    loader = Loader(loaded.method.settings, device, skip_unreadable)
    ranking = rank(judge_archive(loaded, data, loader, out, digest))
    page = write_archive(loaded, ranking, out, top, drawn)
    _report(ranking, page, out)


def _data(
    model: Model,
    normal: Path | None,
    unlabeled: Path | None,
    dataset: str | None,
    data_root: Path | None,
    out: Path,
    own_data: Manifest | None,
) -> tuple[TrainingSet, str]:
    """Return the training studies and their digest; a warning is logged if they are not those of the model."""
    import logging

    from medad.experiments.plan import Experiment
    from medad.experiments.train import training_set
    from medad.registry import datasets

    name = own_data.name if own_data else dataset or "demo"
    if dataset is not None:
        datasets.check(dataset)
    experiment = Experiment(name, model.card.method, model.method.settings, model.card.seed)
    data, source = training_set(experiment, normal, unlabeled, data_root, out, own_data)
    digest = str(source["digest"])
    if digest != model.card.trained_on.get("digest"):
        logging.getLogger(__name__).warning(
            "these are not the studies that the model was trained with: ranking and estimate are of the studies given "
            "here, colors and maps are those of the model"
        )
    return data, digest


def _report(ranking: Ranking, page: Path, out: Path) -> None:
    """Print the estimate, the first studies and the names of the files."""
    from medad.archive.writing import TABLE

    for sentence in ranking.sentences():
        typer.echo(sentence)
    common.say(f"first:   {', '.join(ranking.judged.archive[place].id for place in ranking.order[:5].tolist())}")
    typer.echo(f"ranking: {out / TABLE}")
    typer.echo(f"look at: {page}")
