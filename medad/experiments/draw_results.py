"""Draw the results of an experiment: panel, histograms, curves, and pictures of single cases."""

from __future__ import annotations

from pathlib import Path

from medad.data.loading import Loader
from medad.experiments.plan import Experiment
from medad.experiments.score_studies import score_study
from medad.experiments.test_scores import TestScores, panel_cases, picture
from medad.methods.base import Method
from medad.model import Card
from medad.outputs.cases import save_cases
from medad.outputs.pictures import save_panel
from medad.outputs.plots import save_curves, save_histograms
from medad.results.names import PICTURES

DRAWN = PANEL, HISTOGRAMS, CURVES = "panel.png", "histograms.png", "curves.png"


def draw_results(
    experiment: Experiment, method: Method, card: Card, test: TestScores, loader: Loader, folder: Path
) -> None:
    """Write panel, histograms, curves and pictures of single cases; the drawn studies are scored again."""
    score = card.ranking_score(method.primary)
    scales = {name: card.color_scale(name) for name in method.scores}
    drawn = card.drawn_map(score)
    title = f"{experiment.dataset}, {method.title} {experiment.network}, seed {experiment.seed}"
    about = f"{title}: ranked by {score}, map drawn in heatmaps and triage: {drawn}"
    ranks = "by rank in their class: 100% is where the maps find the mask best, or without masks the highest score"
    save_panel(folder / PANEL, list(panel_cases(method, test, loader, score)), scales, f"{about}\n{ranks}")
    save_histograms(folder / HISTOGRAMS, test.labels, test.scores, title)
    save_curves(folder / CURVES, test.labels, test.scores, title)
    save_cases(
        folder / PICTURES,
        [study.id for study in test.studies],
        test.labels,
        test.scores,
        lambda index, by: picture(score_study(method, test.studies[index], loader), by, loader),
        scales,
        score,
        drawn,
    )
