"""Convert matplotlib figures to inline SVG: compact, in the page's font, in the page's light or dark colors."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from xml.etree import ElementTree

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Placeholder colors that are replaced by CSS variables; the style sheet defines them for light and dark pages.
INK, SERIES = "#010101", tuple(f"#0202{number:02x}" for number in range(1, 9))
VARIABLES = {INK: "var(--ink)", **{color: f"var(--s{number})" for number, color in enumerate(SERIES, 1)}}
STYLE = {
    "svg.fonttype": "none",
    "font.size": 8,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.5,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
SIZE = (3.3, 2.75)  # inches
NAMESPACE = re.compile(r"\{[^}]*\}")
LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")
FONT = re.compile(r"font-family:[^;]*; ")  # removed so that the page's font is inherited


class Drawing:
    """Draws the figures of one page with unique element IDs."""

    def __init__(self) -> None:
        self._numbers = count(1)

    @contextmanager
    def axes(self, size: tuple[float, float] = SIZE) -> Iterator[tuple[Axes, list[str]]]:
        """Yield empty axes and a list; after the block, the list contains the SVG of the drawn axes."""
        drawn: list[str] = []
        with matplotlib.rc_context(STYLE):
            figure = Figure(figsize=size)
            FigureCanvasSVG(figure)
            axis = figure.add_axes((0.155, 0.165, 0.815, 0.805))
            yield axis, drawn
            written = io.StringIO()
            figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
        drawn.append(inline(written.getvalue(), f"f{next(self._numbers)}-"))


def inline(text: str, prefix: str) -> str:
    """Return an SVG document as an HTML element without metadata and comments, with prefixed IDs and short numbers."""
    root = ElementTree.fromstring(text)
    for parent in list(root.iter()):
        for child in [node for node in parent if _plain(node.tag) in ("metadata", "style")]:
            parent.remove(child)
    for element in root.iter():
        element.tag = _plain(element.tag)
        element.attrib = {_plain(key): value for key, value in element.attrib.items()}
    used = set(re.findall(r"#([\w-]+)", " ".join(value for node in root.iter() for value in node.attrib.values())))
    for element in root.iter():
        if "id" in element.attrib and element.attrib["id"] not in used:
            del element.attrib["id"]
        if element.attrib.get("transform", "").startswith("rotate(-0 "):
            del element.attrib["transform"]
        for key, value in element.attrib.items():
            element.attrib[key] = _short(key, value, prefix)
        element.tail = None if not (element.tail or "").strip() else element.tail
        element.text = None if not (element.text or "").strip() else element.text
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    return ElementTree.tostring(root, encoding="unicode")


def _plain(name: str) -> str:
    return NAMESPACE.sub("", name)


def _short(key: str, value: str, prefix: str) -> str:
    if key == "id":
        return prefix + value
    value = re.sub(r"url\(#", f"url(#{prefix}", value)
    if key == "href" and value.startswith("#"):
        return f"#{prefix}{value[1:]}"
    if key in ("d", "x", "y", "transform", "width", "height"):
        return " ".join(LONG_NUMBER.sub(lambda match: f"{float(match.group()):.1f}", value).split())
    for color, variable in VARIABLES.items():
        value = value.replace(color, variable)
    return FONT.sub("", value)
