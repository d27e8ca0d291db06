"""List the files of a folder, in the same order every time. Needs neither torch nor MONAI."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from medad.io.core.errors import UnreadableImage
from medad.types import Skipped

_LINK = "it is a link to a folder or to nothing; links to folders are not followed"
_LINK_OUT = "it is a link that leads out of the folder, and is not followed; put the file itself into the folder"


# Applies a function to paths, in order; such as ``map``, or a pool of processes.
Mapped = Callable[[Callable[[Path], Any], Iterable[Path]], Iterator[Any]]


def relative(path: Path, root: Path) -> str:
    """Return ``path`` below ``root``, with slashes; its name if it is ``root`` itself."""
    return path.name if path == root else path.relative_to(root).as_posix()


def below(
    root: Path, *, in_order: bool = True, leave_out: Path | None = None, follow_links: bool = False
) -> Iterator[Path | Skipped | UnreadableImage]:
    """Yield all regular files below a folder, or the file itself; every other entry as ``Skipped`` or an error.

    A link to a file below the folder is yielded like a file. A link that leads out of the folder is yielded only with
    ``follow_links``: whoever may write into an inbox must not choose what is read.

    Args:
        in_order: Yield in the order of paths, else in the order of the system, which keeps no folder's list in memory.
        leave_out: A folder that is passed over without an entry.
        follow_links: Whether links that lead out of ``root`` are followed.
    """
    try:
        mode = root.stat().st_mode
        if not stat.S_ISDIR(mode):
            yield root if stat.S_ISREG(mode) else Skipped(root, "special", "it is no regular file")
            return
    except OSError as error:
        yield _cannot_open(root, error)
        return
    excluded = _stat_or_none(leave_out) if leave_out is not None else None
    inside = None if follow_links else root.resolve()
    pending: list[Iterator[os.DirEntry[str] | UnreadableImage]] = [_folder_entries(root, in_order)]
    while pending:
        entry = next(pending[-1], None)
        if entry is None:
            pending.pop()
        elif isinstance(entry, UnreadableImage):
            yield entry
        elif entry.name.startswith("."):
            yield Skipped(Path(entry.path), "hidden", "its name starts with a dot")
        elif isinstance(described := _classified(entry, excluded, inside), os.DirEntry):
            pending.append(_folder_entries(Path(entry.path), in_order))
        elif described is not None:
            yield described


def _folder_entries(folder: Path, in_order: bool) -> Iterator[os.DirEntry[str] | UnreadableImage]:
    """Yield the entries of a folder, and an error if it cannot be opened or stops answering half-way."""
    try:
        with os.scandir(folder) as entries:
            yield from sorted(entries, key=lambda entry: entry.name) if in_order else entries
    except OSError as error:
        yield _cannot_open(folder, error)


def _cannot_open(path: Path, error: OSError) -> UnreadableImage:
    """Return the error for a path that cannot be opened."""
    word = "no-permission" if isinstance(error, PermissionError) else "missing"
    return UnreadableImage(path, word, "it cannot be opened", "check the path and its permissions")


def _stat_or_none(folder: Path) -> os.stat_result | None:
    """Return the status of a folder, None if there is none."""
    try:
        return folder.stat()
    except OSError:
        return None


def _classified(
    entry: os.DirEntry[str], excluded: os.stat_result | None, inside: Path | None
) -> Path | Skipped | UnreadableImage | os.DirEntry[str] | None:
    """Return what to yield for an entry: the entry itself for a folder to scan, None for the excluded folder.

    ``inside`` is the folder that links may not lead out of.
    """
    path = Path(entry.path)
    try:
        if entry.is_dir(follow_symlinks=False):
            scanned = excluded is None or not os.path.samestat(entry.stat(follow_symlinks=False), excluded)
            return entry if scanned else None
        if entry.is_symlink():
            if not _leads_to_a_file(path):
                return Skipped(path, "link", _LINK)
            out = inside is not None and not path.resolve().is_relative_to(inside)
            return Skipped(path, "link", _LINK_OUT) if out else path
        if entry.is_file(follow_symlinks=False):
            return path
    except OSError as error:  # such as a listed folder that was deleted since
        return _cannot_open(path, error)
    return Skipped(path, "special", "it is a pipe, socket or device")


def _leads_to_a_file(link: Path) -> bool:
    """Return whether a link leads to a regular file."""
    try:
        return link.is_file()
    except OSError:  # a loop of links, or a target whose name is too long
        return False
