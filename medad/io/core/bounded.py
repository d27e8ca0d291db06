"""Read no more of a file than its image can need, whatever it declares and however long it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from pydicom.dataset import FileDataset
from pydicom.filereader import read_dataset, read_partial
from pydicom.tag import BaseTag, Tag

from medad.io.core.errors import UnreadableImage
from medad.io.core.limits import GROWTH_FLOOR, SMALLER

HEADER_BYTES = 256 * 2**20  # the largest headers, of enhanced objects with thousands of frames, have tens of MiB
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_UNDEFINED = 0xFFFFFFFF


class Bounded:
    """A binary file of which ``budget`` more bytes may be read, and none from ``end`` on."""

    def __init__(self, file: BinaryIO, path: Path, budget: int, end: int) -> None:
        self.file, self.path, self.budget, self.end = file, path, budget, end
        self.name = str(path)

    def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes.

        Raises:
            UnreadableImage: The bytes would exceed the budget.
        """
        here = self.file.tell()
        rest = max(0, self.end - here)
        size = rest if size is None or size < 0 else min(size, rest)
        self.budget -= size
        if self.budget < 0:
            raise UnreadableImage(
                self.path, "too-large", "it holds, or claims to hold, far more bytes than its image needs", SMALLER
            )
        return self.file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Seek, like a file."""
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position, like a file."""
        return self.file.tell()


def read_tags(
    file: BinaryIO,
    path: Path,
    end: int,
    *,
    force: bool,
    pixels: bool,
    deflated: bool,
    tags: Sequence[str | BaseTag] | None = None,
) -> FileDataset:
    """Read the data set in the first ``end`` bytes of ``file``, up to its pixels or, with ``pixels``, including them.

    Elements after the pixels are not needed, and may be endless. A file of more than ``GROWTH_FLOOR`` bytes is read in
    two steps, since its header tells how many bytes of pixels there can be. A ``deflated`` data set is inflated in
    memory anyway.
    """
    bounded = Bounded(file, path, max(HEADER_BYTES, end) if deflated else HEADER_BYTES, end)
    chosen: list[BaseTag | int] | None = [Tag(name) for name in tags] if tags else None
    at_once = pixels and (deflated or end <= GROWTH_FLOOR)
    tags_read = read_partial(bounded, _StopCondition(path, pixels=at_once), force=force, specific_tags=chosen)  # type: ignore[arg-type]
    if not pixels or at_once:
        return tags_read
    needed = 2 * _pixel_bytes(tags_read) + GROWTH_FLOOR
    bounded.budget = needed
    implicit, little = tags_read.original_encoding
    stop = _StopCondition(path, pixels=True, most=needed)
    rest = read_dataset(bounded, bool(implicit), bool(little), stop_when=stop)  # type: ignore[arg-type]
    tags_read.update(rest)
    return tags_read


class _StopCondition:
    """Tells pydicom where to stop: before the pixels, or after them; and at zeros, which are no tag."""

    def __init__(self, path: Path, pixels: bool, most: int | None = None) -> None:
        self.path, self.pixels, self.most = path, pixels, most
        self.after_pixels = False

    def __call__(self, tag: BaseTag, vr: str | None, length: int) -> bool:
        if tag in _PIXELS:
            self.after_pixels = True
            if self.most is not None and self.most < length != _UNDEFINED:
                reason = f"it declares {length} bytes of pixels, far more than its rows, columns and frames need"
                raise UnreadableImage(self.path, "too-large", reason, SMALLER)
            return not self.pixels
        return self.after_pixels or tag == 0


def _pixel_bytes(header: FileDataset) -> int:
    """Return the bytes of the uncompressed pixels that the header states; 0 if it states none or is wrong."""
    try:
        size = 1
        for name, default in (
            ("Rows", 0),
            ("Columns", 0),
            ("SamplesPerPixel", 1),
            ("NumberOfFrames", 1),
            ("BitsAllocated", 32),
        ):
            size *= int(header.get(name) or default)
    except (TypeError, ValueError, AttributeError):
        return 0
    return max(0, size) // 8 + 1
