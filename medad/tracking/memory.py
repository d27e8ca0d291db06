"""A tracker that keeps everything in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from medad.tracking.base import Run


@dataclass
class MemoryRun:
    """What one run was told."""

    id: str
    name: str
    parent: str | None = None
    status: str = "RUNNING"
    tags: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, object] = field(default_factory=dict)
    metrics: dict[str, dict[int, float]] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    artifacts: list[Path] = field(default_factory=list)

    def params(self, values: Mapping[str, object]) -> None:
        """Keep settings."""
        self.parameters.update(values)

    def metric(self, name: str, value: float, step: int = 0) -> None:
        """Keep a value."""
        self.metrics.setdefault(name, {})[step] = value

    def table(self, name: str, table: pd.DataFrame) -> None:
        """Keep a table."""
        self.tables[name] = table

    def artifact(self, path: Path) -> None:
        """Keep a file's path."""
        self.artifacts.append(path)


class MemoryTracker:
    """Keeps its runs in ``runs``."""

    def __init__(self) -> None:
        self.runs: dict[str, MemoryRun] = {}

    @contextmanager
    def run(
        self, name: str, parent: Run | None = None, resume: str | None = None, tags: Mapping[str, str] | None = None
    ) -> Iterator[MemoryRun]:
        """A new run, or the one called ``resume``."""
        opened = self.runs.get(resume or "")
        if opened is None:
            opened = MemoryRun(f"run{len(self.runs)}", name, parent.id if parent else None, tags=dict(tags or {}))
            self.runs[opened.id] = opened
        opened.status = "RUNNING"
        try:
            yield opened
        except KeyboardInterrupt:
            opened.status = "KILLED"
            raise
        except BaseException:
            opened.status = "FAILED"
            raise
        opened.status = "FINISHED"
