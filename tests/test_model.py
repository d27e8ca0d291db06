"""A model folder made by hand, from the names that medad/model.py documents, gives the scores of its weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from reference.plain import NETWORKS, Weights, asr_net, score_maps
from safetensors.torch import save_file
from torch import Generator, Tensor

from medad.model import ModelError, load, save

SIZE, MEMBERS = 32, 2
FLAT = 64 * (SIZE // 16) ** 2
SCORES = ("single", "rec", "intra", "inter", "r_intra", "r_dual")
OUTPUTS = {"ae": 1, "aeu": 2, "memae": 1}


def norm(name: str, features: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{part}": (features,) for part in ("weight", "bias", "running_mean", "running_var")}


def convolutions(name: str, places: list[int], shapes: list[tuple[int, int]]) -> dict[str, tuple[int, ...]]:
    """Convolutions 4 x 4 at ``places``, each but a last transposed one followed by a batch norm."""
    found: dict[str, tuple[int, ...]] = {}
    for place, shape in zip(places, shapes, strict=True):
        found[f"{name}.{place}.weight"] = (*shape, 4, 4)
        if place != 14:
            found |= norm(f"{name}.{place + 1}", shape[1] if "decoder" in name else shape[0])
    return found


def network(name: str, kind: str) -> dict[str, tuple[int, ...]]:
    encoder, decoder = f"{name}.encoder", f"{name}.decoder"
    found = convolutions(encoder, [0, 3, 6, 9], [(16, 1), (32, 16), (64, 32), (64, 64)])
    found |= {f"{encoder}.13.weight": (2048, FLAT), f"{encoder}.13.bias": (2048,), **norm(f"{encoder}.14", 2048)}
    found |= {f"{encoder}.16.weight": (16, 2048), f"{encoder}.16.bias": (16,)}
    found |= {f"{decoder}.0.weight": (2048, 16), f"{decoder}.0.bias": (2048,), **norm(f"{decoder}.1", 2048)}
    found |= {f"{decoder}.3.weight": (FLAT, 2048), f"{decoder}.3.bias": (FLAT,)}
    last = OUTPUTS[kind]
    found |= convolutions(decoder, [5, 8, 11, 14], [(64, 64), (64, 32), (32, 16), (16, last)])
    return found | ({f"{name}.memory.items": (25, 16)} if kind == "memae" else {})


def refiner(name: str, inputs: int) -> dict[str, tuple[int, ...]]:
    layers = f"refiners.{name}.layers"
    found: dict[str, tuple[int, ...]] = {}
    for place, shape in ((0, (128, inputs)), (3, (128, 128)), (6, (2, 128))):
        found |= {f"{layers}.{place}.weight": (*shape, 3, 3), f"{layers}.{place}.bias": (shape[0],)}
        if place != 6:
            found |= norm(f"{layers}.{place + 1}", shape[0])
    return found


def draw(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    rng = Generator().manual_seed(0)
    return {
        name: torch.rand(shape, generator=rng) + 0.5
        if name.endswith("running_var")
        else (torch.rand(shape, generator=rng) - 0.5) * 2 * max(1, int(np.prod(shape[1:]))) ** -0.5
        for name, shape in shapes.items()
    }


def write(folder: Path, kind: str) -> dict[str, Tensor]:
    shapes: dict[str, tuple[int, ...]] = {}
    for module in ("ndm", "udm"):
        for index in range(MEMBERS):
            shapes |= network(f"{module}.members.{index}", kind)
    shapes |= refiner("r_intra", 1) | refiner("r_dual", 2)
    tensors = draw(shapes)
    save_file(tensors, folder / "weights.safetensors")
    settings = {"size": SIZE, "members": MEMBERS, "network": kind}
    card = {
        "method": "ddad",
        "settings": settings,
        "seed": 0,
        "trained_on": {},
        "map_scale": dict.fromkeys(SCORES, 1.0),
    }
    (folder / "model.json").write_text(json.dumps(card))
    return tensors


@pytest.mark.parametrize("kind", ["ae", "aeu", "memae"])
def test_weights_made_elsewhere_give_their_scores(tmp_path: Path, kind: str) -> None:
    tensors = write(tmp_path, kind)
    images = torch.rand(3, 1, SIZE, SIZE, generator=Generator().manual_seed(1)) * 2 - 1

    def part(prefix: str) -> Weights:
        """The tensors of one network, the memory's between encoder and decoder, as the plain functions take them."""
        own = {name: value for name, value in tensors.items() if name.startswith(prefix)}
        order = {"encoder": 0, "decoder": 1, "memory": 2}
        return Weights(dict(sorted(own.items(), key=lambda item: order.get(item[0].split(".")[3], 0))))

    made = {
        module: [NETWORKS[kind](images, part(f"{module}.members.{index}.")) for index in range(MEMBERS)]
        for module in ("ndm", "udm")
    }
    ndm, udm = ([one["mean"].numpy() for one in made[module]] for module in ("ndm", "udm"))
    noise = [one["log_variance"].numpy() for one in made["ndm"] if "log_variance" in one]
    expected = score_maps(images.numpy(), ndm, udm, noise or None)
    for name in ("r_intra", "r_dual"):
        expected[name] = asr_net(torch.from_numpy(expected[name]).float(), part(f"refiners.{name}."))[:, 1:].numpy()
    found = load(tmp_path).method.score(images)
    for name, maps in expected.items():
        mean = maps.reshape(len(images), -1).mean(axis=1)
        np.testing.assert_allclose(found[name].score.numpy(), mean, rtol=1e-4, err_msg=name)


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    write(tmp_path, "ae")
    first = load(tmp_path)
    save(tmp_path / "again", first.method, first.card)
    second = load(tmp_path / "again")
    images = torch.rand(2, 1, SIZE, SIZE)
    for name, one in first.method.score(images).items():
        assert torch.equal(one.anomaly_map, second.method.score(images)[name].anomaly_map)
    assert second.card == first.card


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    tensors = write(tmp_path, "ae")
    del tensors["ndm.members.1.encoder.13.bias"]
    save_file(tensors, tmp_path / "weights.safetensors")
    with pytest.raises(ModelError, match=r"1 tensors do not fit .*'ndm\.members\.1\.encoder\.13\.bias'.*found none"):
        load(tmp_path)


def test_a_card_of_an_earlier_version_loads_and_names_what_it_can(tmp_path: Path) -> None:
    """Its percentiles are those of training; score and map are the method's last; colors start at its threshold."""
    write(tmp_path, "ae")
    before = load(tmp_path)
    content = json.loads((tmp_path / "model.json").read_text())
    content["percentiles"] = {"rec": [float(value) for value in range(101)]}
    content["map_scale"]["r_dual"], content["map_threshold"] = 0.5, {"r_dual": 0.25, "rec": 1.01}
    (tmp_path / "model.json").write_text(json.dumps(content))
    model = load(tmp_path)
    names = list(model.method.scores)
    assert model.card.ranking_score(names[-1]) == model.card.drawn_map("r_dual") == names[-1] == "r_dual"
    assert model.card.color_range("r_dual") == (0.25, 0.5)
    assert model.card.color_range("rec") == (0.0, 1.0), "held-out normals may exceed the scale of training"
    assert model.card.color_range("intra") == (0.0, 1.0), "it names no threshold"
    images = torch.rand(2, 1, SIZE, SIZE) * 2 - 1
    for name, scored in before.method.score(images).items():
        assert torch.equal(scored.score, model.method.score(images)[name].score)


@pytest.mark.parametrize("key", ["score", "map"])
def test_a_card_that_names_no_score_of_its_method_is_refused(tmp_path: Path, key: str) -> None:
    write(tmp_path, "ae")
    content = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**content, key: "dual"}))
    with pytest.raises(ModelError, match=f"{key}='dual' is none of its scores: single, rec"):
        load(tmp_path)
