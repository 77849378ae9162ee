"""How many known inputs the trunk alone accepts."""

from __future__ import annotations

import numpy as np

from cfedge.lookup.familiarity import Terms
from cfedge.lookup.ood import trunk_score
from cfedge.train.measures.calibrating import calibrations


def _accepted(terms: dict[str, np.ndarray]) -> dict[str, float]:
    """Of each task's inputs, the share that the trunk accepts."""
    rules = calibrations(terms)
    return {
        name: float(
            np.mean(
                [
                    trunk_score(rules[name], Terms(0.0, *row[:2])) <= rules[name].accepted
                    for row in own
                ]
            )
        )
        for name, own in terms.items()
    }


def test_the_trunk_accepts_seven_tenths_of_all_known_inputs() -> None:
    rng = np.random.default_rng(0)
    found = _accepted({name: rng.normal(size=(500, 5)) for name in "abcd"})
    assert abs(np.mean(list(found.values())) - 0.7) < 0.01


def test_of_one_task_the_trunk_accepts_eight_tenths_at_most() -> None:
    rng = np.random.default_rng(0)
    terms = {name: rng.normal(size=(500, 5)) for name in "abc"}
    terms["near"] = rng.normal(size=(500, 5)) - 5
    assert abs(_accepted(terms)["near"] - 0.8) < 0.01
