"""Every method can be captured as a graph and exported to ONNX, with every network that it can have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from contracts.fakes import fit, small, variants
from helpers.exporting import complete
from torch import Generator, Tensor

from medad.export.graph import Graph
from medad.export.names import ExportError
from medad.export.onnx_model import OnnxModel
from medad.export.run import export_model

VARIANTS: list[tuple[str, str | None, dict[str, Any]]] = [
    *((name, network, {}) for name, network in variants()),
    ("cdo", None, {"maps": "features"}),
    ("pca", None, {"channels": 3}),
]
every = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: "-".join(map(str, filter(None, variant))))


def images(count: int, channels: int) -> Tensor:
    return torch.rand(count, channels, 32, 32, generator=Generator().manual_seed(count)) * 2 - 1


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")  # of what is constant; other batches are compared
@every
def test_a_trace_scores_batches_of_other_sizes(variant: tuple[str, str | None, dict[str, Any]]) -> None:
    name, network, more = variant
    method = fit(small(name, network, **more))
    if method.no_graph:
        pytest.skip(method.no_graph)
    channels = method.settings.channels
    with torch.no_grad():
        graph = torch.jit.trace(Graph(method), (images(2, channels),), check_trace=False)
        scores, _, maps = graph(images(5, channels))
    for place, result in enumerate(method.score(images(5, channels)).values()):
        torch.testing.assert_close(scores[:, place], result.score)
        torch.testing.assert_close(maps[:, place, None], result.anomaly_map, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@every
def test_onnx_runtime_gives_the_scores_of_the_method(
    variant: tuple[str, str | None, dict[str, Any]], tmp_path: Path
) -> None:
    name, network, more = variant
    method = fit(small(name, network, **more))
    if method.no_graph:
        with pytest.raises(ExportError, match=f"{name} cannot be exported: {method.no_graph}"):
            export_model(complete(method, tmp_path / "model", name), ["onnx"], tmp_path)
        return
    export_model(complete(method, tmp_path / "model", name), ["onnx"], tmp_path)
    inputs = images(7, method.settings.channels)
    found = OnnxModel(tmp_path).score(inputs.numpy())
    for title, result in method.score(inputs).items():
        largest = result.score.abs().max().item()
        np.testing.assert_allclose(found[title].score, result.score.numpy(), rtol=1e-5, atol=1e-6 * largest)
        largest = result.anomaly_map.abs().max().item()
        np.testing.assert_allclose(found[title].anomaly_map, result.anomaly_map.numpy(), rtol=1e-4, atol=1e-5 * largest)
