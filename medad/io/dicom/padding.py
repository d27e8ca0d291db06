"""Pixel padding: pixels outside the image that a sender filled with a number. Source: DICOM PS3.3 C.7.5.1.1.2.

Lossy compression changes that number slightly. JPEG-LS states its largest error. For other codecs padding and image are
separated by a gap between their values in which hardly any pixel lies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.encaps import generate_frames
from pydicom.uid import HTJ2K, JPEG2000, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSTransferSyntaxes

from medad.io.core.codestream import near_of, syntax_of
from medad.io.core.picture import Array
from medad.io.dicom.header import Header
from medad.io.dicom.pixels import Stored

BINS = 100  # histogram bins between the padding value and the image's median
QUIET = 1e-3  # largest share of a frame's pixels in a bin of the gap, which holds ringing along the border
RINGING = 8  # pixels from the border of the padding in which a codec leaves waves
NOT_REMOVED = "padding cannot be told from the image after lossy compression: it is not removed"
_LOSSY = (JPEG2000, HTJ2K, JPEGBaseline8Bit, JPEGExtended12Bit)


@dataclass(frozen=True)
class Padding:
    """The stored values ``low``..``high`` are padding, and so are values within ``error`` of them.

    ``lossy`` is whether the error has no known bound. ``above_bits`` is whether the values need bits that are not
    stored.
    """

    low: int
    high: int
    above_bits: bool
    error: int = 0
    lossy: bool = False

    def __call__(self, raw: Array, values: Array, notes: list[str]) -> Array:
        """Return which pixels of a frame are padding, bool ``(rows, columns)``; ``raw`` still has its unused bits.

        A note is added to ``notes`` if lossy compression made padding and image hard to separate.
        """
        compared = raw if self.above_bits else values
        if self.lossy:
            return self._after_loss(compared.astype(np.int64), notes)
        return (compared >= self.low - self.error) & (compared <= self.high + self.error)

    def _after_loss(self, compared: Array, notes: list[str]) -> Array:
        """Return which pixels are padding after lossy compression."""
        reach = _padding_reach(self.low - compared, compared - self.high)
        if reach is None:
            _add_note(notes, NOT_REMOVED)
            return np.zeros(compared.shape, bool)
        padding = (compared >= self.low - reach[0]) & (compared <= self.high + reach[1])
        if padding.any() and any(reach):
            _add_note(
                notes, "padding after lossy compression: values nearer to the padding value than the image are padding"
            )
            padding |= _ringing(padding, np.maximum(self.low - compared, compared - self.high))
        return np.asarray(padding)


def _add_note(notes: list[str], note: str) -> None:
    """Add a note that is not there yet."""
    if note not in notes:
        notes.append(note)


def _padding_reach(below: Array, above: Array) -> tuple[int, int] | None:
    """Return how far below and above the padding value pixels still are padding; None if this is undecidable.

    ``below`` and ``above`` are the distances of all pixels, at most 0 for pixels of the other side. Padding is a
    cluster around 0 as wide as the codec's errors. It ends where the histogram is quiet for at least the width of the
    cluster. Pixels in the gap are ringing at the border between padding and image, and count as padding.
    """
    away = np.maximum(below, above)
    far = away[away > away.max() / BINS]
    width = max(1, int(np.median(far)) // BINS) if far.size else 1
    if np.count_nonzero(away <= width) <= QUIET * away.size:
        return 0, 0  # there is no padding
    ends = [_end_of_cluster(side[side > 0], width, max(1.0, QUIET * side.size)) for side in (below, above)]
    return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])


def _end_of_cluster(distances: Array, width: int, quiet: float) -> int | None:
    """Return where the cluster around 0 ends on one side, by a histogram of ``distances`` in bins of ``width``."""
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
    """Return the pixels along the border of the padding that are nearer to its value than all pixels farther off."""
    from scipy.ndimage import maximum_filter

    near = maximum_filter(padding.astype(np.uint8), 2 * RINGING + 1) > 0
    if near.all():
        return np.zeros(padding.shape, bool)
    return np.asarray(near & (away < away[~near].min()))


def padding_of(header: Header, stored: Stored) -> Padding | None:
    """Return the declared padding of a grayscale image, None if there is none."""
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
    """Return how far compression may have changed a value, and whether that is unknown.

    Source: DICOM PS3.3 C.7.6.1.1.5.
    """
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
    """Set padded pixels of ``(N, 1, rows, columns)`` in place to the lowest value of all other pixels.

    Nothing changes if all pixels are padding.
    """
    if not padded.any() or padded.all():
        return
    image_values = images[:, 0][~padded]
    np.copyto(images[:, 0], image_values.min(), where=padded)
