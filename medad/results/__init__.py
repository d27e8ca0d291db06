"""Results read back: a folder as groups of finished experiments. Nothing in a folder is trusted."""

from medad.results.cell import Cell
from medad.results.read import Group, NoResults, Results, read_results

__all__ = ["Cell", "Group", "NoResults", "Results", "read_results"]
