"""Read DICOM files to a picture: one instance, a multi-frame instance, or the slices of one series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medad.io.core.errors import UnreadableImage
from medad.io.core.picture import Array, Picture, all_finite, begin, to_gray, turned_to_ras
from medad.io.core.settings import ReadSettings
from medad.io.dicom.content import content_of
from medad.io.dicom.differences import with_differences
from medad.io.dicom.equipment import equipment_of
from medad.io.dicom.geometry import slice_affine, stacked
from medad.io.dicom.instance import Instance, check_same, opened
from medad.io.dicom.luts import GRAY_MAX, Lut, Window
from medad.io.dicom.padding import NOT_REMOVED, fill_lowest
from medad.io.dicom.values import inverted, published

_PATIENT = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "PatientAge", "StudyDate", "AccessionNumber")


def read_dicom(files: Sequence[Path], settings: ReadSettings) -> Picture:
    """Read one instance as ``(C, W, H)``, or several frames or instances as a volume ``(C, X, Y, Z)``.

    Raises:
        UnreadableImage: A file is no image, is damaged, or does not fit the others.
    """
    notes: list[str] = []
    instances = [opened(path, settings, notes) for path in files]
    check_same(instances, settings)
    first, count = instances[0], sum(len(instance.frames) for instance in instances)
    order, affine = ([0], _flat_affine(first, notes)) if count == 1 else _grid(instances, settings, notes)
    array = _decoded_frames(instances, order, notes)
    reading = _reading_of(instances, settings, notes)
    array = all_finite(to_gray(array, settings, reading), first.header.path, settings, reading)
    if settings.voi == "published":
        eight_bit = reading["bits"][0] <= 8 and not reading["signed"]
        array = published(array, reading["inverted"], eight_bit, notes)
    patient = {key: first.header.text(key) for key in _PATIENT} if settings.keep_patient_tags else {}
    if count == 1:
        return Picture(array[..., 0], affine, affine, reading, patient)
    turned, turned_affine = turned_to_ras(array, affine, reading)
    return Picture(turned, turned_affine, affine, reading, patient)


def _decoded_frames(instances: Sequence[Instance], order: list[int], notes: list[str]) -> Array:
    """Decode all frames into one array seen as ``(C, W, H, N)``; the n-th is frame ``order[n]``."""
    first = instances[0]
    size = first.stored.rows, first.stored.columns
    out = np.empty((len(order), first.channels, *size), np.float32)
    padded = np.zeros((len(order), *size), bool) if any(i.padding for i in instances) else None
    rank = {frame: place for place, frame in enumerate(order)}
    at = 0
    for instance in instances:
        places = (out[rank[index]] for index in range(at, at + len(instance.frames)))
        for padding in instance.decode_into(places, notes):
            if padded is not None and padding is not None:
                padded[rank[at]] = padding
            at += 1
    if padded is not None:
        fill_lowest(out, padded)
    return out.transpose(1, 3, 2, 0)


def _grid(instances: Sequence[Instance], settings: ReadSettings, notes: list[str]) -> tuple[list[int], Array]:
    """Return the order of the frames, and the affine of the volume before it is turned to RAS.

    Raises:
        UnreadableImage: The slices make no volume, or do not state their places.
    """
    first, frames = instances[0], [frame for instance in instances for frame in instance.frames]
    planes = [frame.plane for frame in frames if frame.plane is not None]
    if len(planes) == len(frames) and (len(instances) > 1 or first.placed_frames):
        try:
            return stacked(planes, first.header.path, settings.slice_tolerance, notes)
        except UnreadableImage as error:
            if error.kind == "duplicate-slices":
                raise with_differences(error, instances, planes) from None
            raise
    if len(instances) > 1:
        reason = "its slices do not all state position, orientation and pixel spacing"
        raise UnreadableImage(
            first.header.path,
            "no-geometry",
            reason,
            "ask the sender for the places of its slices",
            "read_image(file) reads its files one by one",
        )
    notes.append("frames without positions: the third axis is their order in the file, the affine is not a place")
    return list(range(len(frames))), _spacing_affine(first, notes)


def _flat_affine(instance: Instance, notes: list[str]) -> Array:
    """Return the affine of a single frame."""
    plane = instance.frames[0].plane
    return _spacing_affine(instance, notes) if plane is None else slice_affine(plane)


def _spacing_affine(instance: Instance, notes: list[str]) -> Array:
    """Return an affine with the stated mm between columns and rows, or else the identity."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        spacing = instance.header.numbers(keyword)
        if len(spacing) >= 2 and min(spacing) > 0:
            notes.append(f"position and orientation are not stated: the affine holds {keyword} only")
            return np.diag([spacing[1], spacing[0], 1.0, 1.0])
    notes.append("no geometry is stated: the affine is the identity")
    return np.eye(4)


def _reading_of(instances: Sequence[Instance], settings: ReadSettings, notes: list[str]) -> dict[str, Any]:
    """Return the record of the reading."""
    first, rules = instances[0], [frame.rule for instance in instances for frame in instance.frames]
    stored, rule = first.stored, rules[0]
    have_planes = all(frame.plane is not None for instance in instances for frame in instance.frames)
    is_gray_level = settings.voi == "published" or (settings.voi == "window" and stored.photometric.startswith("MONO"))
    several = len({(r.slope, r.intercept, r.voi if isinstance(r.voi, Window) else None) for r in rules}) > 1
    return begin(
        "dicom",
        **content_of(first.header),
        equipment=equipment_of(first.header),
        transfer_syntax=stored.syntax.name,
        decoder=", ".join(dict.fromkeys(name for instance in instances for name in instance.decoders)) or None,
        photometric=stored.photometric,
        inverted=inverted(first.header, stored, []),
        rescale=[rule.slope, rule.intercept] if (rule.slope, rule.intercept) != (1, 0) else None,
        per_frame=several,
        modality_lut=rule.lut is not None,
        voi=settings.voi,
        window=_voi_description(rule.voi),
        padding="lowest" if first.padding is not None and NOT_REMOVED not in notes else None,
        bits=[stored.bits, stored.allocated] if first.palette is None else [first.palette.bits] * 2,
        signed=stored.signed,
        color=None if first.channels == 1 else "RGB",
        placed=have_planes and (len(rules) == 1 or len(instances) > 1 or first.placed_frames),
        orientation={"source": "as acquired", "given": "as acquired"},
        value_range=[0.0, GRAY_MAX] if is_gray_level else None,
        assumed=notes,
    )


def _voi_description(voi: Window | Lut | None) -> dict[str, Any] | None:
    """Return a window or LUT as plain JSON."""
    if isinstance(voi, Window):
        return {"center": voi.center, "width": voi.width, "function": voi.function, "name": voi.name}
    return None if voi is None else {"lut": len(voi.entries)}
