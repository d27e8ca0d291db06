"""Read a file of any supported format, recognized by its content. Needs numpy only: no torch and no MONAI."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock

from medad.io.core.errors import UnreadableImage, guarded
from medad.io.core.formats import IMAGES, head_of, sniff
from medad.io.core.picture import Picture, axial_slice
from medad.io.core.settings import ReadSettings
from medad.io.file_parts import part_of, slice_of

Files = Path | str | Sequence[Path | str]


def read_picture(files: Files, settings: ReadSettings, formats: Sequence[str] = IMAGES) -> Picture:
    """Read the image in one file, or in the DICOM files of one series.

    Args:
        files: One path, or the paths of the slices of one series. ``name#2`` is the second volume or page of a file,
            ``name#z12`` its 12th axial slice.
        settings: The choices that change pixels.
        formats: The formats that may be read, a subset of ``IMAGES``.

    Raises:
        UnreadableImage: The image cannot be read. No other error is raised, whatever the files hold.
    """
    paths = [Path(files)] if isinstance(files, (str, Path)) else [Path(file) for file in files]
    if not paths:
        raise UnreadableImage("-", "empty", "no file was given", "give at least one file")
    with guarded(paths[0]):
        whole, index = slice_of(paths[0])
        if index is not None and len(paths) == 1:
            with _volume_lock:
                volume = _cached_volume(whole, part_of(whole)[0].stat().st_mtime_ns, settings, tuple(formats))
            return axial_slice(volume, index, whole)
        form = _format_of(paths)
        if form not in formats:
            raise UnreadableImage(paths[0], "not-an-image", _format_description(form), "leave it out")
        return _read_format(form, paths, settings)


_volume_lock = Lock()  # threads that read slices of one volume wait for its decoding, instead of decoding it again


@lru_cache(maxsize=2)
def _cached_volume(path: Path, changed: int, settings: ReadSettings, formats: tuple[str, ...]) -> Picture:
    """Read the volume from which slices are taken.

    The last two volumes stay in memory, so that the slices of one volume need one decoding. ``changed`` is the
    modification time of the file in ns: a changed file is read again.
    """
    return read_picture(path, settings, formats)


def _read_format(form: str, paths: list[Path], settings: ReadSettings) -> Picture:
    """Call the reader of ``form``, and import its libraries only now."""
    if form == "dicom":
        from medad.io.dicom.read_dicom import read_dicom

        return read_dicom(paths, settings)
    if form in ("nifti", "mgh"):
        from medad.io.nifti import read_nifti

        return read_nifti(paths[0], settings)
    if form == "raster":
        from medad.io.raster import read_raster

        return read_raster(paths[0], settings)
    from medad.io.sitk import read_sitk

    return read_sitk(paths[0], settings)


def _format_of(paths: list[Path]) -> str:
    """Return the format of the files; several files must all be DICOM.

    Raises:
        UnreadableImage: A path is a folder or a special file, or several files are not all DICOM.
    """
    formats = []
    for path in paths:
        file = part_of(path)[0]
        mode = file.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UnreadableImage(
                file, "folder", "it is a folder", "name the files in it", "medad.io.discover() lists its studies"
            )
        if not stat.S_ISREG(mode):
            raise UnreadableImage(file, "not-an-image", "it is no regular file", "leave it out")
        formats.append(sniff(head_of(file)))
    if len(paths) > 1 and set(formats) != {"dicom"}:
        reason = f"{len(paths)} files were given as one image and not all are DICOM"
        raise UnreadableImage(paths[0], "mixed-files", reason, "give them one by one")
    return formats[0]


def _format_description(form: str) -> str:
    """Return the sentence that tells the user why ``form`` cannot be read."""
    words = {"unknown": "its content is no format that medad reads", "empty": "the file is empty"}
    return words.get(form, f"its content is of the kind {form!r}")
