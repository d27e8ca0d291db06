"""Every library's word for "no memory" becomes one error that says what to do."""

from __future__ import annotations

import errno
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest
import torch

from medad.shortage import shortage_of
from medad.types import MedadError


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((10**9,), np.dtype("f8")),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 800 bytes."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes. Error code 12"),
        torch.OutOfMemoryError("CUDA out of memory."),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("can't start new thread"),
        RuntimeError("std::bad_alloc"),
        ImportError("libtorch.so: failed to map segment from shared object"),
        BrokenProcessPool("A process in the process pool was terminated abruptly"),
    ],
    ids=lambda error: str(error)[:30] or type(error).__name__,
)
def test_a_lack_of_memory_says_what_to_do(error: Exception) -> None:
    shortage = shortage_of(error)
    assert isinstance(shortage, MedadError)
    assert str(shortage).startswith("there is not enough memory for this (")
    assert "batch_size" in str(shortage)
    assert "\n" not in str(shortage)


@pytest.mark.parametrize(
    "error", [ValueError("out of memory"), RuntimeError("shape"), OSError(2, "gone"), MedadError("x"), KeyError("a")]
)
def test_other_errors_are_no_lack_of_memory(error: Exception) -> None:
    assert shortage_of(error) is None


def test_what_torch_really_raises_is_known() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert shortage_of(caught.value) is not None
