"""Write a folder of results as one self-contained HTML page, with its tables as CSV files beside it."""

from medad.outputs.report.page import PAGE, write_report
from medad.results.read import NoResults

__all__ = ["PAGE", "NoResults", "write_report"]
