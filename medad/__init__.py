"""Medical image anomaly detection on MONAI."""

__version__ = "0.1.0"
