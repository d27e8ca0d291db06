"""medad compare: paired tests of scores, methods or experiments on the same cases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medad.cli import _common as common
from medad.cli._paths import file_to_write
from medad.cli._terminal import show_table

TABLE = "comparisons.csv"


def compare(
    folders: Annotated[list[Path], typer.Argument(help="Output folders of bench, demo, evaluate or run.")],
    by: Annotated[
        str | None, typer.Option(help="score, method or folder. Default: folder if there are several, else score.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Compare all others with this: METHOD, SCORE or METHOD:SCORE, as printed.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--table",
            help="The CSV file to write. Default: comparisons.csv in the first folder.",
            callback=file_to_write,
        ),
    ] = None,
    settings: common.Set = [],  # noqa: B006 - typer reads it once
) -> None:
    """Compare AUC (paired DeLong) and AP (paired bootstrap) on the same test cases, Holm corrected."""
    from medad.config import ConfigError, Evaluation, build, parse_overrides

    chosen = by or ("folder" if len(folders) > 1 else "score")
    if chosen not in ("score", "method", "folder"):
        raise ConfigError(f"--by {chosen}: choose from score, method, folder")
    evaluation = build(Evaluation, parse_overrides(settings), "--set")
    import pandas as pd

    from medad.evaluation.comparing import compare_results

    rows = compare_results(folders, chosen, baseline, evaluation)
    path = table or folders[0] / TABLE
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    pd.DataFrame(rows).to_csv(part, index=False)
    part.replace(path)
    _show(rows, evaluation.confidence)
    typer.echo(f"comparisons: {path}")


def _show(rows: list[dict[str, Any]], confidence: float) -> None:
    from medad.outputs.tables import comparison_lines

    show_table(*comparison_lines(rows))
    clustered = any(row["clusters"] == "patients" for row in rows)
    typer.echo(
        f"difference: first - second, with its {confidence:.0%} interval over cases"
        f"{', clustered by patient' if clustered else ''}; p: paired DeLong (AUC), paired bootstrap (AP), two-sided; "
        f"p (Holm): corrected for {len(rows)} tests. Several seeds count by their mean."
    )
    for note in dict.fromkeys(row["note"] for row in rows if row.get("note")):
        typer.echo(f"not tested: {note}")
