"""A detector that has learned 60 gray pictures, and a model folder of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.making import gray_image
from numpy.typing import NDArray

import medad


@pytest.fixture(scope="session")
def normal() -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    return np.stack([gray_image(rng) for _ in range(60)])[:, None]


@pytest.fixture(scope="session")
def abnormal() -> NDArray[np.uint8]:
    rng = np.random.default_rng(1)
    return np.stack([gray_image(rng, abnormal=True) for _ in range(5)])[:, None]


@pytest.fixture(scope="session")
def detector(normal: NDArray[np.uint8]) -> medad.Detector:
    return medad.method("pca", size=32, components=4, calibration=0.4).fit(normal, seed=0)


@pytest.fixture(scope="session")
def model(detector: medad.Detector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return detector.save(tmp_path_factory.mktemp("saved") / "model")
