"""What works during a run of batch scoring."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from medad.io.pool import Pool
from medad.scoring.engine.jobs import Job
from medad.scoring.engine.local import Local, Result
from medad.types import Study

Engine = Callable[[Iterator[Study]], Iterator[Result]]


@dataclass(frozen=True)
class Engines:
    """The ``pool`` that reads and draws, the ``chosen`` engine, and the ``local`` one.

    The local engine scores the few cases that come late, and second copies, whichever engine was chosen.
    """

    pool: Pool[Job]
    chosen: Engine
    local: Local
