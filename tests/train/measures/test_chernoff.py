"""Chernoff's bound against numerical integration, and against draws from mixtures whose densities
are known.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from every import cases
from scipy import integrate, stats

from cfedge.train.measures.chernoff import _EXPONENTS, Components, chernoff


@pytest.fixture(autouse=True)
def strict_numerics() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


def line(weight: float, mean: float, deviation: float) -> Components:
    return Components(np.array([weight]), np.array([[mean]]), np.array([[deviation**2]]))


def gaussians(
    rng: np.random.Generator, components: int, width: int, spread: float
) -> list[Components]:
    """A mixture with a covariance for each component."""
    weights = rng.dirichlet(np.full(components, 5.0))
    found = []
    for weight in weights:
        factor = rng.normal(size=(width, width)) / width**0.5
        mean = rng.normal(size=(1, width)) * spread
        found.append(Components(np.array([weight]), mean, factor @ factor.T + 0.3 * np.eye(width)))
    return found


def density(mixture: list[Components], x: np.ndarray) -> np.ndarray:
    return sum(
        weight * stats.multivariate_normal(mean, one.covariance).pdf(x)
        for one in mixture
        for weight, mean in zip(one.weights, one.means, strict=True)
    )


def draw(mixture: list[Components], rng: np.random.Generator, count: int) -> np.ndarray:
    parts = [
        (w, m, one.covariance)
        for one in mixture
        for w, m in zip(one.weights, one.means, strict=True)
    ]
    counts = rng.multinomial(count, [part[0] for part in parts])
    return np.concatenate(
        [
            rng.multivariate_normal(mean, s, size=n)
            for (_, mean, s), n in zip(parts, counts, strict=True)
        ]
    )


@cases(
    ("mean", "deviation", "weights"),
    [(2.0, 1.0, (1, 1)), (1.0, 3.0, (1, 1)), (0.0, 0.4, (1, 1)), (5.0, 0.5, (0.04, 0.25))],
)
def test_for_two_gaussians_it_is_the_least_integral_over_the_exponents(
    mean: float, deviation: float, weights: tuple[float, float]
) -> None:
    first, second = stats.norm(0, 1), stats.norm(mean, deviation)
    with np.errstate(all="ignore"):
        integrals = [
            integrate.quad(
                lambda x, a=a: (
                    (weights[0] * first.pdf(x)) ** (1 - a) * (weights[1] * second.pdf(x)) ** a
                ),
                -40,
                40,
                points=[0, mean],
            )[0]
            for a in _EXPONENTS
        ]
    assert chernoff([line(weights[0], 0, 1)], [line(weights[1], mean, deviation)]) == pytest.approx(
        min(integrals), rel=1e-6
    )


@cases("seed", range(6))
def test_inputs_of_a_mixture_are_likelier_under_the_rival_at_most_as_often_as_it_says(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    own, rival = gaussians(rng, 3, 4, 2.0), gaussians(rng, 2, 4, 2.0)
    x = draw(own, rng, 20_000)
    share = float((density(rival, x) >= density(own, x)).mean())
    bound = chernoff(own, rival)
    assert share > 0
    assert share <= bound
    assert bound < 200 * share


def test_components_of_one_covariance_may_be_given_together_or_apart() -> None:
    rng = np.random.default_rng(9)
    covariance = np.diag(rng.uniform(0.5, 2, size=5))
    together = Components(np.array([0.3, 0.7]), rng.normal(size=(2, 5)), covariance)
    apart = [Components(together.weights[[i]], together.means[[i]], covariance) for i in range(2)]
    rival = gaussians(rng, 2, 5, 3.0)
    assert chernoff([together], rival) == pytest.approx(chernoff(apart, rival), rel=1e-12)


def test_the_two_directions_agree_where_the_weights_do() -> None:
    rng = np.random.default_rng(10)
    own, rival = gaussians(rng, 1, 6, 2.0), gaussians(rng, 1, 6, 2.0)
    assert chernoff(own, rival) == pytest.approx(chernoff(rival, own), rel=1e-9)


def test_equal_mixtures_are_told_apart_by_nothing_and_distant_ones_always() -> None:
    assert chernoff([line(1, 0, 1)], [line(1, 0, 1)]) == pytest.approx(1.0)
    assert chernoff([line(1, 0, 1)], [line(1, 1000, 1)]) == 0.0
