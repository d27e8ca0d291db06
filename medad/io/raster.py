"""Read PNG, JPEG, TIFF and BMP with Pillow, and 16-bit color with SimpleITK.

Pillow would reduce 16-bit color to 8 bits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from medad.io.core.errors import SPLIT, UnreadableImage
from medad.io.core.formats import head_of
from medad.io.core.limits import check_claim
from medad.io.core.picture import Array, Picture, all_finite, begin, to_gray
from medad.io.core.settings import ReadSettings
from medad.io.file_parts import MOST_PARTS, part_of
from medad.wording import counted

_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "MPO")
_WHITE_IS_ZERO, _UNSIGNED = 0, (1,)
_TIFF_PHOTOMETRIC, _TIFF_BITS, _EXIF_ORIENTATION, _TIFF_SAMPLES = 262, 258, 274, 339
_TIFF_SUBFILE, _TIFF_OLD_SUBFILE = 254, 255  # tags that state the kind of a page
_REDUCED_OR_MASK, _OLD_REDUCED = 1 | 4, 2
_TRUNCATED = ("truncated", "Truncated", "not enough image data", "broken data stream", "unrecognized data stream")


def read_raster(path: Path, settings: ReadSettings) -> Picture:
    """Read ``(C, W, H)`` with the stored values: 0..255 for 8 bits, 0..65535 for 16. One channel stays one channel.

    Raises:
        UnreadableImage: The file is truncated, has several pages and is not split, or is over the limits.
    """
    file, part = part_of(path)
    reading = begin("raster", orientation={"source": "as stored", "given": "as stored"})
    notes = reading["assumed"]
    try:
        with Image.open(file, formats=_FORMATS) as image:
            _check(file, image, settings)
            part, parts = _select_page(file, image, part, settings.time == "split" or path != file, notes)
            _check(file, image, settings)
            reading["photometric"], reading["modality"] = image.mode, None
            reading["container"], reading["quantization"] = image.format, _quantization(image)
            array = _pixels(file, image, (part, parts), reading)
    except Image.DecompressionBombError:
        reason, remedy = "it claims more pixels than Pillow decodes", "cut it into parts if it is to be trusted"
        raise UnreadableImage(file, "too-large", reason, remedy) from None
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, (FileNotFoundError, PermissionError)):
            raise
        kind = "truncated" if any(word in str(error) for word in _TRUNCATED) else "corrupt"
        reason = "it ends before its pixels do" if kind == "truncated" else "its pixels cannot be decoded"
        raise UnreadableImage(file, kind, reason) from None
    notes.append("no geometry in this format: the affine is the identity")
    array = np.moveaxis(array if array.ndim == 3 else array[..., np.newaxis], -1, 0).astype(np.float32)
    array = all_finite(to_gray(array, settings, reading), file, settings, reading)
    if settings.voi == "published" and reading["value_range"] is None:
        from medad.io.dicom.values import published

        array, reading["value_range"], reading["voi"] = published(array, False, False, notes), [0.0, 255.0], "published"
    return Picture(np.swapaxes(array, 1, 2), np.eye(4), np.eye(4), reading)


def pages_of(path: Path) -> int:
    """Return how many pages of a file are images of their own.

    Return 1 for a file that cannot be opened: reading it raises the error.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return len(_pages(image))
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        return 1


def _pages(image: Image.Image) -> list[int]:
    """Return the frames that are images, without the smaller copies and masks that a TIFF may hold.

    Source: TIFF 6.0, NewSubfileType.
    """
    if image.format in ("JPEG", "MPO", "BMP"):
        return [0]
    pages = []
    for index in range(min(MOST_PARTS, int(getattr(image, "n_frames", 1)))):
        image.seek(index)
        tags = getattr(image, "tag_v2", {})
        old = tags.get(_TIFF_OLD_SUBFILE, 0) == _OLD_REDUCED
        if not (old or int(tags.get(_TIFF_SUBFILE, 0)) & _REDUCED_OR_MASK):
            pages.append(index)
    image.seek(0)
    return pages or [0]


def _check(file: Path, image: Image.Image, settings: ReadSettings) -> None:
    """Check the claimed size of the current page against the limits."""
    check_claim(file, (len(image.getbands()), *image.size), settings)


def _select_page(file: Path, image: Image.Image, part: int, split: bool, notes: list[str]) -> tuple[int, int]:
    """Select the page that is the ``part``-th image.

    Returns:
        Its place among all pages, and the number of pages.

    Raises:
        UnreadableImage: There are several images and they may not be ``split``, or there is no such image.
    """
    pages, count = _pages(image), int(getattr(image, "n_frames", 1))
    if len(pages) > 1 and not split:
        raise UnreadableImage(file, "multi-page", f"it holds {len(pages)} pages", SPLIT, 'ReadSettings(time="split")')
    if part >= len(pages):
        reason = f"it has {counted(len(pages), 'page')}, not {part + 1}"
        raise UnreadableImage(file, "missing", reason, "check the number after #")
    if len(pages) > 1:
        notes.append(f"page {part + 1} of {len(pages)}")
    if count > len(pages):
        notes.append(f"{count - len(pages)} smaller copies, masks or further pictures in the file are not read")
    if count > 1:
        image.seek(pages[part])
    if image.getexif().get(_EXIF_ORIENTATION, 1) != 1:
        notes.append("an EXIF orientation is stated: the pixels are kept as stored")
    return pages[part], count


def _pixels(file: Path, image: Image.Image, page: tuple[int, int], reading: dict[str, Any]) -> Array:
    """Return the pixels, ``(H, W)`` or ``(H, W, 3)``, in the value range of the file.

    ``page`` is the number of the page and the number of all pages.
    """
    mode, notes = image.mode, reading["assumed"]
    if _color_of_16_bits(file, image):
        return _by_sitk(file, page, reading)
    if mode in ("I;16", "I;16L", "I;16B", "I;16N", "I", "F"):
        array = np.asarray(image)
        if mode == "I" and _unsigned_of_32_bits(image):
            array = array.view(np.uint32)
        reading["bits"] = [8 * array.dtype.itemsize] * 2
        if mode.startswith("I;16") and _white_is_zero(image):
            reading["inverted"] = True
            return np.uint16(65535) - array
        return array
    reading["bits"], reading["value_range"] = [8, 8], [0.0, 255.0]
    reading["inverted"] = _white_is_zero(image)
    if mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    if mode == "LA":
        notes.append("the alpha channel is left out")
        return np.asarray(image)[..., 0]
    reading["color"] = "RGB"
    if mode == "RGBA":
        notes.append("the alpha channel is left out")
        return np.asarray(image)[..., :3]
    if mode != "RGB":
        notes.append(f"converted from {mode} to RGB by Pillow")
    return np.asarray(image.convert("RGB"))


def _quantization(image: Image.Image) -> float | None:
    """Return the mean step of a JPEG's first quantization table, which grows with compression; None without one."""
    tables = getattr(image, "quantization", None)
    return float(np.mean(next(iter(tables.values())))) if tables else None


def _unsigned_of_32_bits(image: Image.Image) -> bool:
    """Return whether the file states unsigned 32-bit samples, which Pillow returns as signed."""
    tags = getattr(image, "tag_v2", {})
    return tags.get(_TIFF_BITS) == (32,) and tags.get(_TIFF_SAMPLES, _UNSIGNED) == _UNSIGNED


def _white_is_zero(image: Image.Image) -> bool:
    """Return whether a TIFF states that 0 is white."""
    tags = getattr(image, "tag_v2", {})
    return bool(tags) and tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO


def _color_of_16_bits(file: Path, image: Image.Image) -> bool:
    """Return whether Pillow would reduce the samples of this file to 8 bits."""
    if image.format == "PNG":
        with file.open("rb") as stream:
            header = stream.read(26)
        return header[24] == 16 and header[25] != 0
    bits = getattr(image, "tag_v2", {}).get(_TIFF_BITS, (8,))
    return image.format == "TIFF" and len(bits) > 1 and max(bits) > 8


def _by_sitk(file: Path, page: tuple[int, int], reading: dict[str, Any]) -> Array:
    """Read a page with SimpleITK, ``(H, W)`` or ``(H, W, 3)``."""
    import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation

    image = sitk.ReadImage(str(file), imageIO="PNGImageIO" if head_of(file)[:4] == b"\x89PNG" else "TIFFImageIO")
    array: Array = sitk.GetArrayFromImage(image)
    reading["bits"] = [8 * array.dtype.itemsize] * 2
    if page[1] > 1 and array.ndim == 4 and len(array) == page[1]:
        array = array[page[0]]
    if array.ndim != 3 or array.shape[-1] not in (2, 3, 4):
        raise UnreadableImage(file, "unsupported-type", "its channels are not gray or RGB", "store it as RGB")
    if array.shape[-1] in (2, 4):
        reading["assumed"].append("the alpha channel is left out")
        array = array[..., :-1]
    reading["color"] = "RGB" if array.shape[-1] == 3 else None
    return array
