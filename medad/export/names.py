"""The targets of an export, and the checks that need no library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medad.types import MedadError

TARGETS = ("onnx", "bundle")
FILE = "model.onnx"  # in the folder of the target onnx


class ExportError(MedadError):
    """A model cannot be exported, or an exported file cannot be used."""


def parse_targets(text: str) -> list[str]:
    """Return the targets in "onnx,bundle", in order.

    Raises:
        ExportError: a target does not exist, or none is given.
    """
    names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [name for name in names if name not in TARGETS]
    if unknown or not names:
        what = f"no target {unknown[0]!r}" if unknown else "no target"
        raise ExportError(f"--to {text}: {what}: choose from {', '.join(TARGETS)}")
    return names


def check_free(out: Path, targets: Sequence[str]) -> None:
    """Check that no target has been exported to ``out`` before.

    Raises:
        ExportError: its folder exists.
    """
    for name in targets:
        if (out / name).exists():
            raise ExportError(f"{out / name} exists: remove it, or choose another folder (--out)")


def exported_file(path: Path) -> Path | None:
    """Return the ONNX file that ``path`` stands for: itself, or the one in a folder of 'medad export'; else None."""
    if path.suffix == ".onnx":
        return path
    return next((file for file in (path / FILE, path / "onnx" / FILE) if file.is_file()), None)
