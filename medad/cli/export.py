"""medad export: write a model for other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medad.cli import _common as common
from medad.cli import _tracking as tracking
from medad.cli._paths import check_model


def export(
    model: Annotated[Path, typer.Argument(help="Model folder, or models:/NAME@candidate in MLflow.")],
    to: Annotated[str, typer.Option("--to", help="Comma-separated: onnx, bundle.")],
    out: common.Out,
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow store or server where a models:/ model is.")] = None,
) -> None:
    """Export MODEL: OUT/onnx for ONNX Runtime, OUT/bundle for MONAI.

    onnx: one file, from the normalized image to every score and map, with preprocessing, calibration and thresholds
    inside; 'medad score OUT/onnx/model.onnx FOLDER' runs it without PyTorch. Needs pip install 'medad[export]'.

    bundle: a MONAI bundle with safetensors weights and no code, for a machine with medad: 'python -m monai.bundle run'
    (needs fire, of the same extra). Its docs/README.md holds the commands.
    """
    from medad.export.names import check_free, parse_targets

    targets = parse_targets(to)
    check_free(out, targets)
    check_model(model)
    device = common.start(0, "cpu")
    from medad.export.run import export_model
    from medad.model import load

    folders = export_model(load(tracking.model_folder(model, out, tracking_uri), device), targets, out)
    for name, folder in folders.items():
        typer.echo(f"{name}: {folder}")
