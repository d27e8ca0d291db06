"""Read weights from a safetensors file; its header is checked before memory is allocated for the tensors."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from medad.parsing import ParseError, opened, parse_json, quoted
from medad.tensor_forms import misfit, with_counters
from medad.types import MedadError

HEADER_BYTES = 8 * 2**20
MOST_TENSORS = 20_000
DTYPES = {
    **{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16},
    **{"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8},
    "BOOL": torch.bool,
}


class WeightsError(MedadError):
    """The file of weights is damaged, or its tensors are not the expected ones."""


@dataclass(frozen=True)
class Form:
    """The dtype and shape of a tensor."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Return the size of the tensor's values in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{str(self.dtype).removeprefix('torch.')} {self.shape}"


def read_header(path: Path) -> dict[str, Form]:
    """Return the forms of the tensors in a safetensors file, by name, without reading their values.

    Raises:
        WeightsError: the file is not in safetensors format, or its header contradicts its size.
    """
    try:
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            (length,) = struct.unpack("<Q", file.read(8)) if size >= 8 else (0,)
            if not 2 <= length <= min(HEADER_BYTES, size - 8):
                raise WeightsError(f"{path}: not readable as safetensors: its header has {length} bytes of {size}")
            content = parse_json(file.read(length), f"{path}, header")
    except ParseError as error:
        raise WeightsError(str(error)) from None
    if not isinstance(content, dict) or len(content) > MOST_TENSORS:
        raise WeightsError(f"{path}: not readable as safetensors: its header lists no tensors, or too many")
    content.pop("__metadata__", None)
    forms = {name: _form(path, name, entry) for name, entry in content.items()}
    if sum(form.nbytes for form in forms.values()) != size - 8 - length:
        raise WeightsError(f"{path}: its header and its size do not fit: it is cut off, or something is appended")
    return forms


def _form(path: Path, name: str, entry: Any) -> Form:
    shape = entry.get("shape") if isinstance(entry, dict) else None
    dtype = DTYPES.get(str(entry.get("dtype"))) if isinstance(entry, dict) else None
    if dtype is None or not isinstance(shape, list) or not all(type(side) is int and side >= 0 for side in shape):
        raise WeightsError(f"{path}: the header describes no tensor that can be read under {quoted(name)}")
    return Form(dtype, tuple(shape))


def forms_of(tensors: Mapping[str, Tensor]) -> dict[str, Form]:
    """Return the forms of ``tensors``, on any device, by name."""
    return {name: Form(value.dtype, tuple(value.shape)) for name, value in tensors.items()}


def check_forms(path: Path, stored: Mapping[str, Form], expected: Mapping[str, Form], by: str) -> None:
    """Compare the ``stored`` forms of the file ``path`` with the ``expected`` ones.

    ``by`` names in the error what the expected forms follow from, such as "the settings in model.json". Counters of
    batch norms may be missing: no score depends on them.

    Raises:
        WeightsError: the forms differ, or this machine has too little memory for the tensors.
    """
    stored = with_counters(stored, expected)
    difference = misfit(stored, expected, by)
    if difference is not None:
        raise WeightsError(f"{path}: {difference}")
    needed = 2 * sum(form.nbytes for form in stored.values())  # once as read, once in the network
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise WeightsError(
            f"{path}: loading it takes {needed / 2**30:.1f} GiB, and this machine has {memory / 2**30:.1f} GiB: "
            "use a larger one"
        )


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file by name.

    Raises:
        WeightsError: the file cannot be read, or it holds a value that is not finite or a negative variance.
    """
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not readable as safetensors: {error}") from None
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise WeightsError(f"{path}: {quoted(name)} holds values that are not finite: train the model again")
        if name.endswith("running_var") and bool((value < 0).any()):
            raise WeightsError(f"{path}: {quoted(name)} holds negative variances: train the model again")
    return tensors
