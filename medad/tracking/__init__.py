"""Record runs on disk, and send the records from there to MLflow."""

from medad.tracking.journal import TrackingError
from medad.tracking.tracker import Run, Tracker

__all__ = ["Run", "Tracker", "TrackingError"]
