"""Collect the pictures of the most confidently right and wrong cases: image, mask and maps."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medad.outputs.report.table import fixed
from medad.results.cell import Cell, read_picture
from medad.results.names import PICTURES

KINDS = {
    (1, True): "Found: abnormal, highest scores",
    (1, False): "Missed: abnormal, lowest scores",
    (0, False): "False alarms: normal, highest scores",
    (0, True): "Passed: normal, lowest scores",
}


@dataclass(frozen=True)
class Tile:
    """A picture with its label and its alternative text; ``source`` is a data URI."""

    source: str
    label: str
    alt: str
    outlined: bool = False


@dataclass(frozen=True)
class ShownCase:
    """One case with its title and its pictures."""

    title: str
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Pictured:
    """The cases by kind; ``note`` says how they were chosen, and how many are omitted to limit the page's size."""

    note: str
    kinds: Mapping[str, Sequence[ShownCase]]


def pictured(cell: Cell, budget: int) -> Pictured | None:
    """Return the cases whose pictures lie in the folder of ``cell``, up to ``budget`` bytes, or None without any.

    Cases are taken in order of their rank within their kind.
    """
    entries = (cell.pictured or {}).get("cases")
    listed = [entry for entry in entries if _is_entry(entry)] if isinstance(entries, list) else []
    cases_by_kind: dict[str, list[ShownCase]] = {title: [] for title in KINDS.values()}
    left_out = 0
    for entry in sorted(listed, key=lambda entry: entry["rank"]):
        tiles = list(_tiles(cell, entry))
        size = sum(len(tile.source) for tile in tiles)
        if left_out or size > budget:
            left_out += 1
        elif tiles:
            budget -= size
            cases_by_kind[KINDS[entry["label"], entry["right"]]].append(ShownCase(_title(cell, entry), tiles))
    kinds = {title: cases for title, cases in cases_by_kind.items() if cases}
    if not kinds:
        return None
    note = f"{(cell.pictured or {}).get('rule', '')} Seed {cell.seed}.{_colors(cell, listed)}"
    if left_out:
        note += f" {left_out} more are in {cell.folder.name}/{PICTURES}: left out to bound the size of this page."
    return Pictured(note, kinds)


def _colors(cell: Cell, entries: Sequence[Mapping[str, Any]]) -> str:
    """Return sentences that explain the colors and the map in other pictures, or "" for pictures without color bar."""
    if not any(
        isinstance(map_entry, dict) and "low" in map_entry for entry in entries for map_entry in entry["maps"].values()
    ):
        return ""
    drawn = (cell.pictured or {}).get("map")
    return (
        " Maps lie on the image. Color starts above what nearly all pixels of normal studies reach, with one scale for "
        "all cases of a model, so that a normal scan stays gray; the bar below each map says its values."
        + (f" Heatmaps and triage pages show the map {drawn}." if drawn else "")
    )


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("label"), int)
        and isinstance(entry.get("right"), bool)
        and (entry["label"], entry["right"]) in KINDS
        and isinstance(entry.get("rank"), int)
        and isinstance(entry.get("maps"), dict)
    )


def _title(cell: Cell, entry: Mapping[str, Any]) -> str:
    by = (cell.pictured or {}).get("score", "score")
    above = entry.get("above_normals")
    part = f", above {above:.0%} of the test normals" if isinstance(above, (int, float)) else ""
    return f"{entry.get('id', '')}: {by} {_significant(entry.get('value'))}{part}"


def _tiles(cell: Cell, entry: Mapping[str, Any]) -> Iterator[Tile]:
    word = "abnormal" if entry["label"] else "normal"
    case = f"{word} case {_title(cell, entry)}"
    if source := _data_uri(cell, entry.get("image")):
        yield Tile(source, "image", f"Image of {case}.")
    if source := _data_uri(cell, entry.get("mask")):
        share = fixed(100 * entry["mask_share"], 1) if isinstance(entry.get("mask_share"), (int, float)) else "?"
        yield Tile(source, "mask", f"The same image with its mask's outline; the mask covers {share} % of it.", True)
    drawn = (cell.pictured or {}).get("map")
    for name, map_entry in sorted(entry["maps"].items(), key=lambda item: item[0] != drawn):
        if isinstance(map_entry, dict) and (source := _data_uri(cell, map_entry.get("file"))):
            yield Tile(source, str(name), f"Map of {name}, {case}: {_map_text(map_entry)}.")


def _map_text(map_entry: Mapping[str, Any]) -> str:
    start = f"from {_significant(map_entry['low'])} " if "low" in map_entry else ""
    highest, top = _significant(map_entry.get("highest")), _significant(map_entry.get("top"))
    sentence = f"highest value {highest}, color scale {start}to {top}"
    if map_entry.get("inside") is not None:
        inside, outside = _significant(map_entry["inside"]), _significant(map_entry.get("outside"))
        sentence += f", mean inside the mask {inside} and outside {outside}"
    return sentence


def _significant(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else "?"


def _data_uri(cell: Cell, name: object) -> str:
    content = read_picture(cell, name)
    return "" if content is None else f"data:image/png;base64,{base64.b64encode(content).decode()}"
