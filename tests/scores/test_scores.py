"""What scores refuse, and how they are built."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from medad.registry import scores
from medad.types import Evidence, Reconstructions


def seen(members: int, udm: bool = True) -> Evidence:
    made = Reconstructions(torch.rand(members, 2, 1, 4, 4))
    return Evidence(torch.rand(2, 1, 4, 4), made, made if udm else None)


@pytest.mark.parametrize("name", ["inter", "r_dual"])
def test_without_a_udm_there_is_no_inter_discrepancy(name: str) -> None:
    with pytest.raises(ValueError, match="'inter' compares two modules"):
        scores.get(name)(seen(3, udm=False))


@pytest.mark.parametrize("name", ["intra", "r_intra", "r_dual"])
def test_one_network_has_no_intra_discrepancy(name: str) -> None:
    with pytest.raises(ValueError, match="at least 2 networks, got 1"):
        scores.get(name)(seen(1))


@pytest.mark.parametrize("name", ["single", "rec", "inter"])
def test_one_network_is_enough_for_the_others(name: str) -> None:
    assert scores.get(name)(seen(1)).shape == (2, 1, 4, 4)


def test_refined_scores_name_their_maps() -> None:
    assert scores.get("r_intra").refines == ("intra",)
    assert scores.get("r_dual").refines == ("inter", "intra")
    assert {name: scores.get(name).needs_udm for name in scores.names()} == {
        "single": False,
        "rec": False,
        "intra": False,
        "inter": True,
        "r_intra": False,
        "r_dual": True,
    }


def test_the_baseline_and_the_ensemble_are_different_numbers() -> None:
    """Of errors 1 and -1, single networks have 1 each; their mean is exact."""
    made = Reconstructions(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1, 1))
    evidence = Evidence(torch.zeros(1, 1, 1, 1), made)
    assert _flat(scores.get("single")(evidence)) == [1.0, 1.0]
    assert _flat(scores.get("rec")(evidence)) == [0.0]


def _flat(maps: Tensor) -> list[float]:
    values: list[float] = maps.flatten().tolist()
    return values
