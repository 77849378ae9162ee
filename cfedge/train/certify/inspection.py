"""What does the lookup's own model say of each task, and do the held-out examples bear it out?

Beside the upper confidence bound, which holds whatever the distribution
(`cfedge.train.measures.certificate`), stand a union bound for Gaussian clusters with the shared
covariance, and one for a mixture of its own for each task.

Letters: N held-out examples of a task, T tasks, D width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.manifest import Certificate
from cfedge.calibration import TERMS
from cfedge.confidence import lower_bound
from cfedge.lookup import ClusterStatistics, Lookup, TaskMatch, TaskMatches
from cfedge.lookup.bounds import confusions, nearest
from cfedge.lookup.lda import shared_covariance
from cfedge.progress import Progress, Quiet
from cfedge.train.measures.certificate import ALPHA, certify
from cfedge.train.measures.chernoff import Components, chernoff, log_likelihood
from cfedge.train.measures.folds import Folds

__all__ = ["Inspection", "inspect", "mixture_bounds"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Inspection:
    """What the first stage's own model says of one task, and whether the evidence bears it out.

    Attributes
    ----------
    errors
        Held-out examples that the first stage gives to another task.
    bound
        Model: `cfedge.lookup.bounds.confusions`, summed over the rivals. Not capped: >= 1 says
        nothing.
    nearest, separation
        The rival task with the cluster nearest to one of this task's, and that distance; None where
        there is no rival.
    nearest_errors
        Held-out errors that go to it.
    status
        ``holds``: the held-out error is at most the bound; ``violated``: even the lower confidence
        bound (the same alpha) is above it, so the model does not describe this task; ``undecided``:
        between the two; ``vacuous``: the bound is 1 or more; ``untested``: nothing is held out.
    mixture_errors, mixture_bound, mixture_status
        The same for `mixture_bounds`, where they were asked for, and the held-out examples that are
        as likely under a rival's mixture.
    """

    errors: int
    bound: float
    nearest: str | None
    separation: float | None
    nearest_errors: int
    status: str
    mixture_errors: int | None = None
    mixture_bound: float | None = None
    mixture_status: str | None = None


def inspect(
    signatures: Mapping[str, ClusterStatistics],
    held_out: Mapping[str, Floats],
    folds: Mapping[str, Folds] | None = None,
    *,
    alpha: float = ALPHA,
    shrinkage: float | None = None,
    mixtures: Mapping[str, float] | None = None,
) -> dict[str, Inspection]:
    """Hold the model bound of the first stage against its held-out errors.

    Parameters
    ----------
    signatures
        Of the trunk's features, by task.
    held_out
        Their first view, float32 [N, D], by task.
    folds
        See `cfedge.train.measures.margins.route`.
    alpha
        See `certify`.
    shrinkage
        See `cfedge.lookup.Lookup`.
    mixtures
        What `mixture_bounds` found, to be held against the errors of the likelier mixture.
    """
    lookup = Lookup(signatures, shrinkage=shrinkage)
    judged = _judged(signatures, held_out, folds)
    found = _found(judged, lookup.tasks, shrinkage)
    counted_alone = {name: np.zeros((1, TERMS)) for name in found}
    evidence = certify(found, counted_alone, alpha=alpha)
    likelier: Counter[str] = Counter()
    for statistics, inputs in judged if mixtures else ():
        likelier.update(_mixture_errors(statistics, inputs))
    inspected: dict[str, Inspection] = {}
    for name in lookup.tasks:
        bound = sum(confusions(lookup, name).values(), 0.0)
        rival, apart = nearest(lookup, name) or (None, None)
        certificate = evidence[name].certificate
        inspected[name] = Inspection(
            errors=certificate.errors,
            bound=bound,
            nearest=rival,
            separation=apart,
            nearest_errors=int((found[name].task == lookup.tasks.index(rival)).sum())
            if rival
            else 0,
            status=_status(certificate.errors, certificate, bound),
            mixture_errors=likelier[name] if mixtures else None,
            mixture_bound=mixtures[name] if mixtures else None,
            mixture_status=_status(likelier[name], certificate, mixtures[name])
            if mixtures
            else None,
        )
    return inspected


#: Signatures by task, and by task the held-out inputs that they are not made of.
_Judged = tuple[Mapping[str, ClusterStatistics], Mapping[str, Floats]]


def _judged(
    signatures: Mapping[str, ClusterStatistics],
    held_out: Mapping[str, Floats],
    folds: Mapping[str, Folds] | None,
) -> list[_Judged]:
    """The held-out inputs in parts, each beside the signatures of all tasks without it."""
    if folds is None:
        return [(signatures, held_out)]
    judged: list[_Judged] = []
    for part in range(max(len(one.without) for one in folds.values())):
        without = {name: folds[name].but(part) for name in signatures}
        judged.append(
            (
                {name: one.trunk if one else signatures[name] for name, one in without.items()},
                {name: held_out[name][folds[name].of == part] for name in signatures},
            )
        )
    return judged


def _found(
    judged: list[_Judged], tasks: Sequence[str], shrinkage: float | None
) -> dict[str, TaskMatches]:
    """What the first stage makes of each task's held-out inputs, part by part."""
    matches: dict[str, list[TaskMatch]] = {name: [] for name in tasks}
    for statistics, inputs in judged:
        lookup = Lookup(statistics, shrinkage=shrinkage)
        for name in tasks:
            matches[name] += [lookup.match(lookup.scored(row)) for row in inputs[name]]
    return {name: TaskMatches.stacked(found) for name, found in matches.items()}


def mixture_bounds(
    signatures: Mapping[str, ClusterStatistics], progress: Progress | None = None
) -> dict[str, float]:
    """Bound, by task, how often a rival's mixture is the likelier one, each task with the
    covariance of its own clusters, shrunk.

    `cfedge.train.measures.chernoff.chernoff`, summed over the rivals: what the best rule could make
    of tasks that differ in their spread, not what the lookup that ships, with its one covariance,
    does. Not capped. Costs T^2 decompositions of D x D.
    """
    mixtures = _mixtures(signatures)
    bounds: dict[str, float] = {}
    with (progress or Quiet()).track("mixtures against each other", len(mixtures)) as advance:
        for name, own in mixtures.items():
            bounds[name] = sum(
                chernoff(own, rival) for other, rival in mixtures.items() if other != name
            )
            advance(1)
    return bounds


def _mixtures(signatures: Mapping[str, ClusterStatistics]) -> dict[str, list[Components]]:
    """By task in the order of the names, each with the shrunk covariance of its own clusters."""
    return {
        name: [
            Components(
                one.counts / one.counts.sum(),
                one.means.astype(np.float64),
                shared_covariance([one], None)[0],
            )
        ]
        for name, one in sorted(signatures.items())
    }


def _mixture_errors(
    signatures: Mapping[str, ClusterStatistics], held_out: Mapping[str, Floats]
) -> dict[str, int]:
    """By task, how many of its held-out inputs are at least as likely under a rival's mixture."""
    mixtures = _mixtures(signatures)
    errors = {}
    for name, own in mixtures.items():
        x = held_out[name].astype(np.float64)
        rivals = [log_likelihood(rival, x) for other, rival in mixtures.items() if other != name]
        errors[name] = (
            int((np.max(rivals, axis=0) >= log_likelihood(own, x)).sum()) if rivals else 0
        )
    return errors


def _status(errors: int, certificate: Certificate, bound: float) -> str:
    examples = certificate.held_out
    if not examples:
        return "untested"
    if bound >= 1:
        return "vacuous"
    if errors / examples <= bound:
        return "holds"
    return (
        "violated"
        if lower_bound(errors, examples, certificate.alpha / certificate.tasks) > bound
        else "undecided"
    )
