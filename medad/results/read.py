"""Read a folder of results as groups of finished experiments that differ only in their seed."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medad.results.cell import Cell, read_cell, read_json
from medad.results.names import RESULT
from medad.types import MedadError

ELSEWHERE = {"data", "inbox", "scores", "runs", "mlflow-artifacts", "mlruns", "report"}  # never folders of results


class NoResults(MedadError):
    """Raised for a folder that holds neither results nor a model."""


@dataclass(frozen=True)
class Group:
    """The cells that differ only in their seed, sorted by seed; the report shows cases and pictures of the first.

    ``anchor`` is the ID of the group's section on the report page.
    """

    title: str
    cells: list[Cell]
    anchor: str

    @property
    def first(self) -> Cell:
        """The cell with the lowest seed."""
        return self.cells[0]

    @property
    def dataset(self) -> str:
        """The dataset that the cells were tested on."""
        return self.first.rows[0]["dataset"]

    @property
    def system(self) -> str:
        """Method and network, as "ddad/ae", with the settings that distinguish it from groups of the same name."""
        return self.title.removeprefix(f"{self.dataset} · ").replace(" · ", "/")

    @property
    def place(self) -> dict[str, Any]:
        """The CSV columns that identify rows about :attr:`first`."""
        return {"group": self.title, "seed": self.first.seed}


@dataclass(frozen=True)
class Results:
    """The contents of ``folder``: groups of cells, models without a test, and unfinished or damaged experiments."""

    folder: Path
    groups: list[Group]
    models: list[tuple[Path, dict[str, Any]]]
    unfinished: list[tuple[str, str]]


def read_results(folder: Path, cells_of: Collection[Path] | None = None) -> Results:
    """Read ``folder``: a bench, a demo, one experiment, an evaluation, a clinical experiment or a trained model.

    ``cells_of`` are the cell folders of one bench; all other cells in ``folder`` are ignored.

    Raises:
        NoResults: ``folder`` does not exist or contains none of these.
    """
    if not folder.is_dir():
        raise NoResults(f"{folder}: there is no such folder")
    cells, unfinished = [], []
    places = [place for place in _candidate_folders(folder) if cells_of is None or place in cells_of]
    for place in places:
        if (place / RESULT).is_file():
            cell, problem = read_cell(place)
            if cell is None:
                unfinished.append((str(place.relative_to(folder)), problem))
            else:
                cells.append(cell)
        elif place.parent.name == "cells":
            unfinished.append((str(place.relative_to(folder)), f"not finished: it has no {RESULT}"))
    taken = {cell.folder / "model" for cell in cells}
    models = [(place, card) for place in places if place not in taken and (card := read_json(place / "model.json"))]
    if not cells and not models and not unfinished:
        raise NoResults(
            f"{folder} holds no results: give the output folder of 'medad bench', 'demo', 'train' or 'evaluate'"
        )
    return Results(folder, _grouped(cells), models, unfinished)


def _candidate_folders(folder: Path) -> list[Path]:
    """Return ``folder`` and its subfolders that may contain results, two levels deep."""
    children = sorted(child for child in folder.iterdir() if child.is_dir() and child.name not in ELSEWHERE)
    below = [
        grandchild
        for child in children
        for grandchild in sorted(child.iterdir())
        if grandchild.is_dir() and grandchild.name not in ELSEWHERE
    ]
    return [folder, *children, *below]


def _grouped(cells: list[Cell]) -> list[Group]:
    groups: dict[str, list[Cell]] = {}
    for cell in sorted(cells, key=_order):
        groups.setdefault(_key(cell), []).append(cell)
    titles = _titles([group[0] for group in groups.values()])
    numbered = enumerate(zip(titles, groups.values(), strict=True), 1)
    return [Group(title, group, f"group-{number}") for number, (title, group) in numbered]


def _order(cell: Cell) -> tuple[str, str, str, float, int]:
    row = cell.rows[0]
    return row["dataset"], row["method"], row["network"], row.get("anomaly_rate") or 0.0, cell.seed


def _key(cell: Cell) -> str:
    """Return a key that is equal for cells that differ only in their seed."""
    without_seed = {key: value for key, value in cell.experiment.items() if key != "seed"}
    return json.dumps(
        [without_seed, cell.rows[0]["dataset"], cell.source.get("digest"), cell.source.get("split")], sort_keys=True
    )


def _titles(firsts: list[Cell]) -> list[str]:
    """Return a title for each cell: dataset, method, network, and the settings that distinguish equal names."""
    names = [_name(cell) for cell in firsts]
    titles = []
    for cell, name in zip(firsts, names, strict=True):
        namesakes = [namesake.experiment for namesake, its_name in zip(firsts, names, strict=True) if its_name == name]
        keys = sorted({key for experiment in namesakes for key in experiment} - {"seed"})
        differing_keys = [key for key in keys if len({json.dumps(experiment.get(key)) for experiment in namesakes}) > 1]
        titles.append(
            ", ".join([name, *(f"{key.replace('_', ' ')} {cell.experiment.get(key)}" for key in differing_keys)])
        )
    return titles


def _name(cell: Cell) -> str:
    row = cell.rows[0]
    parts = (row["dataset"], row["method"], row.get("network", "-"))
    return " · ".join(str(part) for part in parts if part != "-")
