"""Progress where there is no terminal: lines that can be parsed, and few of them."""

from __future__ import annotations

import pytest

import medad.progress
from medad.progress import progress


@pytest.fixture(autouse=True)
def lines(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(medad.progress, "SECONDS_BETWEEN_LINES", 0.0)
    caplog.set_level("INFO", logger="medad.progress")
    return caplog


def test_a_line_says_how_much_is_done_and_left(lines: pytest.LogCaptureFixture) -> None:
    with progress("train", 4) as advance:
        advance(0)  # what was kept from before may be nothing
        advance(1)
        advance(3)
    assert [one.split(" elapsed_s")[0] for one in lines.messages] == [
        f'progress task="train" done={done} total=4' for done in (0, 1, 4)
    ]
    assert lines.messages[-1].endswith("left_s=0")


def test_more_than_was_expected_leaves_no_negative_time(lines: pytest.LogCaptureFixture) -> None:
    with progress("score", 4) as advance:
        advance(5)
        advance(-2)  # what has to be done again
    assert [one.split(" elapsed_s")[0] for one in lines.messages] == [
        f'progress task="score" done={done} total=4' for done in (5, 3)
    ]
    assert "left_s=-" not in "".join(lines.messages)


def test_what_has_no_known_end_says_only_what_is_done(lines: pytest.LogCaptureFixture) -> None:
    with progress("find files", None) as advance:
        advance(512)
    assert lines.messages == ['progress task="find files" done=512 elapsed_s=0']


def test_short_work_says_nothing(lines: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(medad.progress, "SECONDS_BETWEEN_LINES", 60.0)
    with progress("train", 4) as advance:
        advance(2)
        advance(2)
    assert not lines.messages
