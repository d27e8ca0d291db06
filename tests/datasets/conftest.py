"""Fixtures of the data sets' tests."""

from __future__ import annotations

import pytest

import medad.experiments.draw_results


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests look at them; here they would take most of the time."""
    for name in ("save_panel", "save_histograms"):
        monkeypatch.setattr(medad.experiments.draw_results, name, lambda *_: None)
