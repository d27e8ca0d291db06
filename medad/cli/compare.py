"""medad compare: paired tests of scores, methods or experiments on the same cases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medad.cli import _common as common
from medad.cli._paths import file_to_write
from medad.cli._terminal import show_table

if TYPE_CHECKING:
    from medad.evaluation.comparisons import Comparisons

TABLE = "comparisons.csv"


def compare(
    folders: Annotated[list[Path], typer.Argument(help="Output folders of bench, demo, evaluate or run.")],
    by: Annotated[
        str | None, typer.Option(help="score, method or folder. Default: folder if there are several, else score.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Compare all others with this: METHOD, SCORE or METHOD:SCORE, as printed.")
    ] = None,
    scores: Annotated[
        str | None,
        typer.Option(
            help="With --by method: the score that stands for a method, as ddad=r_dual,pca=rec. Default: the method's "
            "own choice, which no test label takes part in."
        ),
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
    """Compare AUC (paired DeLong) and AP (paired bootstrap) on the same test cases, Holm corrected.

    By score: the scores of each method. By method: methods, each by one score. By folder: the same score of the same
    method in two folders. The tests of one such question on one dataset are corrected together, as in report.html.
    """
    from medad.config import ConfigError, Evaluation, build, parse_overrides

    scores_by_method = _scores_by_method(scores)
    question = by or ("method" if scores_by_method else "folder" if len(folders) > 1 else "score")
    if question not in ("score", "method", "folder"):
        raise ConfigError(f"--by {question}: choose from score, method, folder")
    if scores_by_method and question != "method":
        raise ConfigError(f"--scores belongs to --by method, which compares one score of each method, not {question}s")
    overrides = build(Evaluation, parse_overrides(settings), "--set").model_dump(exclude_unset=True)
    from medad.evaluation.comparing import compare_results
    from medad.files import write_records

    comparisons = compare_results(folders, question, baseline, overrides, scores_by_method)
    path = table or folders[0] / TABLE
    write_records(path, comparisons.rows())
    _show(comparisons)
    typer.echo(f"comparisons: {path}")


def _scores_by_method(text: str | None) -> dict[str, str]:
    """Parse "ddad=r_dual,pca=rec" into a mapping of method to score.

    Raises:
        ConfigError: a part is not METHOD=SCORE.
    """
    from medad.config import ConfigError

    scores_by_method = {}
    for part in common.names(text) or ():
        method, separator, score = (word.strip() for word in part.partition("="))
        if not separator or not method or not score:
            raise ConfigError(f"--scores {part!r}: write it as METHOD=SCORE, for example ddad=r_dual,pca=rec")
        scores_by_method[method] = score
    return scores_by_method


def _show(comparisons: Comparisons) -> None:
    from medad.outputs.tables import comparison_lines

    rows = comparisons.rows()
    show_table(*comparison_lines(rows))
    clustered = any(row["clusters"] == "patients" for row in rows)
    tests = dict.fromkeys((row["dataset"], row["tests"]) for row in rows if row["p"] is not None)
    families = ", ".join(f"{count} tests on {dataset}" for dataset, count in tests)
    typer.echo(
        f"difference: first - second, with its {comparisons.confidence:.0%} interval over cases"
        f"{', clustered by patient' if clustered else ''}; p: paired DeLong (AUC), paired bootstrap (AP), two-sided; "
        f"p (Holm): corrected for {families or 'no test'}. Several seeds count by their mean."
    )
    for note in dict.fromkeys(row["note"] for row in rows if row.get("note")):
        common.say(f"not tested: {note}")
    for sentence in (*comparisons.left_out, *comparisons.unpaired):
        common.say(f"left out: {sentence}")
