"""A model folder may decide how long a bank of features is, within what its settings allow and the file holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from contracts.fakes import fake_load, fit, small, studies
from helpers.hospital import PROFILE
from safetensors.torch import load_file, save_file

from medad.model import Card, ModelError, load, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    method = fit(small("patchcore"))
    names = list(method.scores)
    card = Card(
        method="patchcore",
        settings=method.settings.model_dump(mode="json"),
        seed=0,
        trained_on={"normal": 10, "unlabeled": 0},
        map_scale=dict.fromkeys(names, 1.0),
        percentiles={name: tuple(float(value) for value in range(101)) for name in names},
        profile=PROFILE,
    )
    save(tmp_path / "model", method, card)
    images = fake_load(method)(studies("test", 2))
    again = load(tmp_path / "model").method
    assert torch.equal(again.score(images)["weighted"].score, method.score(images)["weighted"].score)
    return tmp_path / "model"


def with_bank(folder: Path, bank: torch.Tensor) -> None:
    weights = folder / "weights.safetensors"
    save_file({**load_file(weights), "bank": bank}, weights)


def test_banks_that_cannot_be(folder: Path) -> None:
    for bank, message in (
        (torch.zeros(61, 384), "'bank' has 61 rows, and the settings allow 1 to 60"),
        (torch.zeros(0, 384), "'bank' has 0 rows"),
        (torch.zeros(5, 383), r"expected float32 \(5, 384\), found float32 \(5, 383\)"),
        (torch.zeros(384), "'bank' has 384 rows"),
        (torch.zeros(()), r"found float32 \(\)"),
        (torch.full((5, 384), float("nan")), "not finite"),
        (torch.zeros(5, 384, dtype=torch.int64), "found int64"),
    ):
        with_bank(folder, bank)
        with pytest.raises(ModelError, match=message):
            load(folder)
    with_bank(folder, torch.zeros(1, 384))
    assert load(folder).method.score(torch.zeros(1, 1, 32, 32))["weighted"].score.isfinite().all()


def test_settings_that_allow_more_take_no_memory(folder: Path) -> None:
    card = json.loads((folder / "model.json").read_text())
    for candidates, message in ((1_000_000, None), (10, "the settings allow 1 to 10"), (10**9, "candidates")):
        card["settings"]["candidates"] = candidates
        (folder / "model.json").write_text(json.dumps(card))
        if message is None:
            assert len(load(folder).method.get_buffer("bank")) == 15
        else:
            with pytest.raises(ModelError, match=message):
                load(folder)
