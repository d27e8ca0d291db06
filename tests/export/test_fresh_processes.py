"""The same number everywhere, each way in a process of its own: 40 studies by command line, ONNX Runtime and bundle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from contracts.fakes import fit, small
from helpers.exporting import assert_equal_rows, complete, rows_of, small_ddad
from helpers.making import gray_image
from helpers.runs import mixed
from PIL import Image

from medad.export.bundle_parts import BundleNetwork, split_channels
from medad.methods.base import Method

METHODS: dict[str, Any] = {
    "ddad": lambda: small_ddad(scores=("single", "rec", "intra", "inter", "r_intra", "r_dual"), network="aeu"),
    "cdo": lambda: fit(small("cdo")),
    "pca": lambda: fit(small("pca")),
    "ratio": lambda: fit(small("ratio", use_archive=False)),
}


def forty_studies(folder: Path) -> Path:
    """Radiographs, series, pictures and volumes; every fifth picture has a lesion."""
    mixed(folder, radiographs=20)
    rng = np.random.default_rng(8)
    for index in range(15):
        Image.fromarray(gray_image(rng, abnormal=index % 5 == 0)).save(folder / f"p{index:02}.png")
    for index in range(4):
        volume = np.stack([gray_image(rng, abnormal=index == 0) for _ in range(19)], axis=-1).astype(np.int16)
        nib.save(nib.Nifti1Image(volume, np.diag([-1.0, -1.0, 2.0, 1.0])), folder / f"volume{index}.nii.gz")
    return folder


def ran(cwd: Path, *arguments: object, status: int = 0) -> None:
    done = subprocess.run([sys.executable, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr


def bundle_command(name: str, bundle: Path, *more: object) -> tuple[object, ...]:
    configs = bundle / "configs"
    files = ("--meta_file", configs / "metadata.json", "--config_file", configs / "inference.json")
    return ("-m", "monai.bundle", name, *more, "--bundle_root", bundle, *files)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_forty_studies(name: str, tmp_path: Path) -> None:
    method: Method = METHODS[name]()
    complete(method, tmp_path / "model", name)
    box = forty_studies(tmp_path / "box")
    command = ("-c", "from medad.cli import main; main()")
    ran(tmp_path, *command, "export", "model", "--to", "onnx,bundle", "--out", "out")
    ran(tmp_path, *command, "score", "model", box, "--out", "torch", status=1)  # one file is cut off
    ran(tmp_path, *command, "score", "out/onnx/model.onnx", box, "--out", "onnx", status=1)
    ran(tmp_path, *bundle_command("run", tmp_path / "out" / "bundle", "--dataset_dir", box, "--output_dir", "monai"))
    expected = rows_of(tmp_path / "torch" / "scores.csv")
    for other in ("onnx", "monai"):
        found = rows_of(tmp_path / other / "scores.csv")
        assert assert_equal_rows(expected, found, list(method.scores)) >= 40, other


@pytest.mark.slow
def test_monai_exports_the_bundle_to_onnx(tmp_path: Path) -> None:
    import onnxruntime

    model = complete(METHODS["ddad"](), tmp_path / "model")
    from medad.export.run import export_model

    bundle = export_model(model, ["bundle"], tmp_path)["bundle"]
    files = ("--filepath", "model.onnx", "--ckpt_file", bundle / "models" / "model.safetensors")
    dynamic = "{'dynamic_shapes': {'images': {0: 'batch'}}, 'input_names': ['images'], 'output_names': ['pred']}"
    more = ("--input_shape", "[2,1,32,32]", "--converter_kwargs", dynamic)
    ran(tmp_path, *bundle_command("onnx_export", bundle, "network_def", *files, *more))
    images = torch.rand(5, 1, 32, 32) * 2 - 1
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    prediction = torch.from_numpy(session.run(["pred"], {"images": images.numpy()})[0])
    expected = model.method.score(images)
    for name, result in split_channels(prediction, BundleNetwork(str(bundle / "models")).members()).items():
        torch.testing.assert_close(result.score, expected[name].score)
