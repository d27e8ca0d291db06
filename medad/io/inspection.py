"""Describe what a folder holds and how it would be read: a row for each study and file, and a montage."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from medad.io.core.errors import UnreadableImage
from medad.io.core.picture import Array, Picture
from medad.io.core.settings import ReadSettings
from medad.io.discovery import Found, discover
from medad.io.read import read_picture
from medad.types import Skipped, Study
from medad.wording import shortened

TILE = 160
_LABEL = 14
_MOST_TILES = 100
_CAPTION = 25  # characters that fit under a tile

Judge = Callable[[Picture, str], str]


@dataclass(frozen=True)
class InspectedFile:
    """A study that was read or refused, or a file that is skipped.

    ``gate`` is why a model would not score it, "" if it would or if there is no model. ``thumbnail`` is uint8, gray or
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
        """Return all fields but the thumbnail, as plain JSON."""
        names = ("file", "status", "what", "files", "shape", "values", "reading", "reason", "remedy", "gate")
        return {name: getattr(self, name) for name in names}

    @property
    def decisions(self) -> list[str]:
        """Return the decisions and assumptions of the reading, in words."""
        if not self.reading:
            return [text for text in (self.reason, self.remedy) if text]
        record, sentences = self.reading, []
        if record["inverted"]:
            sentences.append("inverted")
        if record["rescale"]:
            variation = ", varies by frame" if record["per_frame"] else ""
            sentences.append(f"rescale x {record['rescale'][0]:g} + {record['rescale'][1]:g}{variation}")
        sentences += ["modality LUT"] if record["modality_lut"] else []
        sentences += [f"VOI {record['voi']}"] if record["voi"] != "off" else []
        sentences += [f"color: {record['color']}"] if record["color"] else []
        turned = record["orientation"] or {"source": "", "given": ""}
        sentences += [f"{turned['source']} to {turned['given']}"] if turned["source"] != turned["given"] else []
        return sentences + list(record["assumed"])


def inspected(root: Path, settings: ReadSettings, judge: Judge | None = None) -> Iterator[InspectedFile]:
    """Yield a row for every study and file below ``root``, read as for scoring, unreadable files included.

    ``judge`` returns why a model would not score a picture, or "". The files are read in this process without a time
    limit: see :mod:`medad.io.inspection_workers` for untrusted files.
    """
    return (row_of(entry, root, settings, judge) for entry in discover(root, settings))


def row_of(entry: Found, root: Path, settings: ReadSettings, judge: Judge | None = None) -> InspectedFile:
    """Return the row of an entry below ``root``. A study is read, and its row tells if it was refused."""
    if isinstance(entry, Study):
        return _row_of_study(entry, settings, judge)
    if isinstance(entry, Skipped):
        return InspectedFile(_relative_name(entry.path, root), "skipped", entry.kind, reason=entry.reason)
    return _refused_row(_relative_name(entry.path, root), 1, entry)


def montage(rows: Sequence[InspectedFile], columns: int = 8) -> Image.Image:
    """Return the thumbnails of the rows side by side, at most 100 of them, each with a caption of its own.

    The caption of a study that a model would not score is orange.
    """
    pictured_rows = [row for row in rows if row.thumbnail is not None][:_MOST_TILES]
    columns = max(1, min(columns, len(pictured_rows)))
    lines = max(1, -(-len(pictured_rows) // columns))
    sheet = Image.new("RGB", (columns * TILE, lines * (TILE + _LABEL)), "black")
    draw = ImageDraw.Draw(sheet)
    names = captions([row.file for row in pictured_rows])
    for index, row in enumerate(pictured_rows):
        if row.thumbnail is None:
            continue
        x, y = index % columns * TILE, index // columns * (TILE + _LABEL)
        tile = Image.fromarray(row.thumbnail)
        scale = (TILE - 4) / max(tile.size)
        tile = tile.resize([max(1, round(side * scale)) for side in tile.size])
        sheet.paste(tile, (x + (TILE - tile.width) // 2, y + (TILE - tile.height) // 2))
        draw.text((x + 2, y + TILE), names[index], fill="orange" if row.gate else "white")
    return sheet


def captions(files: Sequence[str], length: int = _CAPTION) -> list[str]:
    """Return a different caption of at most ``length`` ASCII characters for each file.

    The folders that all files share are left out first, then the middle of the name. Equal captions are numbered by
    their place in the montage.
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
    """Return the image, or the middle axial slice of a volume, as uint8.

    A slice has anterior on top and the patient's right on the left.
    """
    image = picture.array
    if image.ndim == 4:
        is_ras = picture.reading["orientation"]["given"] == "RAS"
        image = image[..., image.shape[-1] // 2]
        image = image[:, ::-1, ::-1] if is_ras else image
    view = image[: 3 if len(image) >= 3 else 1].transpose(2, 1, 0)
    bits = picture.reading["bits"][0] if len(image) >= 3 else 0
    full = bits == 8 or (bits == 16 and picture.reading["photometric"] == "PALETTE COLOR")
    nominal = (0.0, 2.0**bits - 1) if full else picture.reading["value_range"]
    low, high = nominal or np.percentile(view, (0.5, 99.5))
    level = np.clip((view - low) / ((high - low) or 1.0), 0, 1) * 255
    return np.ascontiguousarray(level.astype(np.uint8).squeeze(-1) if level.shape[-1] == 1 else level.astype(np.uint8))


def _row_of_study(study: Study, settings: ReadSettings, judge: Judge | None) -> InspectedFile:
    """Read a study and return its row."""
    try:
        picture = read_picture(study.files, settings)
    except UnreadableImage as error:
        return _refused_row(study.id, len(study.files), error, study.notes)
    picture.reading["assumed"] = [*study.notes, *picture.reading["assumed"]]
    values = float(picture.array.min()), float(picture.array.max())
    what = picture.reading["format"]
    shape = tuple(int(size) for size in picture.array.shape)
    gate = judge(picture, study.id) if judge else ""
    preview = thumbnail(picture)
    return InspectedFile(
        study.id, "read", what, len(study.files), shape, values, picture.reading, gate=gate, thumbnail=preview
    )


def _refused_row(name: str, files: int, error: UnreadableImage, notes: tuple[str, ...] = ()) -> InspectedFile:
    """Return the row of a study or file that cannot be read."""
    return InspectedFile(
        name, "refused", error.kind, files, reason="; ".join((error.reason, *notes)), remedy=error.remedy
    )


def _relative_name(path: Path, root: Path) -> str:
    """Return ``path`` below ``root``, with slashes; its name if it does not lie below."""
    return path.relative_to(root).as_posix() if path != root and path.is_relative_to(root) else path.name
