"""The triage page: the rows of batch scoring, highest score first, as one HTML file that needs no network or server."""

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
MARK = "\0"  # the place of the rows in the template; neither a file name nor a title can contain it
SCORED_MOST, OTHERS_MOST = 45_000, 5_000  # the most rows on the page; the tables hold all rows


@dataclass(frozen=True)
class Item:
    """One row of the page.

    ``case`` is the key or UID of the case, with its level. ``score`` is None unless the case was scored. ``flag`` is
    None if the model has no rule, else the sum of 1, if the false-alarm rule flags the case, and 2, if the threshold
    does. ``thumbnail`` and ``heatmap`` are paths relative to the folder of the page, or "".
    """

    file: str
    case: str
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
    """Collects the items that the page shows from all items, in bounded memory."""

    scored_most: int = SCORED_MOST
    others_most: int = OTHERS_MOST
    counts: Counter[str] = field(default_factory=Counter)
    _scored: list[tuple[float, int, Item]] = field(default_factory=list)
    _unscored: dict[str, list[Item]] = field(default_factory=lambda: {"failed": [], "skipped": []})
    _order: count[int] = field(default_factory=lambda: count(0, -1))

    def add(self, item: Item) -> None:
        """Count ``item``, and keep it if it has one of the highest scores or is one of the first without a score."""
        self.counts[item.status] += 1
        self.counts["flagged"] += bool(item.flag)
        if item.score is None:
            unscored = self._unscored.setdefault(item.status, [])
            if len(unscored) < self.others_most:
                unscored.append(item)
            return
        entry = (item.score, next(self._order), item)
        if len(self._scored) < self.scored_most:
            heapq.heappush(self._scored, entry)
        else:
            heapq.heappushpop(self._scored, entry)

    def items(self) -> list[Item]:
        """Return scored items, highest score first and ties in the order of arrival, then failed and skipped ones."""
        unscored = [item for items in self._unscored.values() for item in items]
        return [item for _, _, item in sorted(self._scored, reverse=True)] + unscored[: self.others_most]


@dataclass(frozen=True)
class About:
    """The content of the head of the page.

    ``kind`` says what made the page and ``table`` names the file with all rows. ``lead`` are sentences that stand above
    the rows. ``rules`` are sentences about how cases are flagged. ``scale`` is the color scale of all maps on the
    page, and ``chosen`` is a sentence that says why this map is drawn. From ``alpha`` (None: no false-alarm rule), the
    number ``normals`` of held-out normals and the threshold ``limit`` (name, value), each row says which rule flagged
    it.
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
    kind: str = "batch scoring"
    table: str = "scores.csv"
    lead: Sequence[str] = ()

    def for_rows(self) -> str:
        """Return the values from which the script of the page writes the text of rows, as JSON."""
        name, value = self.limit or (None, None)
        return json.dumps(
            {"score": self.score, "alpha": self.alpha, "normals": self.normals, "point": name, "limit": value}
        )


def write_triage(out: Path, worst: Worst, about: About) -> Path:
    """Write ``out``/triage.html as a whole or not at all, and return its path.

    Names of files and reasons are written as JSON, never as HTML, so they cannot inject markup.
    """
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
    """Return the text of a file of this package."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _json(item: Item) -> str:
    """Return the fields of ``item`` as a JSON list without "<", so that it cannot end the enclosing script element."""
    numbers = [_short(item.score), _short(item.p), item.flag]
    names = [visible(item.file), item.case, item.status, visible(item.reason)]
    values = [*names, item.slices, *numbers, item.thumbnail, item.heatmap]
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _short(value: float | None) -> float | None:
    """Return ``value`` with six significant digits; None if it is missing or not finite."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None
