"""Nothing in a model folder is believed: every flaw is a ModelError, before memory is taken for what it claims."""

from __future__ import annotations

import json
import os
import resource
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.hospital import PROFILE
from safetensors.torch import load_file, save_file

from medad.methods.pca import PCA, PCASettings
from medad.model import Card, ModelError, load, save
from medad.weights import WeightsError, read_header

SCALES = {"rec": 1.0}
NORMALS = [float(value) for value in range(101)]
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    method = PCA(PCASettings(size=16, components=2))
    settings = method.settings.model_dump(mode="json")
    card = Card(
        method="pca",
        settings=settings,
        seed=0,
        trained_on={"normal": 5, "unlabeled": 0},
        map_scale=SCALES,
        percentiles={"rec": tuple(NORMALS)},
        calibration={"rec": (0.5, 0.5, 1.0)},
        thresholds={"rec": {"spec95": 1.0}},
        profile=PROFILE,
    )
    save(tmp_path / "model", method, card)
    return tmp_path / "model"


def change(folder: Path, act: Change) -> None:
    card = json.loads((folder / "model.json").read_text())
    act(card)
    (folder / "model.json").write_text(json.dumps(card))


def setting(**values: Any) -> Change:
    return lambda card: card["settings"].update(values)


def field(name: str, value: Any) -> Change:
    return lambda card: card.update({name: value})


def scale(card: dict[str, Any], top: float, threshold: float) -> None:
    card.update(map_scale={"rec": top}, map_threshold={"rec": threshold})


@pytest.mark.parametrize(
    ("top", "threshold", "ends"),
    [
        (1.0, 0.25, (0.25, 1.0)),
        (-0.25, -0.5, (-0.5, -0.25)),
        (0.0, -0.5, (-0.5, 0.0)),
        (1.0, -0.5, (-0.5, 1.0)),
        (1.0, 1.01, (0.0, 1.0)),  # of an earlier version: the scale of training, the threshold of held-out normals
        (1.0, 1.0, (0.0, 1.0)),
    ],
)
def test_a_color_scale_that_can_be_is_loaded(
    folder: Path, top: float, threshold: float, ends: tuple[float, float]
) -> None:
    change(folder, lambda card: scale(card, top, threshold))
    model = load(folder)
    assert model.card.color_range("rec") == ends
    assert model.method.score(torch.zeros(1, 1, 16, 16))["rec"].score.isfinite().all()


def test_what_medad_writes_it_loads(folder: Path) -> None:
    assert load(folder).card.thresholds == {"rec": {"spec95": 1.0}}


BAD: list[tuple[str, Change, str]] = [
    ("components", setting(components=10**9), "components"),
    ("components that fit no file", setting(components=9_999), "basis.*expected.*9999"),
    ("size", setting(size=2048), "basis|center"),
    ("huge integer", setting(size=2**63), "size"),
    ("text for a number", setting(components="many"), "components"),
    ("infinite", setting(anomaly_rate=1e999), "no number|Infinity"),
    ("batch", setting(batch_size=10**9), "batch_size"),
    ("unknown setting", setting(code="import os"), "unknown key 'code'"),
    ("unknown method", field("method", "../pca"), "unknown method"),
    ("long method", field("method", "x" * 10**6), "method"),
    ("format", field("format", 2), "format 2; this medad"),
    ("format text", field("format", "x" * 10**6), "format"),
    ("unknown field", field("pickle", "x"), "unknown key 'pickle'"),
    ("no field", lambda card: card.pop("seed"), "seed"),
    ("seed", field("seed", 10**19), "seed"),
    ("trained on", field("trained_on", {"normal": -1}), "normal must be a number"),
    ("trained on text", field("trained_on", {"unlabeled": "many"}), "unlabeled must be a number"),
    ("trained on a list", field("trained_on", []), "trained_on"),
    ("scale of zero", field("map_scale", {"rec": 0}), "map_scale.rec"),
    ("negative scale", field("map_scale", {"rec": -1.0}), "map_scale.rec"),
    ("negative scale and no threshold below", lambda card: scale(card, -1.0, -0.5), "map_scale.rec=-1 ends no"),
    ("NaN scale", field("map_scale", {"rec": float("nan")}), "NaN"),
    ("infinite scale", field("map_scale", {"rec": float("inf")}), "Infinity"),
    ("scale of text", field("map_scale", {"rec": "1"}), "map_scale.rec"),
    ("missing scale", field("map_scale", {"other": 1.0}), "no value for the score 'rec'.*train the model again"),
    ("no scale", field("map_scale", {}), "no value for the score 'rec'"),
    ("NaN threshold of maps", field("map_threshold", {"rec": float("nan")}), "NaN"),
    ("NaN threshold", field("thresholds", {"rec": {"spec95": float("nan")}}), "NaN"),
    ("threshold of text", field("thresholds", {"rec": {"spec95": "1"}}), "thresholds.rec.spec95"),
    ("threshold of a list", field("thresholds", {"rec": [1.0]}), "thresholds.rec"),
    ("short percentiles", field("percentiles", {"rec": NORMALS[:-1]}), "percentiles.rec"),
    ("long percentiles", field("percentiles", {"rec": [*NORMALS, 200.0]}), "percentiles.rec"),
    ("unsorted percentiles", field("percentiles", {"rec": NORMALS[::-1]}), "percentiles.rec.*must not fall"),
    ("NaN percentiles", field("percentiles", {"rec": [float("nan")] * 101}), "NaN"),
    ("unsorted calibration", field("calibration", {"rec": [2.0, 1.0]}), "calibration.rec.*must not fall"),
    ("infinite calibration", field("calibration", {"rec": [1.0, float("inf")]}), "Infinity"),
    ("calibration of text", field("calibration", {"rec": "abc"}), "calibration.rec"),
    ("profile of a list", field("profile", []), "profile"),
    ("profile without fields", field("profile", {"version": 1}), "profile"),
    ("profile with words", field("profile", {**PROFILE, "modality": {"CT": "many"}}), "modality.CT"),
    ("profile with a negative side", field("profile", {**PROFILE, "short_side": [-1, 1, 1, 1, 1]}), "short_side"),
    ("profile that falls", field("profile", {**PROFILE, "elongation": [2, 1, 1, 1, 1]}), "elongation"),
    ("profile of one level", field("profile", {**PROFILE, "levels": [0.5], "levels_spread": [0] * 5}), "levels"),
    ("profile with half a pair", field("profile", {**PROFILE, "levels": [0.5] * 21}), "together"),
]


@pytest.mark.parametrize(("act", "said"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_value_of_the_card_that_cannot_be(folder: Path, act: Change, said: str) -> None:
    change(folder, act)
    with pytest.raises(ModelError, match=said) as caught:
        load(folder)
    assert "model" in str(caught.value)
    assert len(str(caught.value)) < 2500


TEXTS = {
    "deep": ('{"a": ' * 100_000, "nested too deeply"),
    "integer": ('{"seed": ' + "9" * 5000 + "}", "5000 digits"),
    "twice": ('{"seed": 1, "seed": 2}', "'seed' is there twice"),
    "list": ("[]", "expected an object"),
    "number": ("7", "expected an object"),
    "empty": ("", "not valid JSON"),
    "bidi key": ('{"\u202emethod": 1}', r"\\u202emethod"),
}


@pytest.mark.parametrize(("text", "said"), TEXTS.values(), ids=TEXTS)
def test_a_card_that_is_no_card(folder: Path, text: str, said: str) -> None:
    (folder / "model.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=said):
        load(folder)


def test_a_card_that_is_no_file_of_its_own(folder: Path, tmp_path: Path) -> None:
    card = folder / "model.json"
    (tmp_path / "elsewhere.json").write_text(card.read_text())
    card.unlink()
    card.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(ModelError, match=r"model\.json is a link to a place outside of the model folder"):
        load(folder)
    for make in (
        lambda: os.mkfifo(card),
        lambda: card.symlink_to("/dev/zero"),
        lambda: card.symlink_to(card),
        card.mkdir,
    ):
        card.rmdir() if card.is_dir() else card.unlink(missing_ok=True)
        make()
        with pytest.raises(ModelError, match=r"no model folder|outside"):
            load(folder)


def test_a_large_card_is_not_read(folder: Path) -> None:
    with (folder / "model.json").open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(ModelError, match="larger than"):
        load(folder)


def reweigh(folder: Path, act: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = load_file(folder / "weights.safetensors")
    act(tensors)
    save_file(tensors, folder / "weights.safetensors")


WEIGHTS: dict[str, tuple[Callable[[dict[str, torch.Tensor]], None], str]] = {
    "NaN": (lambda all_: all_["basis"].fill_(float("nan")), "'basis' holds values that are not finite"),
    "infinite": (lambda all_: all_["center"][:1].fill_(float("-inf")), "'center' holds values that are not finite"),
    "double": (lambda all_: all_.update(basis=all_["basis"].double()), "expected float32.*found float64"),
    "integers": (lambda all_: all_.update(basis=all_["basis"].long()), "found int64"),
    "half": (lambda all_: all_.update(basis=all_["basis"].half()), "found float16"),
    "missing": (lambda all_: all_.pop("basis"), "found none"),
    "more": (lambda all_: all_.update(more=torch.zeros(1)), "'more': expected none"),
    "other shape": (lambda all_: all_.update(basis=all_["basis"][:1].contiguous()), r"found float32 \(1, 256\)"),
}


@pytest.mark.parametrize(("act", "said"), WEIGHTS.values(), ids=WEIGHTS)
def test_weights_that_do_not_fit_or_cannot_be_computed_with(
    folder: Path, act: Callable[[dict[str, torch.Tensor]], None], said: str
) -> None:
    reweigh(folder, act)
    with pytest.raises(ModelError, match=said):
        load(folder)


def header(path: Path, text: str, data: bytes = b"", length: int | None = None) -> Path:
    content = text.encode()
    path.write_bytes(struct.pack("<Q", len(content) if length is None else length) + content + data)
    return path


ENTRY = '{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}'
HEADERS = {
    "too long": ("{}", b"", 2**40, "its header has"),
    "of nothing": ("", b"", None, "its header has"),
    "no object": ("[]", b"", None, "lists no tensors"),
    "deep": ("[" * 100_000, b"", None, "nested too deeply"),
    "twice": (f'{{"a": {ENTRY}, "a": {ENTRY}}}', b"1234", None, "'a' is there twice"),
    "unknown type": ('{"a": {"dtype": "pickle", "shape": [1]}}', b"1234", None, "no tensor that can be read under 'a'"),
    "negative side": ('{"a": {"dtype": "F32", "shape": [-1]}}', b"", None, "no tensor"),
    "side of text": ('{"a": {"dtype": "F32", "shape": ["1"]}}', b"1234", None, "no tensor"),
    "huge side": ('{"a": {"dtype": "F32", "shape": [1000000000000]}}', b"1234", None, "do not fit"),
    "appended": (f'{{"a": {ENTRY}}}', b"1234more", None, "do not fit: it is cut off, or something is appended"),
    "cut": (f'{{"a": {ENTRY}}}', b"12", None, "do not fit"),
}


@pytest.mark.parametrize(("text", "data", "length", "said"), HEADERS.values(), ids=HEADERS)
def test_a_header_that_contradicts_itself(
    tmp_path: Path, text: str, data: bytes, length: int | None, said: str
) -> None:
    with pytest.raises(WeightsError, match=said):
        read_header(header(tmp_path / "w", text, data, length))


def test_a_header_is_read_without_its_tensors(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(3, 4), "b": torch.zeros((), dtype=torch.int64)}, tmp_path / "w", {"made": "here"})
    forms = read_header(tmp_path / "w")
    assert {name: str(form) for name, form in forms.items()} == {"a": "float32 (3, 4)", "b": "int64 ()"}


@pytest.mark.parametrize(("members", "said"), [(10_000_000, "members"), (32, "tensors")])
def test_an_ensemble_that_is_not_in_the_file_takes_no_memory(folder: Path, members: int, said: str) -> None:
    settings = {"size": 2048, "channels": 3, "members": members, "scores": ["rec"]}
    change(folder, lambda card: card.update(method="ddad", settings=settings))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match=said):
        load(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024  # KiB


def test_a_file_that_claims_more_than_the_machine_has_is_not_loaded(folder: Path) -> None:
    """A sparse file takes no disk, and its header is right."""
    size, components = 2048, 10_000
    pixels = 3 * size**2
    forms = {"center": [pixels], "basis": [components, pixels]}
    entries, start = {}, 0
    for name, shape in forms.items():
        end = start + 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        entries[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
        start = end
    path = header(folder / "weights.safetensors", json.dumps(entries))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + start)
    change(folder, setting(size=size, components=components, channels=3))
    with pytest.raises(ModelError, match=r"takes \d+\.\d GiB, and this machine has .*: use a larger one"):
        load(folder)
