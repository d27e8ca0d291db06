"""A cell that has too little memory fails in words, and the bench goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

import medad.experiments.grid.cells
from medad.experiments.grid.cells import GridCell, Loaders, run_cell
from medad.experiments.plan import Experiment
from medad.methods.pca import PCASettings
from medad.splits import Pools
from medad.tracking import Tracker


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes.")]
)
def test_too_little_memory_is_no_internal_error(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(medad.experiments.grid.cells, "run_experiment", fail)
    cell = GridCell(Experiment("demo", "pca", PCASettings(), 0), cast(Pools, None), tmp_path / "cell")
    trouble = run_cell(cell, Loaders("cpu"), Tracker(), tmp_path / "bench.jsonl")
    assert trouble is not None
    assert trouble.startswith("there is not enough memory for this")
