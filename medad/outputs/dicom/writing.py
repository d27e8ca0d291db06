"""Build one object of a case and write it, unless the file already holds it."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from types import ModuleType

from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info

from medad.files import writing
from medad.outputs.dicom.result import CaseResult
from medad.outputs.dicom.source import NoDicomResult, Source
from medad.outputs.dicom.uids import Uids


def holds(path: Path, uids: Uids) -> bool:
    """Return whether ``path`` already holds the object with these UIDs."""
    try:
        return str(read_file_meta_info(path).get("MediaStorageSOPInstanceUID", "")) == uids.instance
    except (OSError, InvalidDicomError, EOFError, AttributeError):
        return False


def refusal(kind: str, source: Source) -> str:
    """Return why there can be no object of this kind for ``source``; "" if there can be one."""
    return str(_module(kind).refusal(source))


def _module(kind: str) -> ModuleType:
    """Return the module that builds the objects of a kind."""
    return importlib.import_module(f"medad.outputs.dicom.{kind}")


def write_object(path: Path, result: CaseResult, uids: Uids) -> None:
    """Build the object of ``uids.kind``, and write it to ``path``. The caller holds a lock on the output folder.

    Raises:
        NoDicomResult: the object cannot be made of this source.
        WriteError: the file cannot be written.
    """
    if reason := refusal(uids.kind, result.source):
        raise NoDicomResult(reason)
    build = _module(uids.kind).build
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of values in the source's header, which they quote
            dataset = build(result, uids)
            dataset.remove_private_tags()
            with writing(path, exclusive=True) as part:
                dataset.save_as(part, enforce_file_format=True)
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, RuntimeError, NotImplementedError) as error:
        # highdicom and pydicom raise what a header provokes, and quote its values; so their text is left out.
        kind = type(error).__name__
        raise NoDicomResult(f"the header of the source does not allow this object ({kind} of highdicom)") from None
