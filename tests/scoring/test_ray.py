"""The Ray engine on a cluster of two workers of its own: the same bytes, and nobody else can reach it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from runs import score

MARK = "MEDAD_TEST_OF_RAY"
# In a process of its own: Ray's threads and settings would stay with the other tests.
RUN = """
import sys
from pathlib import Path
from medad.model import load
from medad.scoring import ScoreSettings, score_folder

model, box, out = map(Path, sys.argv[1:])
score_folder(load(model), box, out, ScoreSettings(workers=2, engine="ray"))
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


@pytest.mark.slow
def test_on_a_local_cluster_of_two_workers_the_table_is_the_same(
    model: Path, box: Path, undisturbed: bytes, tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    command = [sys.executable, "-c", RUN, str(model), str(box), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1", MARK: "1"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        seen: set[str] = set()
        end = time.monotonic() + 900
        while process.poll() is None and time.monotonic() < end:
            seen |= open_to_others()
            time.sleep(1)
        process.kill()
        said = process.stderr.read() if process.stderr else ""
    assert process.returncode == 0, said
    assert not seen
    assert (tmp_path / "scores.csv").read_bytes() == undisturbed
    assert score(model, box, tmp_path).read_bytes() == undisturbed  # and the other engine takes its ledger as its own
