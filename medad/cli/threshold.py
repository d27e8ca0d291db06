"""medad threshold: set the operating points of a model from a labeled validation set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medad.cli import _common as common
from medad.cli._paths import check_model, there


def threshold(
    model: Annotated[Path, typer.Argument(help="Model folder, as 'medad train' wrote it.")],
    cases: Annotated[Path, typer.Argument(help="cases.csv of 'medad evaluate' on a validation set.", callback=there)],
    settings: common.Set = [],  # noqa: B006 - typer reads it once
) -> None:
    """Store thresholds for the asked sensitivities and specificities in the model: --set sensitivities=[0.95].

    'medad settings evaluation' lists the keys of --set.

    A validation set is one that no later test uses: a threshold looks better on the cases that it was made from.
    """
    from medad.config import Evaluation, build, parse_overrides

    evaluation = build(Evaluation, parse_overrides(settings), "--set")
    check_model(model)
    from medad.experiments.operating_points import set_thresholds

    for score, points in set_thresholds(model, cases, evaluation).items():
        typer.echo(f"{score}: {', '.join(f'{name} above {value:.6g}' for name, value in points.items())}")
    typer.echo(f"model: {model}")
