"""Keep the module path that models registered in MLflow before the module moved have recorded; nothing else uses it."""

from medad.scoring.mlflow_model import _load_pyfunc

__all__ = ["_load_pyfunc"]
