"""Folders of results as a bench leaves them, without running one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from medad.functional.bootstrap import bootstrap_intervals
from medad.functional.delong import auc_interval
from medad.outputs.cases import save_cases
from medad.outputs.pictures import Scale
from medad.results.names import PICTURES
from medad.types import Case

SHIFTS = {"rec": 0.6, "inter": 1.1}


def write_cell(
    out: Path,
    *,
    dataset: str = "toy",
    method: str = "ddad",
    network: str = "ae",
    seed: int = 0,
    rate: float = 0.6,
    counts: tuple[int, int] = (60, 40),
    attributes: dict[str, list[str]] | None = None,
    calibration: int = 0,
    masks: bool = False,
    pictures: bool = True,
    shifts: dict[str, float] = SHIFTS,
    more: dict[str, Any] | None = None,
) -> Path:
    """A finished cell below ``out``/cells: scores are normal, shifted for the abnormal cases; its folder.

    ``attributes`` are columns of the table of cases; ``calibration`` is how many normals are held out; ``more`` goes
    into each result row.
    """
    folder = out / "cells" / f"{method}_{network}_seed{seed}_rate{rate:g}_{abs(hash(dataset)) % 9999}"
    (folder / "model").mkdir(parents=True)
    rng = np.random.default_rng([seed, int(100 * rate), len(network)])
    labels = np.repeat([0, 1], counts)
    noise = rng.normal(size=len(labels))
    scores = {
        name: 0.7 * noise + 0.7 * rng.normal(size=len(labels)) + shift * labels * (0.5 + rate)
        for name, shift in shifts.items()
    }
    ids = [f"case-{index:03d}" for index in range(len(labels))]
    table = {"id": ids, "label": labels, "patient": ""}
    table |= {f"attr:{name}": values for name, values in (attributes or {}).items()}
    pd.DataFrame({**table, **scores}).to_csv(folder / "cases.csv", index=False)
    experiment = {"dataset": dataset, "method": method, "network": network, "anomaly_rate": rate, "epochs": 3}
    common = {**experiment, "seed": seed, "split": "custom split", "n_normal": counts[0], "n_abnormal": counts[1]}
    common |= {"n_unlabeled": 20, "n_unlabeled_abnormal": int(20 * rate), "seconds": 12.0, **(more or {})}
    common |= {"trivial": method in ("pca", "max_intensity")}
    rows = [
        {
            **common,
            "score": name,
            "title": f"the {name} score",
            "primary": name == list(scores)[-1],
            **_judged(labels, scores[name]),
        }
        for name in scores
    ]
    (folder / "result.json").write_text(json.dumps({"experiment": {**experiment, "seed": seed}, "rows": rows}))
    held_out = {name: sorted(rng.normal(size=calibration).tolist()) for name in scores} if calibration else {}
    _write_card(folder / "model" / "model.json", {**experiment, "seed": seed}, held_out)
    if pictures:
        save_cases(
            folder / PICTURES,
            ids,
            labels,
            scores,
            lambda index, by: _picture(index, list(scores), masks),
            {name: Scale(name, 0.5, 1.0) for name in scores},
            list(scores)[-1],
            next(iter(scores)),
        )
    return folder


def _judged(labels: np.ndarray, values: np.ndarray) -> dict[str, float]:
    auc = auc_interval(labels, values[:, None])
    ap = bootstrap_intervals(labels, values[:, None], rng=np.random.default_rng(0), resamples=100)["ap"]
    return {
        **{"auc": auc.value, "auc_low": auc.low, "auc_high": auc.high},
        **{"ap": ap.value, "ap_low": ap.low, "ap_high": ap.high},
    }


def _write_card(path: Path, settings: dict[str, Any], calibration: dict[str, list[float]]) -> None:
    source = {"dataset": settings["dataset"], "split": "custom split", "digest": "0123456789ab", "normal": 30}
    card = {"format": 1, "medad": "0.1.0", "method": settings["method"], "settings": settings, "seed": settings["seed"]}
    path.write_text(json.dumps({**card, "trained_on": source, "map_scale": {}, "calibration": calibration}))


def _picture(index: int, names: list[str], masks: bool) -> Case:
    side = 32
    image = torch.linspace(-1, 1, side).repeat(side, 1)[None] * (1 + index % 5)
    mask = torch.zeros(side, side)
    mask[8:16, 10:20] = 1
    maps = {name: torch.rand(1, side, side, generator=torch.Generator().manual_seed(index)) for name in names}
    return Case(f"case {index}", image, maps, mask if masks else None)


def write_journal(folder: Path, epochs: int = 5) -> Path:
    """The record of a run with training losses, and with what made it."""
    events: list[dict[str, Any]] = [
        {
            "kind": "begin",
            "name": "cell",
            "tags": {"version.torch": "2.13.0", "hardware.cores": "2", "medad.kind": "cell"},
        }
    ]
    for name in ("ndm0", "ndm1", "udm0"):
        events += [
            {"kind": "metric", "name": f"{name}/loss", "value": 1 / step, "step": step} for step in range(1, epochs + 1)
        ]
    path = folder / "runs" / "cell.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"{json.dumps(event)}\n" for event in events) + '{"kind": "met')
    return path
