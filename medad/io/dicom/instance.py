"""Open and check one DICOM file: how its pixels are stored, and for each frame its place and its value rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from medad.io.core.errors import UnreadableImage
from medad.io.core.limits import check_claim
from medad.io.core.picture import Array
from medad.io.core.settings import ReadSettings
from medad.io.dicom.codecs import frames_of
from medad.io.dicom.geometry import Plane, plane_of
from medad.io.dicom.header import REPAIR, Header, open_dicom
from medad.io.dicom.object_kinds import claims_an_image, not_an_image
from medad.io.dicom.padding import Padding, padding_of
from medad.io.dicom.palette import Palette, palette_of
from medad.io.dicom.pixels import Stored, check_stored, stored_as, stored_bits
from medad.io.dicom.values import Rule, rule_of
from medad.wording import counted

_RGB = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
_TABLE_PAYS = 2**18  # pixels
_PHOTOMETRICS = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", *_RGB)


@dataclass(frozen=True)
class Frame:
    """The place of one frame, and the rule for its values."""

    plane: Plane | None
    rule: Rule


@dataclass(frozen=True)
class Instance:
    """One opened file. ``decode_into`` decodes its pixels, frame by frame."""

    header: Header
    stored: Stored
    frames: tuple[Frame, ...]
    padding: Padding | None
    placed_frames: bool
    palette: Palette | None = None
    decoders: list[str] = field(default_factory=list, compare=False)

    @property
    def channels(self) -> int:
        """Return 1 for grayscale, 3 for color."""
        return 1 if self.stored.photometric.startswith("MONOCHROME") else 3

    def decode_into(self, places: Iterable[Array], notes: list[str]) -> Iterator[Array | None]:
        """Fill each of ``places``, float32 ``(C, rows, columns)``, with a frame; yield the mask of its padding, if
        any.

        Raises:
            UnreadableImage: There are fewer frames than claimed, or pixels cannot be decoded.
        """
        count = 0
        frames = frames_of(self.header, self.stored, notes, self.decoders)
        for place, frame, raw in zip(places, self.frames, frames, strict=False):
            count += 1
            self._fill(place, frame, raw)
            yield None if self.padding is None else self.padding(raw, stored_bits(raw, self.stored), notes)
        if count < len(self.frames):
            reason = f"it holds {count} of the {len(self.frames)} frames it claims"
            raise UnreadableImage(self.header.path, "truncated", reason)

    def _fill(self, place: Array, frame: Frame, raw: Array) -> None:
        """Write the values of a raw frame to ``place``."""
        if self.channels == 1 and frame.rule.linear and raw.dtype.itemsize <= 2:
            frame.rule.rescale(stored_bits(raw, self.stored, out=place[0]), self.stored.span)
            return
        if self.channels == 1 and not frame.rule.full_range and raw.dtype.char in "bBhH" and raw.size >= _TABLE_PAYS:
            _look_up(lambda every: frame.rule(stored_bits(every, self.stored), self.stored.span), raw, place[0])
            return
        bits = stored_bits(raw, self.stored)
        if self.palette is not None:
            place[:] = self.palette(bits)
        elif bits.ndim == 3:
            place[:] = np.moveaxis(bits, -1, 0)
        else:
            place[0] = frame.rule(bits, self.stored.span)


def _look_up(values: Callable[[Array], Array], raw: Array, out: Array) -> None:
    """Write to ``out`` the ``values`` of integers of 8 or 16 bits, computed once for each possible integer."""
    native = np.ascontiguousarray(raw, raw.dtype.newbyteorder("="))
    unsigned = np.dtype(f"u{native.dtype.itemsize}")
    every = np.arange(2 ** (8 * unsigned.itemsize)).astype(unsigned).view(native.dtype)
    table, index = values(every).astype(np.float32), native.view(unsigned)
    rows = max(1, _TABLE_PAYS // index.shape[1])
    for start in range(0, len(index), rows):  # numpy makes 8 bytes of each index: some rows of these stay in the cache
        part = slice(start, start + rows)
        np.take(table, index[part], out=out[part], mode="wrap")  # every index is in the table; "raise" would copy first


def opened(path: Path, settings: ReadSettings, notes: list[str]) -> Instance:
    """Open, check and describe one file.

    Raises:
        UnreadableImage: The file is no image, is over the limits, truncated, or contradicts itself.
    """
    header = open_dicom(path, settings)
    if refusal := not_an_image(header):
        if refusal[0] == "no-pixels" and claims_an_image(header):
            raise UnreadableImage(path, "no-pixels", "it says that it is an image, but its header describes none")
        raise UnreadableImage(path, *refusal, "leave it out")
    file_notes = [] if getattr(header.tags, "preamble", None) else ["no DICOM preamble: recognized by its tags"]
    stored = stored_as(header, file_notes)
    gray = stored.photometric.startswith("MONOCHROME") or stored.photometric == "PALETTE COLOR"
    if stored.photometric not in _PHOTOMETRICS or (stored.samples == 1) != gray:
        reason = f"{counted(stored.samples, 'sample')} a pixel, which its photometric interpretation does not have"
        raise UnreadableImage(path, "unsupported-photometric", reason, "convert it to MONOCHROME2 or RGB")
    check_stored(header, stored, settings, file_notes)
    frames = _frames(header, stored, settings, file_notes)
    palette = palette_of(header, stored, file_notes)
    notes.extend(note for note in file_notes if note not in notes)
    padding = padding_of(header, stored) if settings.padding == "lowest" and settings.voi != "published" else None
    return Instance(header, stored, frames, padding, header.has("PerFrameFunctionalGroupsSequence"), palette)


def _frames(header: Header, stored: Stored, settings: ReadSettings, notes: list[str]) -> tuple[Frame, ...]:
    """Return the frames, each with its plane and its rule.

    Raises:
        UnreadableImage: The number of functional groups is not the number of frames.
    """
    shared = header.items("SharedFunctionalGroupsSequence")
    per_frame = header.items("PerFrameFunctionalGroupsSequence")
    if per_frame and len(per_frame) != stored.frames:
        reason = f"it has {stored.frames} frames and functional groups for {len(per_frame)}"
        raise UnreadableImage(header.path, "corrupt", reason, REPAIR)
    frames = []
    for index in range(max(len(per_frame), 1)):
        groups = [*per_frame[index : index + 1], *shared]
        frames.append(Frame(plane_of(header, groups, notes), rule_of(header, groups, stored, settings, notes)))
    return tuple(frames if per_frame else frames * stored.frames)


def check_same(instances: Sequence[Instance], settings: ReadSettings) -> None:
    """Refuse several files that are not equal single-frame slices of one series, or that are too large together.

    Raises:
        UnreadableImage: The files are refused.
    """
    first, path = instances[0], instances[0].header.path
    if len(instances) == 1:
        return
    kinds = {(i.stored.rows, i.stored.columns, i.stored.samples, i.stored.photometric) for i in instances}
    if len(kinds) > 1 or len({i.header.text("SeriesInstanceUID") for i in instances}) > 1:
        reason = f"the {len(instances)} files given are not one series of equal images"
        raise UnreadableImage(
            path, "mixed-series", reason, "give each series by itself", "discover() puts the files of a study together"
        )
    if any(len(i.frames) > 1 for i in instances):
        raise UnreadableImage(path, "mixed-series", "several multi-frame files were given", "read each by itself")
    on_disk = sum(i.header.path.stat().st_size for i in instances)
    shape = (first.channels, first.stored.columns, first.stored.rows, len(instances))
    check_claim(path, shape, settings, on_disk=on_disk)
