"""Where runs are recorded: on disk first, from there to MLflow."""

from medad.tracking.journal import TrackingError
from medad.tracking.tracker import Run, Tracker

__all__ = ["Run", "Tracker", "TrackingError"]
