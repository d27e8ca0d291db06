"""Pixel padding: pixels outside the image that some sender filled with a number. DICOM PS3.3 C.7.5.1.1.2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medad.io.dicom_header import Header
from medad.io.dicom_pixels import Stored
from medad.io.picture import Array


@dataclass(frozen=True)
class Padding:
    """The stored values ``low``..``high`` are padding; ``above_bits``: they need bits that are not stored."""

    low: int
    high: int
    above_bits: bool

    def __call__(self, raw: Array, values: Array) -> Array:
        """Which pixels of a frame are padding, (rows, columns); ``raw`` still has its unused bits."""
        seen = raw if self.above_bits else values
        return (seen >= self.low) & (seen <= self.high)


def padding_of(header: Header, stored: Stored) -> Padding | None:
    """The declared padding of a grayscale image, None if there is none."""
    if stored.samples != 1 or stored.keyword != "PixelData" or not header.has("PixelPaddingValue"):
        return None
    ends = [header.integer("PixelPaddingValue")]
    ends.append(header.integer("PixelPaddingRangeLimit", ends[0]))
    width = 2**stored.allocated
    ends = [(end + width // 2) % width - width // 2 if stored.signed else end % width for end in ends]
    low, high = min(ends), max(ends)
    return Padding(low, high, low < stored.span[0] or high > stored.span[1])


def fill_lowest(images: Array, padded: Array) -> None:
    """Set padded pixels of (N, 1, rows, columns) in place to the lowest value of all others; none left: no change."""
    if not padded.any() or padded.all():
        return
    kept = images[:, 0][~padded]
    np.copyto(images[:, 0], kept.min(), where=padded)
