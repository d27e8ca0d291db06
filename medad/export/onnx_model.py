"""Run an exported model on ONNX Runtime; imports neither PyTorch nor MONAI."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from medad.export.description import KEY, Description, parse_description
from medad.export.names import ExportError, exported_file
from medad.parsing import ParseError, read_regular
from medad.types import Scored

MOST_BYTES = 2 * 2**30  # protobuf allows no larger file
INPUT, OUTPUTS = "images", ("scores", "members", "maps")
Floats = NDArray[np.float32]


class OnnxModel:
    """A model in an ONNX file. ``digest`` identifies the file: 16 hex digits.

    It scores in passes of ``description.block`` images with one thread each, so that a score does not depend on the
    batch; several threads may call it at the same time.
    """

    def __init__(self, path: Path) -> None:
        """Load the file, or the export folder, ``path``.

        Raises:
            ExportError: there is no such file, it is no export of medad, or onnxruntime is not installed.
        """
        file = exported_file(path)
        if file is None or not file.is_file():
            raise ExportError(f"{path}: there is no such file; 'medad export MODEL --to onnx' writes one")
        try:
            content = read_regular(file, MOST_BYTES)
        except ParseError as error:
            raise ExportError(str(error)) from None
        self.path = file
        self.digest = hashlib.sha256(content).hexdigest()[:16]
        self._session = _session(content, file)
        text = self._session.get_modelmeta().custom_metadata_map.get(KEY)
        if text is None:
            raise ExportError(f"{file}: an ONNX file without the description that 'medad export' writes into it")
        self.description: Description = parse_description(text, str(file))
        self._check_graph()

    def _check_graph(self) -> None:
        """Raise ExportError if the inputs and outputs of the graph are not those that the description needs."""
        how = self.description.preprocessing
        inputs = {item.name: list(item.shape)[1:] for item in self._session.get_inputs()}
        outputs = {item.name for item in self._session.get_outputs()}
        expected = {INPUT: [how.channels, how.size, how.size]}
        if inputs != expected or not outputs.issuperset(OUTPUTS):
            raise ExportError(
                f"{self.path}: its graph takes {inputs} and returns {sorted(outputs)}, and its description needs "
                f"{expected} and {sorted(OUTPUTS)}: export the model again"
            )

    def score(self, images: Floats) -> dict[str, Scored]:
        """Return the scores of ``images`` (N, C, S, S) in [-1, 1], by name.

        The fields of each result are NumPy arrays: ``score`` (N,), ``anomaly_map`` (N, 1, S, S), ``members`` (N, M).

        Raises:
            ExportError: the graph fails, or its outputs have other shapes than described.
        """
        block = self.description.block
        passes = [self._pass(images[start : start + block]) for start in range(0, len(images), block)]
        scores, members, maps = (np.concatenate(parts) for parts in zip(*passes, strict=True))
        return {
            name: as_scored(scores[:, place], maps[:, place, None], members[:, columns])
            for place, (name, columns) in enumerate(self.description.columns.items())
        }

    def _pass(self, images: Floats) -> tuple[Floats, Floats, Floats]:
        """Return scores (B, n), members (B, M) and maps (B, n, S, S) of at most ``block`` images."""
        count, block = len(images), self.description.block
        filled = np.concatenate([images, np.zeros((block - count, *images.shape[1:]), np.float32)])
        try:
            scores, members, maps = self._session.run(list(OUTPUTS), {INPUT: filled})
        except Exception as error:  # the errors of ONNX Runtime have no common base class
            raise ExportError(f"{self.path}: ONNX Runtime failed ({_line(error)})") from None
        names, columns = self.description.names, list(self.description.columns.values())
        shapes = (block, len(names)), (block, columns[-1].stop), (block, len(names), *images.shape[2:])
        if (scores.shape, members.shape, maps.shape) != shapes:
            raise ExportError(f"{self.path}: its outputs have other shapes than described: export the model again")
        return scores[:count], members[:count], maps[:count]


def as_scored(*fields: Floats) -> Scored:
    """Return a result whose fields are NumPy arrays: ``score``, ``anomaly_map`` and ``members``."""
    return Scored(*cast(Any, fields))


def _session(content: bytes, file: Path) -> Any:
    """Return a session on one CPU thread for each caller."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ExportError(f"an ONNX file needs onnxruntime ({error}): pip install 'medad[export]'") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the errors of ONNX Runtime have no common base class
        raise ExportError(f"{file}: no ONNX file that ONNX Runtime can load ({_line(error)})") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
