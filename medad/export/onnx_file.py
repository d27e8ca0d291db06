"""Write a model as one ONNX file that describes itself."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medad.export.description import BLOCK, KEY, Description, describe
from medad.export.graph import Graph
from medad.export.names import FILE, ExportError
from medad.export.onnx_model import INPUT, OUTPUTS, OnnxModel
from medad.files import write_json
from medad.model import Model

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
DESCRIPTION = "description.json"  # a copy for readers; the one inside the ONNX file counts
TOLERANCE = 1e-4  # largest difference from PyTorch, of the largest value: an export that differs more is refused
_LOGGERS = ("torch.onnx", "onnxscript", "onnx_ir", "torch.export", "root")


def write_onnx(model: Model, folder: Path) -> None:
    """Write ``model`` to ``folder``/model.onnx, with its description inside, and a copy of that as JSON beside it.

    Images of noise are then scored with both forms of the model; the file stays only if the results agree.

    Raises:
        ExportError: a package is missing, the method cannot be captured as a graph, or the results differ.
        WriteError: the operating system refuses.
    """
    _check_packages()
    graph = Graph(model.method)
    titles = list(model.method.scores.values())
    description = describe(model.card, model.method.settings, titles, graph.outputs(), model.method.primary)
    content: dict[str, Any] = description.model_dump(mode="json")
    program = _captured(graph, model)
    program.model.metadata_props[KEY] = json.dumps(content, allow_nan=False)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        program.save(str(folder / FILE), external_data=False)
    except ValueError as error:  # protobuf's limit of 2 GiB
        raise ExportError(f"{model.card.method}: its ONNX file cannot be written ({error})") from None
    write_json(folder / DESCRIPTION, content)
    _check_results(model, description, folder / FILE)


def _check_packages() -> None:
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ExportError(f"--to onnx needs {', '.join(missing)}: pip install 'medad[export]'")


def _captured(graph: Graph, model: Model) -> Any:
    """Return the graph of a model as PyTorch's ONNX program.

    Raises:
        ExportError: PyTorch cannot capture the method, or ONNX lacks one of its operations.
    """
    settings = model.method.settings
    example = torch.zeros(2, settings.channels, settings.size, settings.size)
    try:
        with torch.no_grad(), _quiet():
            return torch.onnx.export(
                graph,
                (example,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=[INPUT],
                output_names=list(OUTPUTS),
                verbose=False,
            )
    except Exception as error:  # a method of any author may fail in any way while it is captured
        lines = str(error.__cause__ or error).strip().splitlines() or ["no reason given"]
        raise ExportError(
            f"the method {model.card.method!r} cannot be exported to ONNX: {type(error).__name__}: {lines[0][:300]}. "
            "Its score() must consist of PyTorch's operations and hold for every batch size (medad.functional.capture)"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, which warns about packages that are not needed."""
    loggers = [logging.getLogger(None if name == "root" else name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _check_results(model: Model, description: Description, file: Path) -> None:
    """Score images of noise with PyTorch and with ONNX Runtime; raise ExportError if the results differ."""
    how = description.preprocessing
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(BLOCK + 1, how.channels, how.size, how.size, generator=generator) * 2 - 1
    device = next(iter(model.method.state_dict().values()), images).device
    expected, found = model.method.score(images.to(device)), OnnxModel(file).score(images.numpy())
    for name in description.names:
        for field in ("score", "members", "anomaly_map"):
            ours = getattr(expected[name], field).cpu().double().numpy()
            theirs = np.asarray(getattr(found[name], field), np.float64)
            difference = float(np.abs(ours - theirs).max() / max(float(np.abs(ours).max()), 1e-12))
            if not difference <= TOLERANCE:
                raise ExportError(
                    f"the method {model.card.method!r} cannot be exported to ONNX: its {name} would differ by "
                    f"{difference:.1e} of the largest value ({field})"
                )
