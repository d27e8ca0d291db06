"""Find the data sets of a bench and build its grid, with early checks of everything that would stop its experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from medad.datasets.base import MissingDataset
from medad.experiments.grid.grid import CELLS, Grid, GridCell
from medad.experiments.plan import Experiment
from medad.registry import datasets
from medad.splits import Pools, SplitError, compose, default_count
from medad.types import MedadError


def find_grid(
    experiments: Sequence[Experiment], out: Path, *, data_root: Path | None, manifest_pools: Mapping[str, Pools]
) -> Grid:
    """Return the grid of ``experiments`` on the available data sets; ``manifest_pools`` are the pools of manifests.

    Raises:
        MedadError: no data set is available and at least one is broken, or an anomaly rate cannot be composed.
    """
    missing: dict[str, str] = {}
    broken: dict[str, str] = {}
    pools = _available_pools(experiments, manifest_pools, data_root, out, missing, broken)
    todo = _same_size([experiment for experiment in experiments if experiment.dataset in pools], pools)
    _check_rates(todo, pools)
    cells = [
        GridCell(
            experiment, pools[experiment.dataset], out / CELLS / experiment.name(pools[experiment.dataset].digest())
        )
        for experiment in todo
    ]
    return Grid(out, experiments, cells, missing, broken)


def _available_pools(
    experiments: Sequence[Experiment],
    manifest_pools: Mapping[str, Pools],
    data_root: Path | None,
    out: Path,
    missing: dict[str, str],
    broken: dict[str, str],
) -> dict[str, Pools]:
    pools, errors = {}, []
    for name in dict.fromkeys(experiment.dataset for experiment in experiments):
        try:
            candidate = manifest_pools[name] if name in manifest_pools else datasets.get(name).pools(data_root, out)
            _check(name, candidate)
        except MissingDataset as error:
            missing[name] = str(error)
        except MedadError as error:
            errors.append(error)
            broken[name] = str(error)
        else:
            pools[name] = candidate
    if errors and not pools:
        raise errors[0]
    return pools


def _check(name: str, pools: Pools) -> None:
    """Raise early if every experiment on a dataset would fail, most of them only after their training."""
    if not pools.normal:
        raise SplitError(f"{name}: a benchmark needs known normal studies, and there are none")
    if why := pools.untestable():
        raise SplitError(f"{name}: {why}")


def _check_rates(experiments: Sequence[Experiment], pools: Mapping[str, Pools]) -> None:
    """Raise early if an anomaly rate cannot be composed."""
    for name in {experiment.dataset for experiment in experiments}:
        rates = {experiment.settings.anomaly_rate for experiment in experiments if experiment.dataset == name}
        if pools[name].unknown and len(rates) > 1:
            raise SplitError(f"{name}: no anomaly rates can be composed, for not every unlabeled study has a label")
    for dataset, rate, count in {(e.dataset, e.settings.anomaly_rate, e.settings.unlabeled) for e in experiments}:
        compose(pools[dataset], rate, count)


def _same_size(experiments: list[Experiment], pools: Mapping[str, Pools]) -> list[Experiment]:
    """Return the experiments with one size of the unlabeled set for all anomaly rates of a dataset, unless set."""
    rates: dict[str, set[float]] = {}
    for experiment in experiments:
        rates.setdefault(experiment.dataset, set()).add(experiment.settings.anomaly_rate)

    def sized(experiment: Experiment) -> Experiment:
        if len(rates[experiment.dataset]) == 1:
            return experiment
        count = experiment.settings.unlabeled or default_count(
            pools[experiment.dataset], sorted(rates[experiment.dataset])
        )
        return replace(experiment, settings=experiment.settings.model_copy(update={"unlabeled": count}))

    return [sized(experiment) for experiment in experiments]
