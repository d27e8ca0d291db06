"""Where runs are recorded: MLflow, or memory for tests and for those who track nothing."""

from medad.tracking.base import Run, Tracker, TrackingError
from medad.tracking.memory import MemoryTracker

__all__ = ["MemoryTracker", "Run", "Tracker", "TrackingError"]
