"""A small model whose card has all that decides about rows: calibration, operating points, a profile."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import torch
from helpers.making import FAST, gray_image

from medad.data.facts import facts_of_pixels
from medad.data.profile import profile_of
from medad.methods.base import Method
from medad.methods.ddad import DDAD, DDADSettings
from medad.model import Card, Model, load, save

COUNTS = 19  # held-out normals: the lowest p-value is 0.05


def complete(method: Method, folder: Path, name: str = "ddad") -> Model:
    """The model of ``method``, saved to ``folder``; its normals are pictures like those in ``mixed``."""
    rng = np.random.default_rng(5)
    pictures = [gray_image(rng) for _ in range(COUNTS)]
    with torch.no_grad():
        images = torch.stack([torch.from_numpy(one / 127.5 - 1).float()[None] for one in pictures])
        side = method.settings.size
        grid = torch.nn.functional.interpolate(images, (side, side), mode="bilinear", antialias=True)
        scored = method.score(grid.expand(-1, method.settings.channels, -1, -1))
    scores = {title: np.sort(one.score.double().numpy()).tolist() for title, one in scored.items()}
    facts = [facts_of_pixels(one.T[None].astype(np.float32), {"modality": "MR"}) for one in pictures]
    card = Card(
        method=name,
        settings=method.settings.model_dump(mode="json"),
        seed=0,
        trained_on={"normal": COUNTS, "dataset": "made | for tests"},
        calibration=scores,
        thresholds={title: {"specificity_0.5": values[COUNTS // 2]} for title, values in scores.items()},
        map_scale={title: float(one.anomaly_map.max()) + 1e-3 for title, one in scored.items()},
        map_threshold={title: float(one.anomaly_map.median()) for title, one in scored.items()},
        profile={**profile_of(facts), "modality": {}},
    )
    save(folder, method, card)
    return load(folder)


def small_ddad(**settings: Any) -> DDAD:
    """Untrained networks, with batch norms that have seen images."""
    torch.manual_seed(0)
    method = DDAD(DDADSettings(**{**FAST, "scores": ("single", "rec"), **settings}))
    method.train()
    with torch.no_grad():
        for module in filter(None, (method.ndm, method.udm)):
            module(torch.rand(8, 1, FAST["size"], FAST["size"]) * 2 - 1)
    return method.eval()


def rows_of(table: Path) -> dict[str, dict[str, str]]:
    """The rows of a table by file."""
    with table.open(encoding="utf-8", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def assert_equal_rows(expected: dict[str, dict[str, str]], found: dict[str, dict[str, str]], scores: list[str]) -> int:
    """Compare the studies that both tables score: equal flags and p-values, scores within 1e-5; return their number."""
    both = [file for file in expected if expected[file]["status"] == found[file]["status"] == "scored"]
    for file in both:
        ours, theirs = expected[file], found[file]
        for name in scores:
            np.testing.assert_allclose(float(theirs[name]), float(ours[name]), rtol=1e-5)
            assert theirs[f"{name}_p"] == ours[f"{name}_p"], file
        for name in ("flag_alpha", "flag_threshold", "flagged_by", "slices"):
            assert theirs[name] == ours[name], (file, name)
    return len(both)
