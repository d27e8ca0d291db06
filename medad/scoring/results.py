"""The final table, made from the ledger: the same bytes for the same rows, however often the run was interrupted."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from medad.ledger import Ledger
from medad.model import Card
from medad.scoring.settings import TABLE, ScoreSettings


def write_results(ledger: Ledger, out: Path, card: Card, settings: ScoreSettings) -> pd.DataFrame:
    """Write ``out``/scores.csv from ``ledger.table()``; how long each row took is not in it, for it varies."""
    table = ledger.table()
    part = out / f"{TABLE}.part"
    table.to_csv(part, index=False)
    part.replace(out / TABLE)
    return table
