"""The expected calibration error, against one that is written anew."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cfedge.train.measures.calibration_error import bins_of, calibration_error


def independent(probabilities: np.ndarray, right: np.ndarray, bins: int) -> float:
    """By edges, one bin after the other."""
    edges, total = np.linspace(0, 1, bins + 1), 0.0
    for place, (low, high) in enumerate(itertools.pairwise(edges)):
        inside = (probabilities >= low) & (probabilities < high)
        if place == bins - 1:
            inside |= probabilities == 1
        if inside.any():
            apart = abs(right[inside].mean() - probabilities[inside].mean())
            total += inside.mean() * apart
    return total


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_it_is_what_is_computed_bin_by_bin(bins: int) -> None:
    rng = np.random.default_rng(bins)
    probabilities = np.concatenate([rng.random(500), rng.beta(9, 1, 500), [0.0, 1.0, 1.0]])
    right = rng.random(1_003) < probabilities**2
    found = calibration_error(probabilities, right, bins)
    assert found == pytest.approx(independent(probabilities, right, bins), abs=1e-12)
    assert sum(one.answers for one in bins_of(probabilities, right, bins)) == 1_003


def test_what_comes_true_has_none_and_what_is_always_wrong_has_all() -> None:
    assert calibration_error([0.5, 0.5], [True, False]) == 0
    assert calibration_error([1.0, 1.0, 1.0], [False] * 3) == 1
