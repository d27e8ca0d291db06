"""The example of the README runs as it is printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def test_the_python_example_runs_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    block = re.search(r"<!-- example: python -->\n```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    lines = [line for line in block[1].splitlines() if line and not line.startswith("import")]
    assert len(lines) <= 10
    monkeypatch.chdir(tmp_path)
    exec(compile(block[1], str(README), "exec"), {})
    *results, scores, auc = capsys.readouterr().out.splitlines()
    assert len(results) == 3
    assert all(line.startswith("scored") and line.endswith("True (40, 40)") for line in results), results
    assert scores.startswith("{'rec': ")
    assert float(auc) == 1.0
    assert (tmp_path / "my-model" / "model.json").is_file()
