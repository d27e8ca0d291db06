"""Score a folder with an exported model, without importing PyTorch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from medad.cli import _common as common
from medad.cli._paths import IN_REGISTRY
from medad.cli._terminal import waiting

if TYPE_CHECKING:
    from medad.scoring import ScoreSettings, Summary


def is_exported(model: Path) -> bool:
    """Return whether ``model`` is an ONNX file, or a folder that holds one and is no model folder."""
    from medad.export.names import exported_file
    from medad.model_files import CARD

    return not str(model).startswith(IN_REGISTRY) and not (model / CARD).is_file() and exported_file(model) is not None


def score_exported(
    model: Path, folder: Path, out: Path, settings: ScoreSettings, *, restart: bool, threads: int, track: bool
) -> Summary:
    """Score ``folder`` with the exported ``model``, as score_folder does.

    Raises:
        ConfigError: an option needs PyTorch or MLflow.
        ExportError: the file cannot be used.
    """
    from medad.config import ConfigError

    common.log_to_stderr()
    if settings.device not in ("auto", "cpu"):
        raise ConfigError(f"--device {settings.device}: an exported model is scored on the CPU; score the model folder")
    if track:
        raise ConfigError("--track belongs to a model folder: an exported model is scored without MLflow")
    with waiting("loading ONNX Runtime"):
        from medad.export.onnx_model import OnnxModel
        from medad.export.onnx_scoring import WithOnnx
        from medad.scoring import score_folder_with

        loaded = OnnxModel(model)
    backend = WithOnnx(loaded, threads or len(os.sched_getaffinity(0)))
    return score_folder_with(backend, folder, out, settings, restart=restart)
