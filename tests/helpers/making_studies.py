"""A small data set on disk with masks, patients and attributes, and experiments on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from helpers.making import gray_image
from PIL import Image

from medad.config import Evaluation
from medad.data.loading import Loader
from medad.experiments.experiment import run_experiment
from medad.experiments.plan import Experiment
from medad.registry import methods
from medad.splits import Pools
from medad.tracking import Tracker
from medad.types import Study

SIDE = 32


class Recorder(Loader):
    """A loader that remembers the studies it was asked for, in groups."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.asked: list[list[Study]] = []

    def _read_new(self, studies: Sequence[Study]) -> Any:
        self.asked.append(list(studies))
        return super()._read_new(studies)


def write_study(root: Path, name: str, rng: np.random.Generator, label: int, **more: Any) -> Study:
    """A PNG; if abnormal with a bright square, its mask (or box) as another PNG."""
    image = gray_image(rng, False, SIDE)
    mask = np.zeros_like(image)
    if label:
        row, column = rng.integers(3, SIDE - 12, 2)
        mask[row : row + 8, column : column + 8] = 255
        image = np.where(mask > 0, 250, image).astype(np.uint8)
    Image.fromarray(image).save(root / f"{name}.png")
    marked = None
    if label:
        marked = root / f"{name}-mask.png"
        Image.fromarray(mask).save(marked)
    return Study(name, (root / f"{name}.png",), label=label, mask=marked, **more)


def make_pools(root: Path, seed: int = 0, test_prefix: str = "test", kind: str = "pixels") -> Pools:
    """30 known normals of 15 patients, 12 unlabeled studies, and 8 + 6 test studies of 7 patients."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    normal = [write_study(root, f"n{index}", rng, 0, patient=f"N{index // 2}") for index in range(30)]
    unlabeled = [[write_study(root, f"u{label}{index}", rng, label) for index in range(6)] for label in (0, 1)]
    test = [
        [
            write_study(
                root,
                f"{test_prefix}{label}{index}",
                rng,
                label,
                patient=f"T{label}{index // 2}",
                mask_kind=kind,
                attributes=(("scanner", "AB"[index % 2]),),
            )
            for index in range(count)
        ]
        for label, count in ((0, 8), (1, 6))
    ]
    return Pools(tuple(normal), *map(tuple, unlabeled), *map(tuple, test))


def make_experiment(
    method: str = "pca", seed: int = 0, evaluation: dict[str, Any] | None = None, **settings: Any
) -> Experiment:
    model = methods.get(method).settings_model
    values = {**{"size": SIDE, "batch_size": 4, "components": 3, "anomaly_rate": 0.5}, **settings}
    own = {key: value for key, value in values.items() if key in model.model_fields}
    judged = Evaluation(**{"resamples": 100, "specificities": (0.8,), **(evaluation or {})})
    return Experiment("toy", method, model(**own), seed, judged)


def run_one(
    experiment: Experiment, pools: Pools, folder: Path, **options: Any
) -> tuple[list[dict[str, Any]], Recorder]:
    """Run the experiment in ``folder``; its rows, and the loader with what it was asked for."""
    loader = Recorder(experiment.settings, **options)
    with Tracker().run("cell", folder) as run:
        return run_experiment(experiment, pools, loader, folder, run), loader
