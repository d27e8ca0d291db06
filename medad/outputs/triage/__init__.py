"""The triage page: what batch scoring found, worst first, as one HTML file that needs no network and no server."""

from __future__ import annotations

import heapq
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from itertools import count
from pathlib import Path

from medad import __version__
from medad.files import writing
from medad.outputs.pictures import Scale, css_gradient
from medad.text import on_page, visible

PAGE = "triage.html"
MARK = "\0"  # where the rows go; no file name, so no title, can hold it
SCORED_MOST, OTHERS_MOST = 45_000, 5_000  # rows that a browser is given; the tables have all


@dataclass(frozen=True)
class Item:
    """One row of the page. ``score`` is None unless it was scored. ``flag`` is None where the model has no rule, else
    the sum of 1, if the false-alarm rule flags it, and 2, if the threshold does. ``thumbnail`` and ``heatmap`` are
    paths below the page's folder, or ""."""

    file: str
    study: str
    status: str
    reason: str = ""
    slices: int = 0
    score: float | None = None
    p: float | None = None
    flag: int | None = None
    thumbnail: str = ""
    heatmap: str = ""


@dataclass
class Worst:
    """Takes items one after the other, and keeps those that the page shows: memory is bounded."""

    scored_most: int = SCORED_MOST
    others_most: int = OTHERS_MOST
    counts: Counter[str] = field(default_factory=Counter)
    _scored: list[tuple[float, int, Item]] = field(default_factory=list)
    _others: dict[str, list[Item]] = field(default_factory=lambda: {"failed": [], "skipped": []})
    _order: count[int] = field(default_factory=lambda: count(0, -1))

    def add(self, item: Item) -> None:
        """Count it, and keep it if it is among the worst scored, or the first of those that failed or were skipped."""
        self.counts[item.status] += 1
        self.counts["flagged"] += bool(item.flag)
        if item.score is None:
            kept = self._others.setdefault(item.status, [])
            if len(kept) < self.others_most:
                kept.append(item)
            return
        entry = (item.score, next(self._order), item)
        if len(self._scored) < self.scored_most:
            heapq.heappush(self._scored, entry)
        else:
            heapq.heappushpop(self._scored, entry)

    def items(self) -> list[Item]:
        """The worst first, equal ones in the order in which they came; then failed, then skipped ones."""
        others = [item for kept in self._others.values() for item in kept]
        return [item for _, _, item in sorted(self._scored, reverse=True)] + others[: self.others_most]


@dataclass(frozen=True)
class About:
    """What the head of the page says.

    ``rules`` are sentences: how studies are flagged. ``scale`` is that of all maps on the page, and ``chosen`` a
    sentence that says why this map is drawn. Each row says what flagged it, from the p-value (None: no such rule) that
    ``alpha`` allows among ``normals`` held-out studies, and from the threshold ``limit``, (name, value).
    """

    model: str
    settings: str
    score: str
    title: str
    rules: Sequence[str] = ()
    scale: Scale | None = None
    chosen: str = ""
    normals: int = 0
    alpha: float | None = None
    limit: tuple[str, float] | None = None

    def for_rows(self) -> str:
        """What the rows' words are made from, as JSON."""
        name, value = self.limit or (None, None)
        return json.dumps(
            {"score": self.score, "alpha": self.alpha, "normals": self.normals, "point": name, "limit": value}
        )


def write_triage(out: Path, worst: Worst, about: About) -> Path:
    """Write ``out``/triage.html, whole or not at all. Names from outside reach the page as JSON, never as HTML."""
    from jinja2 import Environment
    from markupsafe import Markup

    items = worst.items()
    environment = Environment(autoescape=True, finalize=on_page, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(_text("page.html.j2"))
    with writing(out / PAGE, exclusive=True) as part, part.open("w", encoding="utf-8") as file:
        before, after = page.render(
            about=about,
            gradient=css_gradient(),
            flags=about.alpha is not None or about.limit is not None,
            counts=worst.counts,
            total=sum(worst.counts[status] for status in ("scored", "failed", "skipped")),
            shown=len(items),
            version=__version__,
            style=_text("triage.css"),
            script=_text("triage.js"),
            mark=Markup(MARK),
        ).split(MARK)
        file.write(before)
        for place, item in enumerate(items):
            file.write((",\n" if place else "") + _json(item))
        file.write(after)
    return out / PAGE


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _json(item: Item) -> str:
    """The fields as a JSON list that cannot end the script element that holds it."""
    numbers = [_short(item.score), _short(item.p), item.flag]
    names = [visible(item.file), item.study, item.status, visible(item.reason)]
    values = [*names, item.slices, *numbers, item.thumbnail, item.heatmap]
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _short(value: float | None) -> float | None:
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None
