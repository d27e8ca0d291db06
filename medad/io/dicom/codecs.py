"""Decode the pixel data of a DICOM object: check the limits first, then decode frame by frame with named decoders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEG2000TransferSyntaxes, JPEGExtended12Bit, JPEGLSTransferSyntaxes, RLELossless

from medad.io.core.errors import UnreadableImage
from medad.io.core.isolation import in_child
from medad.io.core.limits import codestream_size
from medad.io.core.picture import Array
from medad.io.dicom.header import Header
from medad.io.dicom.pixels import Stored

# The first installed plugin decodes, so that further installed plugins change nothing. A frame that it refuses is tried
# with the others in turn, since each codec reads valid data that another one refuses. GDCM aborts the process on some
# damaged data, so it runs in a child. All plugins have permissive licenses but pylibjpeg-libjpeg (GPL), which only
# 12-bit JPEG Extended needs.
_PLUGINS = {
    "1.2.840.10008.1.2.4.50": ("pillow", "gdcm", "pylibjpeg"),
    "1.2.840.10008.1.2.4.51": ("pillow", "gdcm", "pylibjpeg"),
    "1.2.840.10008.1.2.4.57": ("gdcm", "pylibjpeg"),
    "1.2.840.10008.1.2.4.70": ("gdcm", "pylibjpeg"),
    "1.2.840.10008.1.2.4.80": ("pyjpegls", "gdcm", "pylibjpeg"),
    "1.2.840.10008.1.2.4.81": ("pyjpegls", "gdcm", "pylibjpeg"),
    "1.2.840.10008.1.2.4.90": ("pylibjpeg", "gdcm", "pillow"),
    "1.2.840.10008.1.2.4.91": ("pylibjpeg", "gdcm", "pillow"),
    # pylibjpeg-rle panics on damaged data. What pydicom refuses, GDCM refuses too, or reads with a wrong header.
    "1.2.840.10008.1.2.5": ("pydicom",),
}
_TAIL = 64  # bytes in which a JPEG, JPEG-LS or JPEG 2000 picture must end, padding included
_INSTALL = "install python-gdcm, pylibjpeg, pylibjpeg-openjpeg and pyjpegls"
_GPL = "install pylibjpeg-libjpeg, which is GPL-licensed and so not part of medad, or convert the file"


def frames_of(header: Header, stored: Stored, notes: list[str], decoders: list[str]) -> Iterator[Array]:
    """Yield each frame as stored, ``(rows, columns)`` or ``(rows, columns, 3)``, with color as RGB.

    Unused bits are still in place: ``stored_bits`` removes them. The names of the decoders that were used are added to
    ``decoders``, and a note to ``notes`` if a decoder replaced another.

    Raises:
        UnreadableImage: No decoder is installed, or none of them decodes a frame.
    """
    if not stored.syntax.is_encapsulated and stored.samples == 1 and stored.allocated in (8, 16, 32):
        yield from _uncompressed(header, stored)
        return
    decoder, plugins = _decoder(header, stored), [""]
    if stored.syntax.is_encapsulated:
        _check_codestreams(header, stored, notes)
        preferred = _PLUGINS.get(str(stored.syntax), ("pylibjpeg",))
        if stored.syntax == JPEGExtended12Bit and stored.bits > 8:
            preferred = ("pylibjpeg",)
        plugins = [name for name in preferred if name in decoder.available_plugins]
        if not plugins:
            raise _no_decoder(header, stored)
    yield from _decode_with_fallback(header, stored, decoder, plugins, notes, decoders)


def _decode_with_fallback(
    header: Header, stored: Stored, decoder: Any, plugins: list[str], notes: list[str], decoders: list[str]
) -> Iterator[Array]:
    """Decode with the first of ``plugins`` that can.

    A frame that a plugin refuses is tried with each of the others. The frames after it are decoded by the plugin that
    succeeded.

    Raises:
        UnreadableImage: None of the plugins decodes a frame.
    """
    done = 0
    refused: dict[str, str] = {}  # for the current frame: plugin -> error
    while done < stored.frames:
        plugin = next(name for name in plugins if name not in refused)
        try:
            for frame in _maybe_in_child(header, stored, decoder, plugin, done, bool(decoders or refused)):
                _record(plugin, refused, notes, decoders)
                refused = {}
                done += 1
                yield frame
            return  # there may be fewer frames than claimed: the caller counts them
        except (MemoryError, UnreadableImage):
            raise
        except Exception as error:  # broad on purpose: each codec has its own errors
            refused[plugin] = type(error).__name__
        if len(refused) == len(plugins):
            by = ", ".join(f"{name}: {error}" if name else error for name, error in refused.items())
            reason = f"its {stored.syntax.name} data cannot be decoded ({by})"
            raise UnreadableImage(header.path, "corrupt", reason)


def _record(plugin: str, refused: Iterable[str], notes: list[str], decoders: list[str]) -> None:
    """Add the plugin to ``decoders``, and a note if it replaced plugins that refused a frame."""
    if plugin and plugin not in decoders:
        decoders.append(plugin)
    note = f"decoded by {plugin}, since {', '.join(refused)} could not decode it"
    if refused and note not in notes:
        notes.append(note)


def _maybe_in_child(
    header: Header, stored: Stored, decoder: Any, plugin: str, first: int, again: bool
) -> Iterator[Array]:
    """Yield the frames from ``first`` on; GDCM runs in a child process.

    ``again`` asks for a child even where this process may die, since another decoder has refused the data.
    """
    if plugin == "gdcm":
        return in_child(lambda: _decoded(header, stored, decoder, plugin, first), always=again)
    return _decoded(header, stored, decoder, plugin, first)


def _uncompressed(header: Header, stored: Stored) -> Iterator[Array]:
    """Yield uncompressed grayscale frames as views of the file's bytes, without a decoder.

    Big-endian 8-bit data that are stored as words come in swapped pairs. Source: DICOM PS3.5 A.3.
    """
    element = header.tags[stored.keyword]
    letter = "f" if stored.keyword == "FloatPixelData" else "i" if stored.signed else "u"
    little = stored.syntax.is_little_endian
    data = element.value
    if stored.allocated == 8 and not little and element.VR == "OW":
        data = np.frombuffer(data[: len(data) // 2 * 2], ">u2").astype("<u2").tobytes()
    kind = np.dtype(f"{'<' if little else '>'}{letter}{stored.allocated // 8}")
    count = stored.rows * stored.columns
    for index in range(stored.frames):
        frame = np.frombuffer(data, kind, count, index * count * kind.itemsize)
        yield frame.reshape(stored.rows, stored.columns)


def _decoded(header: Header, stored: Stored, decoder: Any, plugin: str, first: int = 0) -> Iterator[Array]:
    """Yield the frames from ``first`` on as pydicom decodes them with ``plugin``."""
    options: dict[str, Any] = {}
    if stored.syntax not in (*JPEG2000TransferSyntaxes, *JPEGLSTransferSyntaxes):
        options["correct_unused_bits"] = False
    if str(stored.syntax) != str(header.tags.file_meta.get("TransferSyntaxUID", "")):
        header.tags.file_meta.TransferSyntaxUID = stored.syntax
    if stored.frames == 1:
        yield decoder.as_array(header.tags, index=0, decoding_plugin=plugin, **options)[0]
        return
    if first:
        options["indices"] = range(first, stored.frames)
    frames = decoder.iter_array(header.tags, decoding_plugin=plugin, **options)
    for _, (frame, _) in zip(range(first, stored.frames), frames, strict=False):
        yield frame


def _decoder(header: Header, stored: Stored) -> Any:
    """Return pydicom's decoder for the transfer syntax.

    Raises:
        UnreadableImage: pydicom knows no such syntax.
    """
    try:
        return get_decoder(stored.syntax)
    except (NotImplementedError, KeyError, ValueError):  # pydicom raises these for an unknown syntax
        raise _no_decoder(header, stored) from None


def _check_codestreams(header: Header, stored: Stored, notes: list[str]) -> None:
    """Refuse fewer frames than claimed, a frame without its end, or a frame of another size than the header's."""
    data = header.tags.PixelData
    frame_count = 0
    for code in generate_frames(data, number_of_frames=stored.frames):
        frame_count += 1
        if stored.syntax == RLELossless:
            continue
        if b"\xff\xd9" not in code[-_TAIL:]:
            reason = "its compressed picture has no end, and a decoder would make up the rest"
            raise UnreadableImage(header.path, "truncated", reason)
        size = codestream_size(code)
        if size is not None and size != (stored.rows, stored.columns):
            stated_size = f"{stored.columns} x {stored.rows}"
            reason = f"its compressed picture is {size[1]} x {size[0]}, its header says {stated_size}"
            raise UnreadableImage(header.path, "corrupt", reason)
    if frame_count < stored.frames:
        raise UnreadableImage(
            header.path, "truncated", f"it holds {frame_count} of the {stored.frames} frames it claims"
        )
    if frame_count > stored.frames:
        notes.append(f"{frame_count - stored.frames} frames more than claimed are ignored")


def _no_decoder(header: Header, stored: Stored) -> UnreadableImage:
    """Return the error for a transfer syntax without a decoder, with what to install."""
    reason = f"no decoder here reads its transfer syntax {stored.syntax.name}"
    twelve_bit = stored.syntax == JPEGExtended12Bit
    remedy = _GPL if twelve_bit else _INSTALL if str(stored.syntax) in _PLUGINS else "convert it to a known syntax"
    return UnreadableImage(header.path, "unsupported-transfer-syntax", reason, remedy)
