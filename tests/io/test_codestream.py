"""Which codec wrote a frame, by its first bytes."""

from __future__ import annotations

import pydicom
from pydicom.encaps import generate_frames

from medad.io.core import codestream


def test_codecs_are_told_by_their_headers(bundled):
    for name in (
        *("JPEG2000", "JPEG-lossy", "MR_small_jp2klossless", "MR_small_jpeg_ls_lossless"),
        *("MR_small_RLE", "SC_rgb_jpeg_dcmtk", "SC_rgb_rle"),
    ):
        image = pydicom.dcmread(bundled / f"{name}.dcm")
        stated = image.file_meta.TransferSyntaxUID
        if stated.is_encapsulated:
            code = next(generate_frames(image.PixelData, number_of_frames=int(image.get("NumberOfFrames") or 1)))
            assert codestream.same_codec(codestream.syntax_of(code), stated), name
    assert codestream.syntax_of(bytes(range(256)) * 4) is None
