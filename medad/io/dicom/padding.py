"""Pixel padding: pixels outside the image that some sender filled with a number. DICOM PS3.3 C.7.5.1.1.2.

Lossy compression leaves that number only nearly as it was. JPEG-LS states its largest error; for other codecs the
values themselves must tell padding from image, by a gap between the two that hardly a pixel lies in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.encaps import generate_frames
from pydicom.uid import HTJ2K, JPEG2000, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSTransferSyntaxes

from medad.io.codestream import near_of, syntax_of
from medad.io.dicom.header import Header
from medad.io.dicom.pixels import Stored
from medad.io.picture import Array

BINS = 100  # between the padding value and the image's middle
QUIET = 1e-3  # share of a frame's pixels that a bin of the gap may hold: ringing along the border of the padding
RINGING = 8  # pixels from the border of the padding in which a codec leaves waves
NOT_REMOVED = "padding cannot be told from the image after lossy compression: it is not removed"
_LOSSY = (JPEG2000, HTJ2K, JPEGBaseline8Bit, JPEGExtended12Bit)


@dataclass(frozen=True)
class Padding:
    """The stored values ``low``..``high`` are padding, and any that are within ``error`` of them; ``lossy``: the error
    has no bound. ``above_bits``: they need bits that are not stored."""

    low: int
    high: int
    above_bits: bool
    error: int = 0
    lossy: bool = False

    def __call__(self, raw: Array, values: Array, notes: list[str]) -> Array:
        """Which pixels of a frame are padding, (rows, columns); ``raw`` still has its unused bits.

        What could not be told after lossy compression is added to ``notes``.
        """
        seen = raw if self.above_bits else values
        if self.lossy:
            return self._after_loss(seen.astype(np.int64), notes)
        return (seen >= self.low - self.error) & (seen <= self.high + self.error)

    def _after_loss(self, seen: Array, notes: list[str]) -> Array:
        reach = _reach(self.low - seen, seen - self.high)
        if reach is None:
            _tell(notes, NOT_REMOVED)
            return np.zeros(seen.shape, bool)
        padding = (seen >= self.low - reach[0]) & (seen <= self.high + reach[1])
        if padding.any() and any(reach):
            _tell(notes, "padding after lossy compression: values up to the next that the image holds are padding")
            padding |= _ringing(padding, np.maximum(self.low - seen, seen - self.high))
        return np.asarray(padding)


def _tell(notes: list[str], note: str) -> None:
    if note not in notes:
        notes.append(note)


def _reach(below: Array, above: Array) -> tuple[int, int] | None:
    """How far below and above the padding value pixels still are padding; None if there is no telling.

    Both are distances of all pixels, those of the other side not above 0. Padding is a cluster around 0 of the width
    that the codec's errors have. It ends where the histogram is quiet for at least as long as the cluster is wide; what
    lies in the gap is ringing at the border between padding and image, and goes with the padding.
    """
    away = np.maximum(below, above)
    far = away[away > away.max() / BINS]
    width = max(1, int(np.median(far)) // BINS) if far.size else 1
    if np.count_nonzero(away <= width) <= QUIET * away.size:
        return 0, 0  # there is no padding
    ends = [_end_of_cluster(side[side > 0], width, max(1.0, QUIET * side.size)) for side in (below, above)]
    return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])


def _end_of_cluster(distances: Array, width: int, quiet: float) -> int | None:
    """Where on one side the cluster around 0 ends, by a histogram of ``distances`` in bins of ``width``."""
    counts = np.bincount(np.minimum(distances // width, 4 * BINS)) if distances.size else np.zeros(0)
    start = 0
    for end in np.flatnonzero(counts > quiet):
        if end - start >= max(start, 2):
            return int(end) * width - 1
        start = int(end) + 1
    if start > BINS // 2:
        return None
    return int(distances.max(initial=0))  # nothing but the cluster lies on this side


def _ringing(padding: Array, away: Array) -> Array:
    """Pixels along the border of the padding that are nearer to its value than any pixel of the image farther off."""
    from scipy.ndimage import maximum_filter

    near = maximum_filter(padding.astype(np.uint8), 2 * RINGING + 1) > 0
    if near.all():
        return np.zeros(padding.shape, bool)
    return np.asarray(near & (away < away[~near].min()))


def padding_of(header: Header, stored: Stored) -> Padding | None:
    """The declared padding of a grayscale image, None if there is none."""
    if stored.samples != 1 or stored.keyword != "PixelData" or not header.has("PixelPaddingValue"):
        return None
    ends = [header.integer("PixelPaddingValue")]
    ends.append(header.integer("PixelPaddingRangeLimit", ends[0]))
    width = 2**stored.allocated
    ends = [(end + width // 2) % width - width // 2 if stored.signed else end % width for end in ends]
    low, high = min(ends), max(ends)
    error, lossy = _loss(header, stored)
    return Padding(low, high, low < stored.span[0] or high > stored.span[1], error, lossy)


def _loss(header: Header, stored: Stored) -> tuple[int, bool]:
    """How far compression may have moved a value, and whether that is not known. DICOM PS3.3 C.7.6.1.1.5."""
    if stored.syntax in JPEGLSTransferSyntaxes:
        frames = generate_frames(header.tags.PixelData, number_of_frames=stored.frames)
        return max((near_of(code) or 0 for code in frames), default=0), False
    if header.text("LossyImageCompression") == "01":
        return 0, True
    if stored.syntax not in _LOSSY:
        return 0, False
    code = next(generate_frames(header.tags.PixelData, number_of_frames=stored.frames), b"")
    return 0, syntax_of(code) in _LOSSY


def fill_lowest(images: Array, padded: Array) -> None:
    """Set padded pixels of (N, 1, rows, columns) in place to the lowest value of all others; none left: no change."""
    if not padded.any() or padded.all():
        return
    kept = images[:, 0][~padded]
    np.copyto(images[:, 0], kept.min(), where=padded)
