"""Compare false-alarm rates on the test normals with the requested rates, for models with held-out normal scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from scipy import stats

from medad.functional.conformal import least_normals, p_values
from medad.functional.intervals import CONFIDENCE
from medad.functional.proportions import proportion
from medad.outputs import plots
from medad.outputs.report.figures import Chart
from medad.outputs.report.results import calibration_count
from medad.outputs.report.svg import SERIES, Drawing
from medad.outputs.report.table import Block, Column, Table, interval, number, text
from medad.results.read import Group

ALPHAS = (0.01, 0.05, 0.1, 0.2)
GRID = np.round(np.arange(0, 0.505, 0.01), 2)

Floats = NDArray[np.float64]


def alarm_figure(group: Group, drawing: Drawing) -> Chart | None:
    """Plot the share of flagged test normals against alpha, with the band of chance; None without held-out scores."""
    flagged: dict[str, Floats] = {}
    sizes = (0, 0)
    for name, calibration in group.first.held_out.items():
        labels, values = group.first.judged(name)
        p = p_values(calibration, values[labels == 0])
        if len(p):
            flagged[name] = (p[:, None] <= GRID + 1e-12).mean(axis=0)
            sizes = (len(calibration), len(p))
    if not flagged:
        return None
    low, high = chance_band(*sizes)
    with drawing.axes() as (axis, drawn):
        plots.draw_alarms(axis, GRID, (low, high), flagged, SERIES)
    shares_text = "; ".join(
        f"{name} {', '.join(f'{shares[alpha == GRID][0]:.1%} at {alpha:.0%}' for alpha in ALPHAS)}"
        for name, shares in flagged.items()
    )
    caption = "Calibration of the false-alarm rate; the band holds 95% of models whose promise holds"
    alt = f"Share of {sizes[1]} test normals flagged, against the false-alarm rate asked for. {shares_text}."
    return Chart(Markup(drawn[0]), caption, alt, list(flagged))


def chance_band(n: int, tested: int) -> tuple[Floats, Floats]:
    """Return the limits, (A,) each, of the flagged share of ``tested`` normals for each of the A alphas in ``GRID``.

    The share is beta-binomial for ``n`` held-out normals without ties: the false-alarm rate of one model varies around
    alpha (Vovk, 2012), and the share in the test set varies around that rate.
    """
    ranks = np.floor(GRID * (n + 1) + 1e-9)
    ends = [np.zeros(len(GRID)), np.zeros(len(GRID))]
    attainable = ranks >= 1
    for end, share in zip(ends, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2), strict=True):
        end[attainable] = stats.betabinom.ppf(share, tested, ranks[attainable], n + 1 - ranks[attainable]) / tested
    return ends[0], ends[1]


def alarm_table(group: Group) -> Table | None:
    """Return a table of flagged normals and abnormals at some alphas, with Wilson intervals, or None without rows."""
    rows = []
    least = calibration_count(group.first)
    for name, calibration in group.first.held_out.items():
        labels, values = group.first.judged(name)
        p = p_values(calibration, values)
        for alpha in ALPHAS:
            row: dict[str, Any] = {"score": name, "alpha": alpha, "n_calibration": len(calibration)}
            if least_normals(alpha) <= len(calibration):
                row |= {**_share("normals", p[labels == 0] <= alpha), **_share("abnormals", p[labels == 1] <= alpha)}
            rows.append(row)
    if not rows:
        return None
    columns = [
        Column("score", text("score"), number=False),
        Column("asked for", number("alpha", 2)),
        Column(f"normals flagged ({CONFIDENCE:.0%})", interval("normals", "normals_low", "normals_high")),
        Column(f"abnormals flagged ({CONFIDENCE:.0%})", interval("abnormals", "abnormals_low", "abnormals_high")),
    ]
    note = (
        f"Flagged: a conformal p-value, among {least} normals that training never saw, of at most the rate asked for. "
        "The promise holds for normal studies drawn like the held-out ones. A dash: too few held-out normals for it."
    )
    return Table("false_alarms", "False alarms: asked for, and found", columns, [Block("", rows)], group.place, note)


def _share(name: str, flagged: NDArray[np.bool_]) -> dict[str, float]:
    if not len(flagged):
        return {}
    share = proportion(flagged)
    return {name: share.value, f"{name}_low": share.low, f"{name}_high": share.high}
