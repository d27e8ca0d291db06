"""Group the files of a folder into studies, one by one, in the same order every time.

Needs neither torch nor MONAI.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from medad.io.core.errors import UnreadableImage, guarded
from medad.io.core.folder import Mapped, below, relative
from medad.io.core.formats import IMAGES, head_of, sniff
from medad.io.core.settings import ReadSettings
from medad.io.file_parts import part_name
from medad.types import Skipped, Study

__all__ = ["Found", "Look", "Single", "discover", "look", "volumes_of"]

if TYPE_CHECKING:
    from medad.io.dicom.slice import Slice

    Look: TypeAlias = "Single | Slice | Skipped | UnreadableImage"

Found = Study | Skipped | UnreadableImage

_NAMES = (
    *(".dcm", ".dicom", ".nii", ".nii.gz", ".mgh", ".mgz", ".png", ".jpg", ".jpeg"),
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
    "webp": "it is a WebP picture: convert it to PNG",
    "empty": "it is empty",
    "unknown": "its content is no format that medad reads",
}


def discover(
    root: Path,
    settings: ReadSettings | None = None,
    *,
    follow_links: bool = False,
    mapped: Mapped = map,
) -> Iterator[Found]:
    """Yield each study below a folder, or in one file, and each file that is none, with the reason.

    Formats are recognized by content. DICOM slices with position, orientation and spacing are grouped by
    SeriesInstanceUID, wherever they lie below ``root``: one study for each stack, its files in position order, with
    ``notes`` of the elements by which the series was split. Every other DICOM instance is a study of its own
    (radiographs, ultrasound, secondary captures and multi-frame objects; the SOP class decides), and so is every NIfTI,
    raster and ITK file. If ``settings.time`` is "split", each volume of a 4-D NIfTI file and each page of a TIFF is a
    study ("scan.nii.gz#2" is the second). The ``id`` of a study is the path of its first file relative to ``root``;
    ``patient`` is a hash of PatientID.

    Series come after all other files, since they are complete only then. A file's content never raises an error: it is
    yielded. The headers of slices are kept in memory; batch scoring keeps them in its ledger, and takes the same steps.

    Args:
        follow_links: Whether links that lead out of ``root`` are followed.
        mapped: Applies a function that reads a file to paths, in order, perhaps in other processes.
    """
    root, settings = Path(root), settings or ReadSettings()
    slices: dict[tuple[str, str | None], list[Slice]] = defaultdict(list)
    for info in _infos_of(below(root, follow_links=follow_links), mapped):
        if isinstance(info, (Skipped, UnreadableImage)):
            yield info
        elif isinstance(info, Single) or info.plane is None:
            yield from _studies_of_file(info, root, settings)
        else:
            slices[info.series, info.patient].append(info)
    if not slices:
        return
    from medad.io.dicom.copies import with_contents
    from medad.io.dicom.series import stacks_of
    from medad.io.dicom.slice import Stack

    for series in slices.values():
        for stack in stacks_of(with_contents(series, mapped), root):
            if isinstance(stack, Stack):
                files = tuple(image.path for image in stack.slices)
                yield Study(relative(files[0], root), files, stack.slices[0].patient, notes=stack.notes)
            else:
                yield stack


@dataclass(frozen=True)
class Single:
    """A file that holds one image, and states neither patient nor series."""

    path: Path
    patient: None = None


def look(path: Path) -> Look:
    """Return what one file holds, from its first bytes and, for DICOM, its header.

    An unreadable file is returned as ``UnreadableImage``, not raised.
    """
    try:
        with guarded(path):
            form = sniff(head_of(path))
    except UnreadableImage as error:
        return error
    if form == "dicom":
        from medad.io.dicom.series import header_of

        return header_of(path)
    return Single(path) if form in IMAGES else _non_image(path, form)


def _infos_of(entries: Iterator[Path | Skipped | UnreadableImage], mapped: Mapped) -> Iterator[Look]:
    """Yield what each entry holds, in order. Files are drawn by ``mapped`` as it needs them."""
    entries_without_info: deque[tuple[int, Skipped | UnreadableImage]] = deque()  # with the number of files before it
    count = 0

    def files() -> Iterator[Path]:
        nonlocal count
        for entry in entries:
            if isinstance(entry, Path):
                count += 1
                yield entry
            else:
                entries_without_info.append((count, entry))

    for index, info in enumerate(mapped(look, files())):
        while entries_without_info and entries_without_info[0][0] <= index:
            yield entries_without_info.popleft()[1]
        yield info
    yield from (entry for _, entry in entries_without_info)


def _studies_of_file(info: Single | Slice, root: Path, settings: ReadSettings) -> Iterator[Study | UnreadableImage]:
    """Yield a file as a study, or each of its parts if the settings split it."""
    try:
        with guarded(info.path):
            parts = volumes_of(info.path, settings.time == "split") if isinstance(info, Single) else 1
    except UnreadableImage as error:
        yield error
        return
    for part in range(parts if settings.time == "split" else 1):
        name = relative(info.path, root)
        yield Study(part_name(name, part), (Path(part_name(str(info.path), part)),), info.patient)


def volumes_of(path: Path, pages: bool) -> int:
    """Return how many volumes a file holds; how many pages, if ``pages`` is set and it is a raster file.

    An error of the header is raised as it comes: use ``guarded``.
    """
    form = sniff(head_of(path))
    if form in ("nifti", "mgh"):
        from medad.io.nifti import parts_of

        return parts_of(path)
    if pages and form == "raster":
        from medad.io.raster import pages_of

        return pages_of(path)
    return 1


def _non_image(path: Path, form: str) -> Skipped | UnreadableImage:
    """Return the entry for a file that is no image by content; an error if its name is that of an image."""
    if form == "analyze":
        reason = "it is Analyze 7.5, which does not say where left and right are"
        return UnreadableImage(path, "unsupported-format", reason, "convert it to NIfTI")
    if path.name.lower().endswith(_NAMES):
        kind = "empty" if form == "empty" else "not-an-image"
        return UnreadableImage(path, kind, f"it has the name of an image, but {_REASONS[form]}")
    if path.suffix.lower() in (".img", ".raw", ".zraw") and form == "unknown":
        return Skipped(path, "pixels", "it is the second half of a header and pixel pair, or raw pixels")
    return Skipped(path, form, _REASONS[form])
