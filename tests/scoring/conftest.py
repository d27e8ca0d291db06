"""What the tests of batch scoring share."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.runs import mixed, score, untrained


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model."""
    return untrained(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mixed folder; do not change it."""
    return mixed(tmp_path_factory.mktemp("box"))


@pytest.fixture(scope="session")
def undisturbed(model: Path, box: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The table of ``box``."""
    return score(model, box, tmp_path_factory.mktemp("undisturbed")).read_bytes()
