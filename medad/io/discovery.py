"""A folder to studies, one by one, in the same order every time. Neither torch nor MONAI."""

from __future__ import annotations

import os
import stat
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from medad.io.errors import UnreadableImage, guarded
from medad.io.file_parts import part_name
from medad.io.formats import IMAGES, head_of, sniff
from medad.io.settings import ReadSettings
from medad.types import Skipped, Study

if TYPE_CHECKING:
    from medad.io.dicom.slice import Slice

    Look: TypeAlias = "Single | Slice | Skipped | UnreadableImage"

Found = Study | Skipped | UnreadableImage
Mapped = Callable[[Callable[[Path], Any], Iterable[Path]], Iterator[Any]]  # such as ``map``

_NAMES = (
    *(".dcm", ".dicom", ".nii", ".nii.gz", ".mgh", ".mgz", ".png", ".jpg", ".jpeg"),
    *(".tif", ".tiff", ".bmp", ".nrrd", ".nhdr", ".mha", ".mhd"),
)
_LINK = "it is a link to a folder or to nothing; links to folders are not followed"
_LINK_OUT = "it is a link that leads out of the folder, and is not followed; put the file itself into the folder"
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
    """Everything below a folder, or one file: each study to score, and each file that is none, with the reason.

    Formats are told by content. DICOM slices with position, orientation and spacing are grouped by SeriesInstanceUID,
    wherever they lie below ``root``: one study for each stack, its files in position order, with ``notes`` of the
    elements by which the series was split. Any other DICOM instance (radiographs, ultrasound, secondary captures: what
    it is follows from its SOP class; multi-frame) is one study, as is every NIfTI, raster and ITK file; a
    4-D NIfTI file is one for each volume and a TIFF one for each page if ``settings.time`` is "split" ("scan.nii.gz#2"
    is its second).
    A study's ``id`` is the path of its first file relative to ``root``; ``patient`` is a hash of PatientID.

    Series come after all other files, since only then they are complete. Nothing here raises for what a file holds.
    Links that lead out of ``root`` are only followed with ``follow_links``. ``mapped`` applies what
    reads a file to paths, in order, perhaps in other processes.
    The slices' headers are kept in memory: batch scoring keeps them in its ledger, and takes the same steps.
    """
    root, settings = Path(root), settings or ReadSettings()
    slices: dict[tuple[str, str | None], list[Slice]] = defaultdict(list)
    for found in _looked(below(root, follow_links=follow_links), mapped):
        if isinstance(found, (Skipped, UnreadableImage)):
            yield found
        elif isinstance(found, Single) or found.plane is None:
            yield from _parts(found, root, settings)
        else:
            slices[found.series, found.patient].append(found)
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
    """A file that holds one image, and says nothing of a patient or a series."""

    path: Path
    patient: None = None


def look(path: Path) -> Look:
    """What one file holds, from its first bytes and, for DICOM, its header. It never raises for what a file holds."""
    try:
        with guarded(path):
            form = sniff(head_of(path))
    except UnreadableImage as error:
        return error
    if form == "dicom":
        from medad.io.dicom.series import header_of

        return header_of(path)
    return Single(path) if form in IMAGES else _other(path, form)


def _looked(entries: Iterator[Path | Skipped | UnreadableImage], mapped: Mapped) -> Iterator[Look]:
    """What every entry is, in order. Files are offered to ``mapped`` as it asks for them."""
    others: deque[tuple[int, Skipped | UnreadableImage]] = deque()  # with how many files come before
    count = 0

    def files() -> Iterator[Path]:
        nonlocal count
        for entry in entries:
            if isinstance(entry, Path):
                count += 1
                yield entry
            else:
                others.append((count, entry))

    for place, found in enumerate(mapped(look, files())):
        while others and others[0][0] <= place:
            yield others.popleft()[1]
        yield found
    yield from (entry for _, entry in others)


def relative(path: Path, root: Path) -> str:
    """``path`` below ``root``, with slashes; its name if it is ``root`` itself."""
    return path.name if path == root else path.relative_to(root).as_posix()


def _parts(found: Single | Slice, root: Path, settings: ReadSettings) -> Iterator[Study | UnreadableImage]:
    try:
        with guarded(found.path):
            parts = volumes_of(found.path, settings.time == "split") if isinstance(found, Single) else 1
    except UnreadableImage as error:
        yield error
        return
    for part in range(parts if settings.time == "split" else 1):
        name = relative(found.path, root)
        yield Study(part_name(name, part), (Path(part_name(str(found.path), part)),), found.patient)


def volumes_of(path: Path, pages: bool) -> int:
    """How many volumes a file holds, or pages if these are asked for. Raises whatever its header provokes."""
    form = sniff(head_of(path))
    if form in ("nifti", "mgh"):
        from medad.io.nifti import parts_of

        return parts_of(path)
    if pages and form == "raster":
        from medad.io.raster import pages_of

        return pages_of(path)
    return 1


def below(
    root: Path, *, in_order: bool = True, leave_out: Path | None = None, follow_links: bool = False
) -> Iterator[Path | Skipped | UnreadableImage]:
    """All regular files below a folder, or the file itself; what is neither file nor folder is said.

    In the order of their paths, or as the system lists them, which keeps no folder's list in memory. The folder
    ``leave_out`` is passed over in silence. A link to a file below the folder is that file once more; one that leads
    out of the folder is only taken with ``follow_links``: whoever may write into an inbox must not choose what is read.
    """
    try:
        mode = root.stat().st_mode
        if not stat.S_ISDIR(mode):
            yield root if stat.S_ISREG(mode) else Skipped(root, "special", "it is no regular file")
            return
    except OSError as error:
        yield _closed(root, error)
        return
    left_out = _stat(leave_out) if leave_out is not None else None
    inside = None if follow_links else root.resolve()
    pending: list[Iterator[os.DirEntry[str] | UnreadableImage]] = [_listed(root, in_order)]
    while pending:
        entry = next(pending[-1], None)
        if entry is None:
            pending.pop()
        elif isinstance(entry, UnreadableImage):
            yield entry
        elif entry.name.startswith("."):
            yield Skipped(Path(entry.path), "hidden", "its name starts with a dot")
        elif isinstance(found := _entry(entry, left_out, inside), os.DirEntry):
            pending.append(_listed(Path(entry.path), in_order))
        elif found is not None:
            yield found


def _listed(folder: Path, in_order: bool) -> Iterator[os.DirEntry[str] | UnreadableImage]:
    """The entries of a folder; where it cannot be opened, or stops answering half-way, an error."""
    try:
        with os.scandir(folder) as entries:
            yield from sorted(entries, key=lambda entry: entry.name) if in_order else entries
    except OSError as error:
        yield _closed(folder, error)


def _closed(path: Path, error: OSError) -> UnreadableImage:
    word = "no-permission" if isinstance(error, PermissionError) else "missing"
    return UnreadableImage(path, word, "it cannot be opened", "check the path and its permissions")


def _stat(folder: Path) -> os.stat_result | None:
    try:
        return folder.stat()
    except OSError:
        return None


def _entry(
    entry: os.DirEntry[str], left_out: os.stat_result | None, inside: Path | None
) -> Path | Skipped | UnreadableImage | os.DirEntry[str] | None:
    """What is said of an entry: the entry itself if it is a folder to walk, None if it is the one that is left out.

    ``inside`` is the folder that links may not lead out of.
    """
    path = Path(entry.path)
    try:
        if entry.is_dir(follow_symlinks=False):
            scanned = left_out is None or not os.path.samestat(entry.stat(follow_symlinks=False), left_out)
            return entry if scanned else None
        if entry.is_symlink():
            if not _leads_to_a_file(path):
                return Skipped(path, "link", _LINK)
            out = inside is not None and not path.resolve().is_relative_to(inside)
            return Skipped(path, "link", _LINK_OUT) if out else path
        if entry.is_file(follow_symlinks=False):
            return path
    except OSError as error:  # the listing may have said that it is a folder, which is gone when it is asked
        return _closed(path, error)
    return Skipped(path, "special", "it is a pipe, socket or device")


def _leads_to_a_file(link: Path) -> bool:
    try:
        return link.is_file()
    except OSError:  # it runs in circles, or its target is too long a name
        return False


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
