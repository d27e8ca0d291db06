"""The Ray engine on a cluster of two workers of its own: the same bytes, and nobody else can reach it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from helpers.runs import TABLE, drawn, score

MARK = "MEDAD_TEST_OF_RAY"
# In a process of its own: Ray's threads and settings would stay with the other tests.
RUN = """
import sys
from pathlib import Path
from medad.model import load
from medad.scoring import ScoreSettings, score_folder

model, box, out = map(Path, sys.argv[1:4])
score_folder(load(model), box, out, ScoreSettings(workers=2, engine="ray", score="rec", threshold=float(sys.argv[4])))
"""


def open_to_others() -> set[str]:
    """Addresses other than the loopback's on which the processes of the test listen."""
    inodes = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if MARK.encode() in (process / "environ").read_bytes():
                inodes |= {str(fd.readlink()) for fd in (process / "fd").iterdir()}
        except OSError:
            continue  # it has ended, or is not ours
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    found = {line[1].split(":")[0] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in inodes}
    return found - {"0100007F", "0000000000000000FFFF00000100007F"}


def on_ray(model: Path, box: Path, out: Path, level: float) -> tuple[int, str, set[str]]:
    """The exit code, what was said, and the addresses that were listened on meanwhile."""
    pytest.importorskip("ray")
    out.mkdir(exist_ok=True)
    command = [sys.executable, "-c", RUN, str(model), str(box), str(out), str(level)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1", MARK: "1"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        seen: set[str] = set()
        end = time.monotonic() + 900
        while process.poll() is None and time.monotonic() < end:
            seen |= open_to_others()
            time.sleep(1)
        process.kill()
        said = process.stderr.read() if process.stderr else ""
    return process.returncode, said, seen


@pytest.mark.slow
def test_on_a_local_cluster_of_two_workers_the_table_is_the_same(
    model: Path, box: Path, undisturbed: bytes, tmp_path: Path
) -> None:
    """Of some studies the heatmap is drawn, of others only the thumbnail."""
    level = float(pd.read_csv(io.BytesIO(undisturbed))["rec"].median())
    here, there = tmp_path / "here", tmp_path / "there"
    table = score(model, box, here, score="rec", threshold=level).read_bytes()
    heatmaps = [name for name in drawn(here) if name.startswith("heatmaps")]
    assert 0 < len(heatmaps) < len(drawn(here)) - len(heatmaps)
    code, said, seen = on_ray(model, box, there, level)
    assert code == 0, said
    assert not seen
    assert (there / TABLE).read_bytes() == table
    assert drawn(there) == drawn(here)
    again = score(model, box, there, score="rec", threshold=level)  # the other engine takes its ledger as its own
    assert again.read_bytes() == table


@pytest.mark.slow
def test_what_stops_a_worker_of_the_cluster_is_said_in_its_own_words(model: Path, box: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thumbnails").write_text("in the way")
    code, said, _ = on_ray(model, box, out, 1e9)
    assert code == 1
    assert said.splitlines()[-1].startswith(f"medad.types.MedadError: {out}: a heatmap cannot be written: ")
