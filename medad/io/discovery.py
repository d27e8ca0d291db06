"""A folder to studies, one by one, in the same order every time. Neither torch nor MONAI."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from medad.io.errors import UnreadableImage, guarded
from medad.io.formats import IMAGES, head_of, sniff
from medad.io.settings import ReadSettings
from medad.types import Skipped, Study

Found = Study | Skipped | UnreadableImage

_NAMES = (
    *(".dcm", ".dicom", ".nii", ".nii.gz", ".png", ".jpg", ".jpeg"),
    *(".tif", ".tiff", ".bmp", ".nrrd", ".nhdr", ".mha", ".mhd"),
)
_REASONS = {
    "text": "it is text",
    "json": "it is JSON",
    "markup": "it is XML or HTML",
    "report": "it is a PDF document",
    "archive": "it is an archive: unpack it to have its images read",
    "array": "it is an array file without geometry",
    "database": "it is a database",
    "animation": "it is a GIF",
    "empty": "it is empty",
    "unknown": "its content is no format that medad reads",
}


def discover(root: Path, settings: ReadSettings | None = None) -> Iterator[Found]:
    """Everything below a folder, or one file: each study to score, and each file that is none, with the reason.

    Formats are told by content. DICOM slices with position, orientation and spacing are grouped by SeriesInstanceUID,
    wherever they lie below ``root``: one study for each stack, its files in position order. Any other DICOM instance
    (radiographs, ultrasound, secondary captures, multi-frame) is one study, as is every NIfTI, raster and ITK file; a
    4-D NIfTI file is one for each volume if ``settings.time`` is "split" ("scan.nii.gz#2" is its second).
    A study's ``id`` is the path of its first file relative to ``root``; ``patient`` is a hash of PatientID.

    Series come after all other files, since only then they are complete. Nothing here raises for what a file holds.
    """
    walk = _Walk(Path(root), settings or ReadSettings())
    yield from walk.files()
    yield from walk.series()


@dataclass
class _Walk:
    root: Path
    settings: ReadSettings
    slices: dict[str, list[object]] = field(default_factory=lambda: defaultdict(list))

    def files(self) -> Iterator[Found]:
        for path in _below(self.root):
            if isinstance(path, Path):
                yield from self._found(path)
            else:
                yield path

    def series(self) -> Iterator[Found]:
        if not self.slices:
            return
        from medad.io.dicom_series import Slice, stacks_of

        for held in self.slices.values():
            slices = [one for one in held if isinstance(one, Slice)]
            for stack in stacks_of(slices):
                if isinstance(stack, Skipped):
                    yield stack
                else:
                    files = tuple(one.path for one in stack)
                    yield Study(self._id(files[0]), files, stack[0].patient)

    def _found(self, path: Path) -> Iterator[Found]:
        try:
            with guarded(path):
                form = sniff(head_of(path))
        except UnreadableImage as error:
            yield error
            return
        if form == "dicom":
            yield from self._dicom(path)
        elif form == "nifti":
            yield from self._nifti(path)
        elif form in IMAGES:
            yield Study(self._id(path), (path,))
        else:
            yield _other(path, form)

    def _dicom(self, path: Path) -> Iterator[Found]:
        from medad.io.dicom_series import Slice, header_of

        found = header_of(path)
        if not isinstance(found, Slice):
            yield found
        elif found.plane is None:
            yield Study(self._id(path), (path,), found.patient)
        else:
            self.slices[found.series].append(found)

    def _nifti(self, path: Path) -> Iterator[Found]:
        from medad.io.nifti import parts_of

        try:
            with guarded(path):
                parts = parts_of(path)
        except UnreadableImage as error:
            yield error
            return
        for part in range(parts if self.settings.time == "split" else 1):
            file = path if part == 0 else path.with_name(f"{path.name}#{part + 1}")
            yield Study(self._id(file), (file,))

    def _id(self, path: Path) -> str:
        return path.name if path == self.root else path.relative_to(self.root).as_posix()


def _below(folder: Path) -> Iterator[Path | Skipped | UnreadableImage]:
    """All regular files below ``folder`` in the order of their paths; what is none of these is said."""
    try:
        mode = folder.stat().st_mode
        if not stat.S_ISDIR(mode):
            yield folder if stat.S_ISREG(mode) else Skipped(folder, "special", "it is no regular file")
            return
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        word = "no-permission" if isinstance(error, PermissionError) else "missing"
        yield UnreadableImage(folder, word, "it cannot be opened", "check the path and its permissions")
        return
    for entry in entries:
        yield from _entry(entry)


def _entry(entry: os.DirEntry[str]) -> Iterator[Path | Skipped | UnreadableImage]:
    path = Path(entry.path)
    if entry.name.startswith("."):
        yield Skipped(path, "hidden", "its name starts with a dot")
    elif entry.is_symlink():
        if path.is_file():
            yield path
        else:
            yield Skipped(path, "link", "it is a link to a folder or to nothing; links to folders are not followed")
    elif entry.is_dir(follow_symlinks=False):
        yield from _below(path)
    elif entry.is_file(follow_symlinks=False):
        yield path
    else:
        yield Skipped(path, "special", "it is a pipe, socket or device")


def _other(path: Path, form: str) -> Skipped | UnreadableImage:
    """A file that is no image by content; an error if its name says that it should be one."""
    if form == "analyze":
        reason = "it is Analyze 7.5, which does not say where left and right are"
        return UnreadableImage(path, "unsupported-format", reason, "convert it to NIfTI")
    if path.name.lower().endswith(_NAMES):
        kind = "empty" if form == "empty" else "not-an-image"
        return UnreadableImage(path, kind, f"it has the name of an image, but {_REASONS[form]}")
    if path.suffix.lower() in (".img", ".raw", ".zraw") and form == "unknown":
        return Skipped(path, "pixels", "it is the second half of a header and pixel pair, or raw pixels")
    return Skipped(path, form, _REASONS[form])
