"""An exported bundle scores as 'medad score' does, and MONAI's own commands accept it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from helpers.exporting import assert_equal_rows, rows_of
from monai.bundle import ckpt_export, run, verify_metadata, verify_net_in_out

from medad.export.bundle_parts import BundleNetwork, split_channels
from medad.model import load

SCORES = ["single", "rec"]


def files(bundle: Path) -> dict[str, str]:
    """The arguments of MONAI's commands."""
    return {
        "meta_file": str(bundle / "configs" / "metadata.json"),
        "config_file": str(bundle / "configs" / "inference.json"),
        "bundle_root": str(bundle),
    }


def test_run_scores_a_folder_from_any_working_directory(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(**files(place / "bundle"), dataset_dir=str(place / "box"), output_dir=str(tmp_path / "out"))
    expected, found = rows_of(place / "scores" / "scores.csv"), rows_of(tmp_path / "out" / "scores.csv")
    assert assert_equal_rows(expected, found, SCORES) >= 6
    assert set(found) >= {file for file, row in expected.items() if row["status"] == "scored"}
    assert found["cut.dcm"]["status"] == "failed"
    assert "truncated" in found["cut.dcm"]["reason"]
    assert found["note.txt"]["status"] == "skipped"
    assert "Secret" not in (tmp_path / "out" / "scores.csv").read_text()


def test_the_gate_refuses_in_a_bundle_too(place: Path, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    (tmp_path / "in").mkdir()
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "in" / "empty.png")
    arguments = {**files(place / "bundle"), "dataset_dir": str(tmp_path / "in")}
    run(**arguments, output_dir=str(tmp_path / "gated"))
    run(**arguments, output_dir=str(tmp_path / "forced"), force=True)
    assert rows_of(tmp_path / "gated" / "scores.csv")["empty.png"]["status"] == "skipped"
    assert rows_of(tmp_path / "forced" / "scores.csv")["empty.png"]["status"] == "scored"


def test_monai_accepts_network_and_metadata(place: Path, tmp_path: Path) -> None:
    bundle = place / "bundle"
    verify_net_in_out("network_def", **files(bundle), device="cpu")
    verify_metadata(meta_file=files(bundle)["meta_file"], filepath=str(bundle / "configs" / "metadata.schema.json"))
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    del metadata["network_data_format"]
    (tmp_path / "metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(Exception, match="network_data_format"):
        verify_metadata(
            meta_file=str(tmp_path / "metadata.json"), filepath=str(bundle / "configs" / "metadata.schema.json")
        )


def test_torchscript_by_trace(place: Path, tmp_path: Path) -> None:
    bundle = place / "bundle"
    ckpt_export(
        "network_def",
        filepath=str(tmp_path / "model.ts"),
        ckpt_file=str(bundle / "models" / "model.safetensors"),
        **files(bundle),
        use_trace=True,
        input_shape=[2, 1, 32, 32],
    )
    images = torch.rand(5, 1, 32, 32) * 2 - 1
    prediction = torch.jit.load(tmp_path / "model.ts")(images)
    expected = load(place / "model").method.score(images)
    for name, result in split_channels(prediction, BundleNetwork(str(bundle / "models")).members()).items():
        torch.testing.assert_close(result.score, expected[name].score)
        torch.testing.assert_close(result.members, expected[name].members)
        torch.testing.assert_close(result.anomaly_map, expected[name].anomaly_map)


def test_the_bundle_names_its_channels_and_holds_no_code(place: Path) -> None:
    bundle = place / "bundle"
    output = json.loads((bundle / "configs" / "metadata.json").read_text())["network_data_format"]["outputs"]["pred"]
    assert list(output["channel_def"].values()) == [
        "anomaly map of single",
        "anomaly map of rec",
        "score of single, network 0 (constant)",
        "score of single, network 1 (constant)",
        "score of rec, network 0 (constant)",
    ]
    assert output["num_channels"] == 5
    assert {path.suffix for path in bundle.rglob("*") if path.is_file()} == {".json", ".safetensors", ".md"}
    readme = (bundle / "docs" / "README.md").read_text(encoding="utf-8")
    assert "made \\| for tests" in readme
    assert "For research only" in readme
