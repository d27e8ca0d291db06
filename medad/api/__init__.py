"""The Python interface: what ``import medad`` offers. Its names are imported on first use (``medad/__init__.py``)."""
