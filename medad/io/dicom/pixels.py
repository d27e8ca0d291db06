"""How a DICOM object stores its pixels, checked before decoding; and the stored bits without unused bits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pydicom.uid import (
    UID,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
)

from medad.io.core.errors import UnreadableImage
from medad.io.core.limits import check_claim, check_present
from medad.io.core.picture import Array
from medad.io.core.settings import ReadSettings
from medad.io.dicom.header import Header
from medad.io.dicom.transfer_syntax import transfer_syntax


@dataclass(frozen=True)
class Stored:
    """How the pixels of an object are stored."""

    rows: int
    columns: int
    frames: int
    samples: int
    photometric: str
    allocated: int
    bits: int
    high: int
    signed: bool
    syntax: UID
    keyword: str

    @property
    def span(self) -> tuple[int, int]:
        """Return the lowest and highest value that the stored bits can hold."""
        return (-(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1) if self.signed else (0, 2**self.bits - 1)


def stored_as(header: Header, notes: list[str]) -> Stored:
    """Return the checked image pixel module.

    Raises:
        UnreadableImage: The object has no pixel data, or contradicts itself.
    """
    keyword = next((k for k in ("PixelData", "FloatPixelData", "DoubleFloatPixelData") if k in header.tags), "")
    syntax = transfer_syntax(header, notes)
    if not keyword or not header.tags[keyword].value:
        reason = "its header describes an image, but it ends before the pixels"
        raise UnreadableImage(header.path, "truncated", reason)
    allocated = header.integer("BitsAllocated", {"FloatPixelData": 32, "DoubleFloatPixelData": 64}.get(keyword))
    bits = header.integer("BitsStored", allocated)
    samples = header.integer("SamplesPerPixel", 1)
    photometric = header.text("PhotometricInterpretation").upper()
    if not photometric:
        photometric = "MONOCHROME2" if samples == 1 else "RGB"
        notes.append(f"no photometric interpretation is stated: taken as {photometric}")
    frames = header.integer("NumberOfFrames", 1)
    if allocated not in (1, 8, 16, 32, 64) or not 0 < bits <= allocated or samples not in (1, 3) or frames < 1:
        reason = f"its pixels are {allocated} bits allocated, {bits} stored, {samples} samples, {frames} frames"
        raise UnreadableImage(header.path, "corrupt", reason, "have the sender repair its header")
    rows, columns = header.integer("Rows"), header.integer("Columns")
    high, signed = header.integer("HighBit", bits - 1), header.integer("PixelRepresentation", 0) == 1
    if not bits - 1 <= high < allocated:
        notes.append(f"high bit {high} contradicts {bits} bits stored: taken as {bits - 1}")
        high = bits - 1
    return Stored(rows, columns, frames, samples, photometric, allocated, bits, high, signed, syntax, keyword)


def check_stored(header: Header, stored: Stored, settings: ReadSettings, notes: list[str]) -> None:
    """Check the limits and the amount of data before anything is decoded.

    Raises:
        UnreadableImage: The image is over the limits, or bytes are missing.
    """
    channels = 3 if stored.photometric == "PALETTE COLOR" else stored.samples
    shape = (channels, stored.columns, stored.rows, stored.frames)
    check_claim(header.path, shape, settings)
    if stored.bits > 24:
        notes.append("more than 24 bits are stored: large values are rounded to float32")
    if stored.syntax.is_encapsulated:
        return
    samples = 2 if stored.photometric == "YBR_FULL_422" else stored.samples
    expected = math.ceil(math.prod(shape[1:]) * samples * stored.allocated / 8)
    actual = len(header.tags[stored.keyword].value)
    check_present(header.path, expected, actual)
    if actual > expected + expected % 2:
        notes.append(f"{actual - expected} bytes after the last pixel are ignored")


def stored_bits(frame: Array, stored: Stored, out: Array | None = None) -> Array:
    """Return ``frame`` without the bits above or below its stored bits (overlays, garbage).

    With ``out``, float32 of the same shape, the values are written there, and no other array is made. Source: DICOM
    PS3.5 8.1.1.
    """
    codec = stored.syntax in (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes)
    if frame.dtype.kind == "f" or stored.bits == stored.allocated or codec or stored.allocated == 1:
        if out is None:
            return frame
        out[:] = frame
        return out
    width, low = 8 * frame.dtype.itemsize, stored.high + 1 - stored.bits
    if stored.signed:
        raised = np.left_shift(frame, width - 1 - stored.high)
        return np.asarray(np.right_shift(raised, width - stored.bits, out=out, casting="unsafe"))
    lowered = np.right_shift(frame, low) if low else frame
    mask = frame.dtype.type(2**stored.bits - 1)
    return np.asarray(np.bitwise_and(lowered, mask, out=out, casting="unsafe"))
