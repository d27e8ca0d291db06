"""Turn stored values into the reader's values: modality LUT or rescale, then VOI, then inversion.

Source: DICOM PS3.3 C.11.1 (modality LUT), C.11.2 (VOI LUT), C.7.6.3.1.2 (photometric interpretation). The rule is read
from the header once for each frame, and then applied by arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medad.io.core.errors import UnreadableImage
from medad.io.core.picture import Array
from medad.io.core.settings import ReadSettings
from medad.io.dicom.header import Header
from medad.io.dicom.luts import GRAY_MAX, Lut, Window, lut_of, windows_of
from medad.io.dicom.pixels import Stored


@dataclass(frozen=True)
class Rule:
    """How the stored values of a frame become the reader's values."""

    slope: float = 1.0
    intercept: float = 0.0
    lut: Lut | None = None
    voi: Window | Lut | None = None
    invert: bool = False
    full_range: bool = False

    @property
    def linear(self) -> bool:
        """Return whether the rule consists of slope, intercept and inversion only."""
        return self.lut is None and self.voi is None and not self.full_range

    def __call__(self, stored: Array, span: tuple[int, int]) -> Array:
        """Return the float64 values of stored ``(rows, columns)``, whose bits can hold ``span``."""
        if self.linear:
            value_span = span if stored.dtype.kind != "f" else (float(stored.min()), float(stored.max()))
            return self.rescale(stored.astype(np.float64), value_span)
        if self.lut is None or self.voi is not None or self.full_range:
            return self._gray_levels(stored)
        values = self.lut(stored)
        return self.lut.entries.min() + self.lut.entries.max() - values if self.invert else values

    def rescale(self, values: Array, span: tuple[float, float]) -> Array:
        """Apply slope, intercept, and inversion within ``span`` (of stored values), in place."""
        slope, intercept = self.slope, self.intercept
        if self.invert:
            slope, intercept = -slope, slope * (float(span[0]) + float(span[1])) + intercept
        if slope != 1:
            values *= slope
        if intercept != 0:
            values += intercept
        return values

    def _gray_levels(self, stored: Array) -> Array:
        """Return the values mapped to 0..255 by the VOI, or by the image's own range."""
        values = self.lut(stored) if self.lut is not None else stored.astype(np.float64) * self.slope + self.intercept
        if isinstance(self.voi, Lut):
            levels = self.voi(values) * (GRAY_MAX / max(2**self.voi.bits - 1, float(self.voi.entries.max())))
        elif self.voi is not None:
            levels = self.voi(values)
        else:
            low, high = values.min(), values.max()
            levels = (values - low) * (GRAY_MAX / (high - low)) if high > low else np.zeros_like(values)
        return np.asarray(GRAY_MAX - levels if self.invert else levels)


def rule_of(header: Header, groups: list[Header], stored: Stored, settings: ReadSettings, notes: list[str]) -> Rule:
    """Return the rule of one frame.

    ``groups`` are its functional groups, per-frame before shared; the header itself comes last.
    """
    invert = inverted(header, stored, notes)
    if settings.voi == "published":
        return Rule()
    slope, intercept, lut = _modality(header, groups, stored, notes)
    if settings.voi == "off":
        return Rule(slope, intercept, lut, None, invert)
    voi = _voi(header, groups, stored, settings, notes)
    if voi is None:
        notes.append("no VOI window or LUT is in the file: the image's own range is shown")
    return Rule(slope, intercept, lut, voi, invert, full_range=voi is None)


def inverted(header: Header, stored: Stored, notes: list[str]) -> bool:
    """Return whether high values must become low ones: MONOCHROME1, or the presentation LUT shape INVERSE."""
    shape = header.text("PresentationLUTShape").upper()
    if stored.photometric == "MONOCHROME1":
        if shape == "IDENTITY":
            notes.append("presentation LUT shape IDENTITY contradicts MONOCHROME1: inverted as MONOCHROME1 says")
        return True
    if stored.photometric == "MONOCHROME2" and shape == "INVERSE":
        notes.append("presentation LUT shape INVERSE with MONOCHROME2: inverted as the shape says")
        return True
    return False


def published(values: Array, invert: bool, eight_bit: bool, notes: list[str]) -> Array:
    """Apply the rule of the DDAD benchmarks for raw chest DICOM.

    Values become max - x if ``invert``, and are then scaled from their minimum and maximum to whole levels 0..255.
    Values that are ``eight_bit`` are not scaled.
    """
    if invert:
        values = values.max() - values
    if eight_bit:
        return values
    low, high = float(values.min()), float(values.max())
    if high == low:
        notes.append("all pixels are equal: min-max gives 0")
        return np.zeros_like(values)
    return np.floor((values.astype(np.float64) - low) / (high - low) * GRAY_MAX).astype(np.float32)


def _modality(
    header: Header, groups: list[Header], stored: Stored, notes: list[str]
) -> tuple[float, float, Lut | None]:
    """Return slope, intercept and modality LUT of a frame."""
    for place in (*groups, header):
        for source in (*place.items("PixelValueTransformationSequence"), place):
            if tables := source.items("ModalityLUTSequence"):
                return 1.0, 0.0, lut_of(tables[0], stored)
            if source.has("RescaleSlope") or source.has("RescaleIntercept"):
                slope, intercept = source.number("RescaleSlope", 1.0), source.number("RescaleIntercept", 0.0)
                if slope == 0:
                    notes.append("a rescale slope of 0 would erase the image: taken as 1")
                return slope or 1.0, intercept, None
    return 1.0, 0.0, None


def _voi(
    header: Header, groups: list[Header], stored: Stored, settings: ReadSettings, notes: list[str]
) -> Window | Lut | None:
    """Return the first VOI LUT or window of a frame, or the one that the settings name; None if it has none.

    Raises:
        UnreadableImage: There are windows, and none has the name in the settings.
    """
    for place in (*groups, header):
        for source in (*place.items("FrameVOILUTSequence"), place):
            windows, tables = windows_of(source, notes), source.items("VOILUTSequence")
            named = [w for w in windows if w.name == settings.window] if settings.window else windows
            if settings.window:
                tables = [t for t in tables if t.text("LUTExplanation") == settings.window]
            if tables:
                return lut_of(tables[0], stored)
            if named:
                return named[0]
            if windows:
                reason = "it has no VOI window of the name that was asked for"
                raise UnreadableImage(
                    header.path,
                    "no-such-window",
                    reason,
                    "have the sender name it",
                    "ReadSettings(window=None) takes the first one",
                )
    return None
