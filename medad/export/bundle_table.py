"""Write the table of a bundle's run, with the columns of 'medad score'."""

from __future__ import annotations

from pathlib import Path

from ignite.engine import Engine, Events

from medad.export.bundle_parts import BundleNetwork, split_channels
from medad.files import write_records
from medad.model_card import read_card
from medad.scoring.core.flagging import Verdicts
from medad.scoring.core.pooled import NonFinite, pooled

TABLE = "scores.csv"


class WriteScores:
    """Collect the scores of each study and write ``folder``/scores.csv at the end, with the columns of 'medad score'.

    It is a handler of MONAI's evaluator.
    """

    def __init__(self, models: str, folder: str, network: BundleNetwork, alpha: float = 0.05) -> None:
        """``alpha`` is the p-value up to which a study is flagged."""
        card = read_card(Path(models))
        method = network.method
        self.members = network.members()
        self.verdicts = Verdicts(card, tuple(method.scores), card.ranking_score(method.primary), alpha)
        self.folder = Path(folder)
        self.rows: list[dict[str, object]] = []

    def attach(self, engine: Engine) -> None:
        """Register the handler with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.take)
        engine.add_event_handler(Events.COMPLETED, self.write)

    def take(self, engine: Engine) -> None:
        """Take the study of this iteration."""
        row, slices = engine.state.batch["row"], len(engine.state.batch["image"])
        record: dict[str, object] = {"file": row.file, "status": row.status, "reason": row.reason, "slices": slices}
        if slices:
            scored = split_channels(engine.state.output["pred"].cpu(), self.members)
            try:
                values = pooled(scored)
                verdicts = self.verdicts.of([values])
                record |= {**values, **{name: column.tolist()[0] for name, column in verdicts.items()}}
            except NonFinite as error:
                record |= {"status": "failed", "reason": str(error)}
        self.rows.append(record)

    def write(self, _: Engine) -> None:
        """Write the table."""
        columns = ("file", "status", "reason", "slices", *self.verdicts.scores, *self.verdicts.columns())
        rows = [{name: row.get(name) for name in columns} for row in self.rows]
        write_records(self.folder / TABLE, sorted(rows, key=lambda row: str(row["file"])))
