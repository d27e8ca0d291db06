"""Tell whether a computation is run, or captured as a graph for another runtime."""

from __future__ import annotations

import torch


def captured() -> bool:
    """Return whether ``torch.export`` or ``torch.jit.trace`` is recording the computation.

    A recorded graph must hold for every batch size and consist of PyTorch's own operations. So code that divides a
    batch, starts threads, or has a faster form for PyTorch on a CPU takes its plain form here; the values are equal up
    to rounding.
    """
    return torch.compiler.is_exporting() or torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
