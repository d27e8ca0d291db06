"""Any supported file to a picture, by its content. numpy only: no torch and no MONAI."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock

from medad.io.errors import UnreadableImage, guarded
from medad.io.file_parts import part_of, slice_of
from medad.io.formats import IMAGES, head_of, sniff
from medad.io.picture import Picture, axial_slice
from medad.io.settings import ReadSettings

Files = Path | str | Sequence[Path | str]


def read_picture(files: Files, settings: ReadSettings, formats: Sequence[str] = IMAGES) -> Picture:
    """The image in one file, or in the DICOM files of one series; ``formats`` are those that may be read.

    Raises:
        UnreadableImage: and nothing else, whatever the files hold.
    """
    paths = [Path(files)] if isinstance(files, (str, Path)) else [Path(one) for one in files]
    if not paths:
        raise UnreadableImage("-", "empty", "no file was given", "give at least one file")
    with guarded(paths[0]):
        whole, index = slice_of(paths[0])
        if index is not None and len(paths) == 1:
            with _one_volume:
                volume = _volume(whole, part_of(whole)[0].stat().st_mtime_ns, settings, tuple(formats))
            return axial_slice(volume, index, whole)
        form = _format_of(paths)
        if form not in formats:
            raise UnreadableImage(paths[0], "not-an-image", _what(form), "leave it out")
        return _read(form, paths, settings)


_one_volume = Lock()  # threads that ask for slices of one volume wait for it, rather than decode it each


@lru_cache(maxsize=2)
def _volume(path: Path, changed: int, settings: ReadSettings, formats: tuple[str, ...]) -> Picture:
    """The volume that slices are taken from, one after the other; the last ones are kept, so each is decoded once."""
    return read_picture(path, settings, formats)


def _read(form: str, paths: list[Path], settings: ReadSettings) -> Picture:
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
    found = []
    for path in paths:
        file = part_of(path)[0]
        mode = file.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UnreadableImage(
                file, "folder", "it is a folder", "name the files in it", "medad.io.discover() lists its studies"
            )
        if not stat.S_ISREG(mode):
            raise UnreadableImage(file, "not-an-image", "it is no regular file", "leave it out")
        found.append(sniff(head_of(file)))
    if len(paths) > 1 and set(found) != {"dicom"}:
        reason = f"{len(paths)} files were given as one image and not all are DICOM"
        raise UnreadableImage(paths[0], "mixed-files", reason, "give them one by one")
    return found[0]


def _what(form: str) -> str:
    words = {"unknown": "its content is no format that medad reads", "empty": "the file is empty"}
    return words.get(form, f"its content is of the kind {form!r}")
