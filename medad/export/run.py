"""Export a model to one or several targets, each into a folder of its own that appears complete or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from medad.export.names import ExportError, check_free
from medad.files import WriteError, write_failure
from medad.model import Model
from medad.progress import progress


def export_model(model: Model, targets: Sequence[str], out: Path) -> dict[str, Path]:
    """Export ``model`` to ``out``/TARGET for each of ``targets``; return these folders.

    Raises:
        ExportError: a target's folder exists, a package is missing, or the method cannot be exported.
        WriteError: the operating system refuses.
    """
    check_free(out, targets)
    if reason := model.method.no_graph:
        raise ExportError(f"{model.card.method} cannot be exported: {reason}. Score its model folder with medad")
    with progress("export", len(targets)) as advance:
        for name in targets:
            _exported(model, _writer(name), out / name)
            advance(1)
    return {name: out / name for name in targets}


def _writer(target: str) -> Callable[[Model, Path], None]:
    """Return the function that writes ``target``; its libraries are imported only now."""
    if target == "onnx":
        from medad.export.onnx_file import write_onnx

        return write_onnx
    from medad.export.bundle import write_bundle

    return write_bundle


def _exported(model: Model, write: Callable[[Model, Path], None], folder: Path) -> None:
    """Call ``write`` for a temporary folder, which becomes ``folder`` if there is no error."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".part-{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise WriteError(write_failure(folder, error)) from None
    try:
        write(model, part)
        part.chmod(0o755)  # mkdtemp's folder is for its owner only
        part.rename(folder)
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(write_failure(folder, error)) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
