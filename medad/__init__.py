"""Medical image anomaly detection on MONAI.

``medad.load`` and ``medad.method`` give a :class:`medad.api.detector.Detector`, which is fitted, scores, and is saved;
``medad.evaluate`` and ``medad.compare`` judge scores; ``medad.dataset`` reads a benchmark; ``medad.score_folder``
scores a folder as the command does. Importing medad imports neither torch nor MONAI: these names are imported on first
use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medad.api.detector import Detector, load, method
    from medad.api.folders import dataset, score_folder
    from medad.api.judging import compare, evaluate
    from medad.api.results import Result

__version__ = "0.1.0"
__all__ = ["Detector", "Result", "compare", "dataset", "evaluate", "load", "method", "score_folder"]
_HOMES = {
    "Detector": "detector",
    "Result": "results",
    "compare": "judging",
    "dataset": "folders",
    "evaluate": "judging",
    "load": "detector",
    "method": "detector",
    "score_folder": "folders",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.api.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})
