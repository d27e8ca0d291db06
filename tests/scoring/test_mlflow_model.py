"""Models that were registered in MLflow, now or before the module that loads them moved, load and give their scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.making import gray_image
from PIL import Image
from safetensors.torch import save_file

from medad.tracking.models import LOADER

SIZE = 32
FORMERLY = "medad.serving"  # the module path that models have recorded which were registered before it moved


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registered model's files: a PCA of format 1 whose only component is the mean intensity."""
    folder = tmp_path_factory.mktemp("packed")
    model = folder / "data" / "model"
    model.mkdir(parents=True)
    basis = torch.full((1, SIZE**2), 1 / SIZE)
    save_file({"center": torch.zeros(SIZE**2), "basis": basis}, model / "weights.safetensors")
    card = {
        **{"format": 1, "medad": "0.1.0", "method": "pca", "seed": 0, "trained_on": {}, "map_scale": {"rec": 1.0}},
        "settings": {"size": SIZE, "channels": 1, "preset": "published", "batch_size": 4, "components": 1},
    }
    (model / "model.json").write_text(json.dumps(card))
    return folder


@pytest.mark.parametrize("loader", [FORMERLY, LOADER])
def test_a_registered_model_scores_as_by_hand(packed: Path, tmp_path: Path, loader: str) -> None:
    """What is left of an image without its mean is its variance."""
    from mlflow import pyfunc

    flavor = f"flavors:\n  python_function:\n    data: data/model\n    loader_module: {loader}\n"
    (packed / "MLmodel").write_text(f"{flavor}    python_version: 3.11.2\nmlflow_version: 3.17.0\n")
    images = [gray_image(np.random.default_rng(seed), abnormal=bool(seed), side=SIZE) for seed in range(2)]
    paths = [tmp_path / f"{seed}.png" for seed in range(2)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    rows = pyfunc.load_model(str(packed)).predict(pd.DataFrame({"path": [str(path) for path in paths]}))
    assert list(rows["error"]) == ["", ""]
    expected = [np.var(image.astype(float) / 255 * 2 - 1) for image in images]
    np.testing.assert_allclose(rows["rec"], expected, rtol=1e-5)
