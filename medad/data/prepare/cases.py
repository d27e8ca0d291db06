"""Convert one case of a raw download to an image and a mask of the prepared layout.

This runs in worker processes, so it does not import torch.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medad.datasets.prepared import IMAGES, mask_of
from medad.datasets.raw_downloads import RawCase
from medad.files import write_bytes
from medad.io.core.errors import UnreadableImage
from medad.io.core.picture import Picture
from medad.io.core.settings import ReadSettings
from medad.io.masks import Grid, grid_of, read_mask
from medad.io.read import read_picture
from medad.manifest.rows import on_disk
from medad.types import MedadError

SIDE = 512
Preprocessing = Literal["published", "clinical"]
VOI: dict[Preprocessing, Literal["published", "window"]] = {"published": "published", "clinical": "window"}
Gray = NDArray[np.uint8]


class PrepareError(MedadError):
    """The preparation cannot start or continue."""


@dataclass(frozen=True)
class Job:
    """A case to prepare below ``root``; ``before`` is the record of an earlier run, if there is one."""

    case: RawCase
    root: Path
    preprocessing: Preprocessing
    before: Done | None = None


@dataclass(frozen=True)
class Done:
    """A prepared case: the SHA-256 of its image and mask ("" without a mask), and the size of its sources in bytes.

    ``kept`` is true if an earlier run wrote the files.
    """

    name: str
    image: str
    mask: str
    source_bytes: int
    kept: bool = False


@dataclass(frozen=True)
class Unreadable:
    """A case that could not be read, with the file and the reason."""

    name: str
    file: str
    reason: str


def prepare_case(job: Job) -> Done | Unreadable:
    """Write the image and the mask of one case, unless they exist as an earlier run recorded them.

    Raises:
        WriteError: they cannot be written.
    """
    case = job.case
    try:
        size = sum(path.stat().st_size for path in _sources(case))
        if job.before is not None and _as_recorded(job, size):
            return Done(case.name, job.before.image, job.before.mask, size, kept=True)
        image, grid = _image(job)
        mask = _mask(case, grid, _side(case))
    except UnreadableImage as error:
        return Unreadable(case.name, error.path.name, f"{error.reason} ({error.kind})")
    except OSError as error:
        return Unreadable(case.name, Path(error.filename or case.files[0]).name, error.strerror or "it cannot be read")
    digest = write_file(job.root / IMAGES / case.name, image)
    return Done(case.name, digest, write_file(mask_of(job.root, case.name), mask) if mask else "", size)


def _sources(case: RawCase) -> list[Path]:
    return [on_disk(path) for path in (*case.files, *((case.mask,) if case.mask else ()))]


def _as_recorded(job: Job, size: int) -> bool:
    before, root, name = job.before, job.root, job.case.name
    if before is None or before.source_bytes != size:
        return False
    return _digest(root / IMAGES / name) == before.image and _digest(mask_of(root, name)) == before.mask


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def copied(case: RawCase) -> bool:
    """Return whether the prepared image is a copy of the source: a JPEG is copied byte for byte."""
    source, target = case.files[0].suffix.lower(), Path(case.name).suffix.lower()
    return len(case.files) == 1 and source == target and source in (".jpg", ".jpeg")


def _side(case: RawCase) -> int | None:
    return None if copied(case) else SIDE


def _image(job: Job) -> tuple[bytes, Grid]:
    """Return the bytes of the prepared image, and the grid of the source."""
    case = job.case
    picture = read_picture(case.files, ReadSettings(voi=VOI[job.preprocessing], color="gray"))
    if picture.array.ndim != 3 or len(picture.array) != 1:
        raise UnreadableImage(case.files[0], "volume", "it is a volume where one image was expected")
    gray = _eight_bits(picture)
    if copied(case):
        return case.files[0].read_bytes(), grid_of(picture)
    return _png(resized(gray, SIDE, Image.Resampling.BILINEAR)), grid_of(picture)


def _eight_bits(picture: Picture) -> Gray:
    """Return 8-bit gray levels (H, W), scaled by the range that the reader states, else by the image's own range."""
    pixels = picture.array[0].T.astype(np.float64)
    low, high = picture.reading["value_range"] or (float(pixels.min()), float(pixels.max()))
    levels: Gray = np.rint((pixels - low) / ((high - low) or 1.0) * 255).clip(0, 255).astype(np.uint8)
    return levels


def resized(gray: Gray, side: int, how: Image.Resampling) -> Gray:
    """Resize (H, W) to (side, side) with Pillow's filter ``how``."""
    return np.asarray(Image.fromarray(gray).resize((side, side), how))


def _mask(case: RawCase, image: Grid, side: int | None) -> bytes | None:
    """Return a PNG of 0 and 255 with the mask or the filled boxes on the grid of the prepared image, or None."""
    if case.mask is not None:
        marked = read_mask(case.mask, image)[0].T
    elif case.boxes:
        columns, rows = image.shape
        marked = boxes_filled(case.boxes, (rows, columns))
    else:
        return None
    gray: Any = marked.astype(np.uint8) * 255
    return _png(gray if side is None else resized(gray, side, Image.Resampling.NEAREST))


def boxes_filled(boxes: Sequence[tuple[float, float, float, float]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask (H, W) that is true inside the boxes (x, y, width, height in pixels), clipped at the border."""
    marked = np.zeros(shape, dtype=bool)
    for x, y, width, height in boxes:
        left_edge, top = max(0, round(x)), max(0, round(y))
        marked[top : max(top + 1, round(y + height)), left_edge : max(left_edge + 1, round(x + width))] = True
    return marked


def _png(gray: Gray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(gray).save(buffer, format="PNG")
    return buffer.getvalue()


def write_file(path: Path, content: bytes) -> str:
    """Write a file atomically and return its SHA-256."""
    write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()
