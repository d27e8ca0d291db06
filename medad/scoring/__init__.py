"""Batch scoring of a folder: every file becomes a row that is scored, skipped or failed, and no file stops the rest.

``folder.py`` is the entry, and ``run.py`` the main loop. ``index/`` finds the cases, ``engine/local.py`` or
``engine/on_ray.py`` reads and scores them, the ledger stores every row as soon as it is complete, and ``results.py``
writes the tables from the ledger. ``core/`` holds what one case needs; the modules of this folder import the three
subfolders, and none of these imports a module of this folder. The table of a run that was interrupted and resumed has
the same bytes as that of an undisturbed run: rows are in the order of their files, scores do not depend on the
composition of batches (``core/scorer.py``), and durations are in another file. Files may be added, changed or deleted
at any time, also while they are read: the next run gives the same results as a run with a new output folder
(``index/stamps.py``, ``index/duplicates.py``).

Importing this package loads no torch: its names are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medad.scoring.core.settings import HEATMAPS, LEDGER, TABLE, ScoreSettings, ScoringError
    from medad.scoring.folder import Summary, score_folder, score_folder_with

_HOMES = {
    **dict.fromkeys(("HEATMAPS", "LEDGER", "TABLE", "ScoreSettings", "ScoringError"), "core.settings"),
    **dict.fromkeys(("Summary", "score_folder", "score_folder_with"), "folder"),
}

__all__ = [
    "HEATMAPS",
    "LEDGER",
    "TABLE",
    "ScoreSettings",
    "ScoringError",
    "Summary",
    "score_folder",
    "score_folder_with",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
