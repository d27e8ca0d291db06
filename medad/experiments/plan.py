"""Plan the experiments of a pipeline before heavy imports and before any data file is read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from medad.config import ConfigError, Evaluation, Pipeline, Settings, build, unknown_key
from medad.registry import datasets, methods


@dataclass(frozen=True)
class Experiment:
    """The settings of one experiment; together with the data's digest they identify its result.

    ``evaluation`` has the settings for computing metrics, which are not part of the identity.
    """

    dataset: str
    method: str
    settings: Settings
    seed: int
    evaluation: Evaluation = field(default_factory=Evaluation)
    variant: str = "-"

    @property
    def network(self) -> str:
        """The name of the network, or "-" for a method without a network."""
        return self.settings.architecture

    @property
    def title(self) -> str:
        """Method and network, as "ddad-ae"."""
        return self.method if self.network == "-" else f"{self.method}-{self.network}"

    def describe(self) -> dict[str, Any]:
        """Return dataset, method, variant, seed and settings as plain values."""
        settings = self.settings.model_dump(mode="json")
        variant = {} if self.variant == "-" else {"variant": self.variant}
        return {"dataset": self.dataset, "method": self.method, **variant, "seed": self.seed, **settings}

    def name(self, data_digest: str) -> str:
        """Return a folder name that is unique to this experiment on the data with the given digest."""
        text = json.dumps([self.describe(), data_digest], sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        variant = re.sub(r"\W+", "-", self.variant)
        parts = [self.dataset.replace(":", "-"), self.method, variant, self.network, f"seed{self.seed}", digest]
        return "_".join(part for part in parts if part != "-")


def plan(pipeline: Pipeline, overrides: Mapping[str, Any], manifest_names: Collection[str] = ()) -> list[Experiment]:
    """Return the experiments of a pipeline in order, with all names, keys and values checked.

    The methods and the evaluation share one mapping of settings, and each uses the keys it has. A pipeline may also
    have settings of single methods, and variants, whose keys every method must have. A pipeline file may contain keys
    of methods that an option has excluded. ``manifest_names`` are names of manifests, which the registry does not list.

    Raises:
        ConfigError: a dataset, method, key or value is not valid, or a key of ``overrides`` applies to no method.
    """
    if not pipeline.datasets:
        raise ConfigError(f"no dataset to run on: name some of {', '.join(datasets.names())} with --datasets")
    for name in pipeline.datasets:
        if name in manifest_names and name in datasets.names():
            raise ConfigError(f"the manifest is called {name!r} like a data set: name it in a column 'dataset'")
        if name not in manifest_names:
            datasets.check(name)
    for name in pipeline.methods:
        methods.check(name)
    judging = set(Evaluation.model_fields)
    _check_keys(overrides, pipeline.methods, "--set", judging)
    own = [name for name in methods.names() if name in pipeline.methods or not methods.provider(name)]
    _check_keys(pipeline.settings, own, "pipeline", judging)
    for method, values in pipeline.method_settings.items():
        _check_keys(values, [methods.check(method)], "method_settings")
    for variant, changed in pipeline.variants.items():
        for method in pipeline.methods:
            _check_keys(changed, [method], f"variants, {variant}")
        for key in overrides.keys() & changed.keys():
            raise ConfigError(f"--set {key}: the variants of this pipeline set it; leave it to them")
    models: dict[str, type[Settings]] = {name: methods.settings(name) for name in pipeline.methods}
    if pipeline.anomaly_rates and "anomaly_rate" in overrides:
        raise ConfigError("--set anomaly_rate: name the rates with --anomaly-rates, or set one rate, not both")
    values = {**pipeline.settings, **overrides}
    judged = {key: value for key, value in values.items() if key in judging}
    evaluation = build(Evaluation, judged, "settings")
    sweep = [{"anomaly_rate": rate} for rate in pipeline.anomaly_rates] or [{}]
    return [
        Experiment(dataset, method, settings, seed, evaluation, variant)
        for dataset in pipeline.datasets
        for method, model in models.items()
        for variant, changed in (pipeline.variants or {"-": {}}).items()
        for rate in sweep
        for settings in _each_network(
            model,
            {**pipeline.settings, **pipeline.method_settings.get(method, {}), **changed, **overrides, **rate},
            (overrides["network"],) if "network" in overrides else pipeline.networks,
        )
        for seed in pipeline.seeds
    ]


def _check_keys(
    values: Mapping[str, Any], names: Sequence[str], where: str, shared_keys: Set[str] = frozenset()
) -> None:
    keys = {key for name in names for key in methods.settings(name).model_fields} | shared_keys
    for key in values:
        if key not in keys:
            raise ConfigError(unknown_key(key, sorted(keys), f"{where}, for {', '.join(names)}"))


def _each_network(model: type[Settings], values: Mapping[str, Any], networks: tuple[str, ...]) -> Iterator[Settings]:
    method_values = {key: value for key, value in values.items() if key in model.model_fields}
    if "network" not in model.model_fields:
        yield build(model, method_values, "settings")
    else:
        for network in networks:
            yield build(model, {**method_values, "network": network}, "settings")
