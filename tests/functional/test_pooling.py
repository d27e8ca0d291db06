"""Slices to studies."""

from __future__ import annotations

import pytest
import torch

from medad.functional.pooling import pool_slices


def test_a_study_has_the_highest_score_of_its_slices() -> None:
    scores = torch.tensor([0.1, 0.5, -2.0, -1.0, -3.0, 7.0])
    assert pool_slices(scores, [2, 3, 1]).tolist() == pytest.approx([0.5, -1.0, 7.0])


def test_each_column_is_pooled_by_itself() -> None:
    scores = torch.tensor([[1.0, 9.0], [5.0, 2.0], [3.0, 4.0]])
    assert pool_slices(scores, [2, 1]).tolist() == [[5.0, 9.0], [3.0, 4.0]]


def test_counts_that_do_not_add_up_are_an_error() -> None:
    with pytest.raises(RuntimeError):
        pool_slices(torch.zeros(4), [2, 1])
