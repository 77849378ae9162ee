"""How strange an input is to a task, against the formulas with whole matrices and their inverses."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from cfedge.lookup.class_gaussians import OF_ONE_VIEW, ClassShape, Shared
from cfedge.lookup.class_table import ClassTable
from cfedge.lookup.familiarity import Familiarity
from cfedge.lookup.lookup import Lookup
from cfedge.train.features.signature import signature

WIDTH = 12


def draw(seed: int, classes: int, examples: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Unit-length features, and the class of each."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), examples)
    features = rng.normal(size=(classes, WIDTH))[labels] + rng.normal(size=(len(labels), WIDTH))
    return normalize(features).astype(np.float32), labels


def test_terms_are_distances_less_the_distance_to_a_background_that_is_wider_by_its_spread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = {"one": draw(1, 3, 40), "two": draw(2, 4, 30)}
    tasks = {name: signature(features, labels, 3) for name, (features, labels) in rows.items()}
    lookup = Lookup(tasks)
    corpus = draw(7, 9, 3)[0]
    familiar = Familiarity(tasks, lookup, ClassTable(tasks, lookup), corpus)
    shared = Shared.of(lookup.within, lookup.shrinkage)
    precision = shared.precision
    groups = [lookup.class_means, (corpus.mean(axis=0), np.cov(corpus.T, ddof=0))]
    center = np.mean([mean for mean, _ in groups], axis=0)
    spread = np.mean([cov + np.outer(mean - center, mean - center) for mean, cov in groups], axis=0)
    wider = np.linalg.inv(np.linalg.inv(precision) + spread)
    for place, name in enumerate(lookup.tasks):
        means = tasks[name].means.astype(np.float64)
        error = 2 * np.trace(precision @ lookup.within) / tasks[name].counts
        shapes = [ClassShape.of(tasks[name], one, shared) for one in range(len(means))]
        for x in draw(5, 1, 6)[0]:
            apart = x - means
            own = np.einsum("cd,de,ce->c", apart, precision, apart) - error
            background = (x - center) @ wider @ (x - center)
            g = [
                shape.linear @ x
                + shape.offset
                + ((shape.directions @ x - shape.centers) ** 2).sum() / 2
                for shape in shapes
            ]
            g = np.array(g) + error / 2 / (2 * (1 - OF_ONE_VIEW.own))
            terms = familiar(x, place)
            np.testing.assert_allclose(terms.relative, own.min() - background, rtol=1e-3, atol=1e-2)
            density = x @ precision @ x / (2 * (1 - OF_ONE_VIEW.own)) - g.max() - background / 2
            np.testing.assert_allclose(terms.density, density, rtol=2e-2, atol=5e-2)
        # Of classes that no cache holds, several inputs at once are told the same.
        some = draw(6, 2, 5)[0]
        alone = [familiar(x, place) for x in some]
        assert familiar.several(some, place) == alone
        with monkeypatch.context() as many:
            # Of very many classes each is scored from 8 bits, which says the same but for rounding.
            many.setattr("cfedge.lookup.familiarity._SPREAD_BYTES", 0)
            compact = Familiarity(tasks, lookup, ClassTable(tasks, lookup), corpus)
            found = [compact(x, place) for x in some]
            assert familiar._of(place).shapes
            assert not compact._of(place).shapes
            np.testing.assert_allclose(found, alone, rtol=1e-4, atol=1e-4)
            many.setattr("cfedge.lookup.familiarity._CACHED_BYTES", 0)
            many.setattr("cfedge.lookup.familiarity._AT_ONCE", 3 * len(means))
            np.testing.assert_allclose(familiar.several(some, place), alone, rtol=1e-4, atol=1e-4)
