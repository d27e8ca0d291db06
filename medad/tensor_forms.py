"""Compare the tensors that a file holds with those that a network expects, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from medad.parsing import quoted

T = TypeVar("T")


def with_counters(stored: Mapping[str, T], expected: Mapping[str, T]) -> dict[str, T]:
    """Return ``stored``, with the counters of batch norms taken from ``expected`` where they are missing.

    No score depends on these counters, and many published files lack them.
    """
    return {**{name: entry for name, entry in expected.items() if name.endswith("num_batches_tracked")}, **stored}


def misfit(stored: Mapping[str, object], expected: Mapping[str, object], to: str) -> str | None:
    """Return a sentence on the names at which ``stored`` differs from ``expected``, or None if they are equal.

    The values are forms or shapes of tensors; ``to`` names what the tensors should fit.

    >>> misfit({"bias": (3,)}, {"bias": (4,)}, "the network")
    "1 tensors do not fit the network; the first is 'bias': expected (4,), found (3,)"
    """
    wrong = [name for name in sorted(expected.keys() | stored.keys()) if expected.get(name) != stored.get(name)]
    if not wrong:
        return None
    name = wrong[0]
    return (
        f"{len(wrong)} tensors do not fit {to}; the first is {quoted(name)}: "
        f"expected {expected.get(name, 'none')}, found {stored.get(name, 'none')}"
    )
