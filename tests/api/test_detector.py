"""A detector learns from arrays, files, folders and manifests, scores them, and is saved and loaded."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from helpers.making import gray_image, write_dicom
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import medad
from medad.types import MedadError


def test_the_scores_of_arrays_are_those_of_the_method_itself(
    detector: medad.Detector, abnormal: NDArray[np.uint8]
) -> None:
    """By hand: resize each picture to the grid with Pillow, and take the residual of the components."""
    results = detector.score(abnormal)
    method = detector.model.method
    for picture, result in zip(abnormal[:, 0], results, strict=True):
        small = Image.fromarray(picture).convert("F").resize((32, 32), Image.Resampling.BILINEAR)
        signed = torch.tensor(np.asarray(small) / 127.5 - 1, dtype=torch.float32)[None, None]
        assert result.score == pytest.approx(float(method.score(signed)["rec"].score), rel=1e-3)


def test_what_is_unlike_the_normals_is_flagged_and_the_map_shows_where(
    detector: medad.Detector, normal: NDArray[np.uint8], abnormal: NDArray[np.uint8]
) -> None:
    results = detector.score(abnormal)
    assert all(result.status == "scored" and result.flagged for result in results)
    assert all(result.p_value == pytest.approx(1 / 25) for result in results)
    assert [result.flagged_by[0] for result in results] == ["alpha"] * 5
    assert results[0].map.shape == (40, 40)
    assert results[0].map.dtype == np.float32
    rest, lesion = results[0].map[:5], abnormal[0, 0].astype(int) - gray_image(np.random.default_rng(1)).astype(int)
    assert results[0].map[lesion > 40].mean() > 3 * rest.mean()
    assert results[0].reading["value_range"] == [0.0, 255.0]
    assert detector.score(abnormal, alpha=0.01)[0].flagged_by == ("threshold:spec90",)
    assert not any(result.flagged for result in detector.score(normal[:3], threshold=1e9, alpha=0.01))


def test_one_image_gives_one_result_and_an_array_or_a_tensor_of_several_a_list(
    detector: medad.Detector, abnormal: NDArray[np.uint8]
) -> None:
    several = detector.score(abnormal)
    assert detector.score(abnormal[2]) == several[2]
    assert detector.score(abnormal[2, 0]) == several[2]
    assert detector.score(torch.from_numpy(abnormal)) == several
    assert detector.score(list(abnormal)) == several


@pytest.mark.parametrize("kind", ["png", "dicom"])
def test_a_file_scores_as_the_array_of_its_pixels(
    detector: medad.Detector, abnormal: NDArray[np.uint8], tmp_path: Path, kind: str
) -> None:
    if kind == "png":
        pixels: NDArray[Any] = abnormal[0]
        path = tmp_path / "x.png"
        Image.fromarray(pixels[0]).save(path)
    else:
        pixels = abnormal[0].astype(np.uint16) * 16
        path = write_dicom(tmp_path / "x.dcm", abnormal[0, 0])
    of_file, of_array = detector.score(path), detector.score(pixels)
    assert of_file.scores == of_array.scores
    np.testing.assert_array_equal(of_file.map, of_array.map)
    assert of_file.reading["format"] == ("raster" if kind == "png" else "dicom")


def test_a_volume_has_its_map_on_the_voxels_of_its_file(detector: medad.Detector, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    volume = np.stack([gray_image(rng) for _ in range(4)], axis=-1).astype(np.float32)
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    nib.save(nib.Nifti1Image(volume, affine), tmp_path / "scan.nii.gz")
    result = detector.score(tmp_path / "scan.nii.gz", force=True)
    assert result.map.shape == volume.shape
    np.testing.assert_array_equal(result.affine, affine)


def test_a_series_is_one_study_and_a_folder_of_several_is_refused(detector: medad.Detector, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    tags = {"SeriesInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.2.4"}
    for z in range(3):
        write_dicom(tmp_path / "series" / f"{z}", gray_image(rng), **tags, ImagePositionPatient=[0, 0, z])
    assert detector.score(tmp_path / "series", force=True).map.shape[2] == 3
    Image.fromarray(gray_image(rng)).save(tmp_path / "more.png")
    with pytest.raises(MedadError, match="2 studies, where one is needed"):
        detector.score(tmp_path)


def test_saved_and_loaded_it_scores_the_same_to_the_last_bit(
    detector: medad.Detector, model: Path, abnormal: NDArray[np.uint8], tmp_path: Path
) -> None:
    loaded = medad.load(model)
    assert loaded.model.digest == detector.model.digest
    assert loaded.score(abnormal) == detector.score(abnormal)
    again = medad.load(str(loaded.save(tmp_path / "again")))
    assert again.model.digest == detector.model.digest
    assert (tmp_path / "again" / "studies.txt").read_text() == (model / "studies.txt").read_text()
    assert loaded.get_params()["components"] == 4


def test_the_seed_decides_and_what_is_learned_from_is_known(normal: NDArray[np.uint8]) -> None:
    untrained = medad.method("pca", size=32, components=4)
    digests = [untrained.fit(normal[:20], seed=seed).model.digest for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]
    assert untrained.model.card.trained_on["normal"] == 20


def test_files_a_folder_a_manifest_and_arrays_teach_the_same(normal: NDArray[np.uint8], tmp_path: Path) -> None:
    paths = [tmp_path / "normal" / f"{place:02}.png" for place in range(20)]
    paths[0].parent.mkdir()
    for path, image in zip(paths, normal[:, 0], strict=False):
        Image.fromarray(image).save(path)
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "role"), *((path.relative_to(tmp_path), "normal") for path in paths)])
    sources: list[Any] = [normal[:20], paths, [str(path) for path in paths], tmp_path / "normal"]
    sources += [tmp_path, tmp_path / "manifest.csv", [paths[0], *normal[1:20]]]
    fitted = [medad.method("pca", size=32, components=4).fit(source) for source in sources]
    scores = [detector.decision_function(normal[20:24]) for detector in fitted]
    for other in scores[1:]:
        np.testing.assert_array_equal(other, scores[0])


def test_it_is_at_home_in_a_pipeline(detector: medad.Detector, normal: NDArray[np.uint8]) -> None:
    copy = clone(detector)
    with pytest.raises(MedadError, match="call fit"):
        copy.score(normal[0])
    assert copy.get_params() == detector.get_params()
    pipeline = make_pipeline(FunctionTransformer(lambda images: 255 - images), copy).fit(normal[:40])
    scores = pipeline.decision_function(normal[40:43])
    inverted = clone(detector).fit(255 - normal[:40]).decision_function(255 - normal[40:43])
    np.testing.assert_array_equal(scores, inverted)
    assert pipeline.set_params(detector__components=2).named_steps["detector"].settings.components == 2


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([], "the list is empty"),
        ("nothing.dcm", "nothing.dcm: there is no such file"),
        (np.zeros((2, 5, 32, 32)), r"shape \(2, 5, 32, 32\) is no image: give \(N, C, H, W\)"),
        (np.zeros((0, 1, 32, 32)), "holds no pixel"),
        (np.full((32, 32), np.nan), "1024 NaN or infinite pixels"),
        (np.array([["a"]]), "give real numbers"),
        ({"image": 1}, "dict is no image"),
    ],
)
def test_wrong_input_is_an_error_in_plain_words(detector: medad.Detector, images: object, words: str) -> None:
    with pytest.raises(MedadError, match=words):
        detector.score(images)


def test_bad_images_in_a_list_cost_the_good_ones_nothing(
    detector: medad.Detector, abnormal: NDArray[np.uint8], tmp_path: Path
) -> None:
    (tmp_path / "note.txt").write_text("hello")
    broken = abnormal[1].astype(float)
    broken[0, 3, 4] = np.inf
    results = detector.score([abnormal[0], broken, tmp_path / "note.txt", 5, np.zeros((40, 40), np.uint8), abnormal[1]])
    assert [result.status for result in results] == ["scored", "failed", "failed", "failed", "skipped", "scored"]
    assert "images[1]: it has 1 NaN or infinite pixel" in results[1].reason
    assert "it is text" in results[2].reason
    assert results[4].reason == "an empty picture: all its pixels are equal"
    assert [results[0], results[5]] == detector.score(abnormal[:2])
    with pytest.raises(MedadError, match="there is no map: cannot read"):
        _ = results[1].map
    with pytest.raises(MedadError, match="image 1 has no score"):
        detector.decision_function([abnormal[0], broken])


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"componentz": 3}, "Did you mean 'components'"), ({"components": 0}, "components=0 is not allowed")],
)
def test_wrong_settings_are_refused_at_once(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(MedadError, match=words):
        medad.method("pca", **settings)
    with pytest.raises(MedadError, match="did you mean 'pca'"):
        medad.method("pcq")


def test_what_cannot_be_learned_from_is_refused(normal: NDArray[np.uint8], tmp_path: Path) -> None:
    untrained = medad.method("pca", size=32, components=4)
    broken = normal[:9].astype(float)
    broken[4, 0, 0, 0] = np.nan
    for images, words in ((broken, r"normal\[4\]: it has 1 NaN"), (normal[:3], "needs more than"), ([], "empty")):
        with pytest.raises(MedadError, match=words):
            untrained.fit(images)
    (tmp_path / "x.txt").write_text("mine")
    with pytest.raises(MedadError, match="something else than a model"):
        medad.method("max_intensity", size=32).fit(normal[:3]).save(tmp_path)
