"""What an input is compared with, against the formulas as they stand, term by term."""

from __future__ import annotations

import numpy as np

from cfedge.lookup.class_rows import class_rows


def _drawn() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 6))
    spread = root @ root.T / 6 + np.eye(6)
    precision = np.linalg.inv(spread)
    means = rng.normal(size=(4, 6))
    return {
        "spread": spread,
        "precision": precision,
        "means": means,
        "counts": np.array([3, 5, 40, 400]),
        "center": rng.normal(size=6),
        "input": rng.normal(size=6),
    }


def _prepared(drawn: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What half a distance is counted down from, and cosines, of the drawn input."""
    doubt = float(np.trace(drawn["precision"] @ drawn["spread"]))
    rows = class_rows(
        drawn["means"],
        drawn["counts"],
        drawn["center"],
        np.linalg.cholesky(drawn["precision"]),
        float(np.trace(drawn["spread"])),
        doubt / drawn["counts"],
    )
    return rows.linear @ drawn["input"] - rows.offsets, rows.directions @ drawn["input"]


def test_a_score_is_the_distance_less_twice_the_error_of_a_mean() -> None:
    drawn = _drawn()
    scores, _ = _prepared(drawn)
    apart = drawn["input"] - drawn["means"]
    distances = np.einsum("cd,de,ce->c", apart, drawn["precision"], apart)
    error = np.trace(drawn["precision"] @ drawn["spread"]) / drawn["counts"]
    whole = drawn["input"] - drawn["center"]
    square = whole @ drawn["precision"] @ whole
    np.testing.assert_allclose(square - 2 * scores, distances - 2 * error, rtol=1e-4)


def test_a_direction_is_of_the_length_that_a_mean_has_without_its_error() -> None:
    drawn = _drawn()
    _, cosines = _prepared(drawn)
    squares = (drawn["means"] ** 2).sum(axis=1)
    true = np.maximum(squares - np.trace(drawn["spread"]) / drawn["counts"], squares * 0.1)
    np.testing.assert_allclose(cosines, drawn["means"] @ drawn["input"] / np.sqrt(true), rtol=1e-5)
