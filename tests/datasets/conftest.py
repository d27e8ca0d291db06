"""Fixtures of the data sets' tests."""

from __future__ import annotations

import pytest

import medad.experiments.experiment


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests look at them; here they would take most of the time."""
    for name in ("save_panel", "save_histograms"):
        monkeypatch.setattr(medad.experiments.experiment, name, lambda *_: None)
