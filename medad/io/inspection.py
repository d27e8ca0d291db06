"""What a folder holds and how it would be read: one row for each study and file, and a montage of what is seen."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from medad.io.discovery import Found, discover
from medad.io.errors import UnreadableImage
from medad.io.picture import Array, Picture
from medad.io.read import read_picture
from medad.io.settings import ReadSettings
from medad.types import Skipped, Study
from medad.wording import shortened

TILE = 160
_LABEL = 14
_MOST_TILES = 100
_CAPTION = 25  # characters that fit under a tile

Judge = Callable[[Picture, str], str]


@dataclass(frozen=True)
class Row:
    """One study that was read or refused, or one file that is skipped.

    ``gate`` is why a model would not score it, "" if it would, or if there is no model. ``thumbnail``: uint8 gray or
    RGB, or None.
    """

    file: str
    status: str
    what: str
    files: int = 1
    shape: tuple[int, ...] = ()
    values: tuple[float, float] | None = None
    reading: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    remedy: str = ""
    gate: str = ""
    thumbnail: Array | None = field(default=None, repr=False, compare=False)

    def record(self) -> dict[str, Any]:
        """All but the picture, as plain JSON."""
        names = ("file", "status", "what", "files", "shape", "values", "reading", "reason", "remedy", "gate")
        return {name: getattr(self, name) for name in names}

    @property
    def decisions(self) -> list[str]:
        """What was decided or assumed, in words."""
        if not self.reading:
            return [text for text in (self.reason, self.remedy) if text]
        seen, said = self.reading, []
        if seen["inverted"]:
            said.append("inverted")
        if seen["rescale"]:
            varied = ", varies by frame" if seen["per_frame"] else ""
            said.append(f"rescale x {seen['rescale'][0]:g} + {seen['rescale'][1]:g}{varied}")
        said += ["modality LUT"] if seen["modality_lut"] else []
        said += [f"VOI {seen['voi']}"] if seen["voi"] != "off" else []
        said += [f"color: {seen['color']}"] if seen["color"] else []
        turned = seen["orientation"] or {"source": "", "given": ""}
        said += [f"{turned['source']} to {turned['given']}"] if turned["source"] != turned["given"] else []
        return said + list(seen["assumed"])


def inspected(root: Path, settings: ReadSettings, judge: Judge | None = None) -> Iterator[Row]:
    """Read everything below ``root`` as it would be read for scoring; what cannot be read is a row as well.

    ``judge`` says for what was read why a model would not score it, or "". In this process, without a limit of time:
    see :mod:`medad.io.inspection_workers` for files that nobody trusts.
    """
    return (row_of(found, root, settings, judge) for found in discover(root, settings))


def row_of(found: Found, root: Path, settings: ReadSettings, judge: Judge | None = None) -> Row:
    """The row of what was found below ``root``: a study is read, and refused where it cannot be."""
    if isinstance(found, Study):
        return _read(found, settings, judge)
    if isinstance(found, Skipped):
        return Row(_short(found.path, root), "skipped", found.kind, reason=found.reason)
    return _refused(_short(found.path, root), 1, found)


def montage(rows: Sequence[Row], columns: int = 8) -> Image.Image:
    """The rows' pictures side by side, at most 100 of them; no two have one caption. What a model would not score has
    an orange one.
    """
    shown = [row for row in rows if row.thumbnail is not None][:_MOST_TILES]
    columns = max(1, min(columns, len(shown)))
    lines = max(1, -(-len(shown) // columns))
    sheet = Image.new("RGB", (columns * TILE, lines * (TILE + _LABEL)), "black")
    draw = ImageDraw.Draw(sheet)
    names = captions([row.file for row in shown])
    for index, row in enumerate(shown):
        if row.thumbnail is None:
            continue
        left, top = index % columns * TILE, index // columns * (TILE + _LABEL)
        tile = Image.fromarray(row.thumbnail)
        scale = (TILE - 4) / max(tile.size)
        tile = tile.resize([max(1, round(side * scale)) for side in tile.size])
        sheet.paste(tile, (left + (TILE - tile.width) // 2, top + (TILE - tile.height) // 2))
        draw.text((left + 2, top + TILE), names[index], fill="orange" if row.gate else "white")
    return sheet


def captions(files: Sequence[str], length: int = _CAPTION) -> list[str]:
    """A caption of at most ``length`` ASCII characters for each file: the folders that all share are left out, then
    the middle; those that are alike after that are numbered by their place in the montage.
    """
    plain = [file.encode("ascii", "replace").decode() for file in files]
    common = len(posixpath.commonpath([posixpath.dirname(file) for file in files])) if files else 0
    names = [shortened(file[common:].lstrip("/"), length) for file in plain]
    often = Counter(names)
    return [
        f"{place} {shortened(name, length - len(str(place)) - 1)}" if often[name] > 1 else name
        for place, name in enumerate(names, 1)
    ]


def thumbnail(picture: Picture) -> Array:
    """The image, or a volume's middle axial slice (anterior on top, the patient's right on the left), as uint8."""
    image = picture.array
    if image.ndim == 4:
        placed = picture.reading["orientation"]["given"] == "RAS"
        image = image[..., image.shape[-1] // 2]
        image = image[:, ::-1, ::-1] if placed else image
    view = image[: 3 if len(image) >= 3 else 1].transpose(2, 1, 0)
    bits = picture.reading["bits"][0] if len(image) >= 3 else 0
    full = bits == 8 or (bits == 16 and picture.reading["photometric"] == "PALETTE COLOR")
    nominal = (0.0, 2.0**bits - 1) if full else picture.reading["value_range"]
    low, high = nominal or np.percentile(view, (0.5, 99.5))
    level = np.clip((view - low) / ((high - low) or 1.0), 0, 1) * 255
    return np.ascontiguousarray(level.astype(np.uint8).squeeze(-1) if level.shape[-1] == 1 else level.astype(np.uint8))


def _read(study: Study, settings: ReadSettings, judge: Judge | None) -> Row:
    try:
        picture = read_picture(study.files, settings)
    except UnreadableImage as error:
        return _refused(study.id, len(study.files), error, study.notes)
    picture.reading["assumed"] = [*study.notes, *picture.reading["assumed"]]
    values = float(picture.array.min()), float(picture.array.max())
    what = picture.reading["format"]
    shape = tuple(int(size) for size in picture.array.shape)
    gate = judge(picture, study.id) if judge else ""
    seen = thumbnail(picture)
    return Row(study.id, "read", what, len(study.files), shape, values, picture.reading, gate=gate, thumbnail=seen)


def _refused(name: str, files: int, error: UnreadableImage, notes: tuple[str, ...] = ()) -> Row:
    return Row(name, "refused", error.kind, files, reason="; ".join((error.reason, *notes)), remedy=error.remedy)


def _short(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path != root and path.is_relative_to(root) else path.name
