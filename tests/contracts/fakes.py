"""Fake studies and a fake reader: images that depend on the study alone, so that every fit can be repeated."""

from __future__ import annotations

import ast
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from helpers.making import FAST
from torch import Generator, Tensor

from medad.config import Settings
from medad.data.study_features import extract_in_blocks
from medad.methods.base import Load, Method
from medad.registry import methods, networks
from medad.types import Study, TrainingSet

SETTINGS = {**FAST, "channels": 1, "components": 4, "backbone": "resnet18", "weights": "none"}


def variants() -> list[tuple[str, str | None]]:
    """Every method, once for each network where it has one: (method, network)."""
    found: list[tuple[str, str | None]] = []
    for name in methods.names():
        chosen = networks.names() if "network" in methods.get(name).settings_model.model_fields else [None]
        found += [(name, network) for network in chosen]
    return found


@cache
def tiny(method: str) -> dict[str, Any]:
    """The settings that make a method small: TINY in tests/methods/test_METHOD.py, a literal, if it is there."""
    path = Path(__file__).parent.parent / "methods" / f"test_{method}.py"
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    values: list[dict[str, Any]] = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["TINY"]
    ]
    return values[0] if values else {}


def small(method: str, network: str | None = None, **more: Any) -> Method:
    """A method that trains in a second."""
    kind: type[Method] = methods.get(method)
    values = {**SETTINGS, "network": network or "ae", **tiny(method), **more}
    known = kind.settings_model.model_fields
    settings: Settings = kind.settings_model(**{key: value for key, value in values.items() if key in known})
    return kind(settings)


def studies(kind: str, count: int) -> tuple[Study, ...]:
    return tuple(Study(f"{kind}{index}", (Path(f"{kind}{index}.png"),)) for index in range(count))


def training_set(normal: int = 10, unlabeled: int = 6) -> TrainingSet:
    return TrainingSet(studies("normal", normal), studies("unlabeled", unlabeled))


class FakeLoad(Load):
    """Studies -> noise in [-1, 1], seeded by the study's name; no file is read. ``asked`` are the studies so far."""

    device = "cpu"

    def __init__(self, channels: int, size: int) -> None:
        self.shape = (channels, size, size)
        self.asked: list[Study] = []

    def __call__(self, wanted: Sequence[Study]) -> Tensor:
        return torch.cat([images for _, images in self.stream(wanted, 1)])

    def stream(self, wanted: Sequence[Study], images: int) -> Iterator[tuple[Study, Tensor]]:
        for study in wanted:
            self.asked.append(study)
            generator = Generator().manual_seed(zlib.crc32(study.id.encode()))
            yield study, torch.rand((1, *self.shape), generator=generator) * 2 - 1

    def features(
        self, wanted: Sequence[Study], extract: Callable[[Tensor], Tensor], *, name: str, block: int
    ) -> list[tuple[Study, Tensor]]:
        return list(extract_in_blocks(self.stream(wanted, block), extract, block))


def fake_load(method: Method) -> FakeLoad:
    return FakeLoad(method.settings.channels, method.settings.size)


def ignore(name: str, value: float, step: int) -> None:
    """A tracker that forgets."""


def fit(method: Method, seed: int = 0, data: TrainingSet | None = None, **more: Any) -> Method:
    rng = Generator().manual_seed(seed)
    method.fit(data or training_set(), fake_load(method), **{"track": ignore, "rng": rng, **more})
    return method.eval()


def same_weights(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    """Whether all parameters and buffers are equal to the last bit."""
    one, two = first.state_dict(), second.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
