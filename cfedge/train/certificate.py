"""How often will the lookup pick another task, and above which distance is an input unknown? From held-out examples.

Beside the limit, which holds whatever the distribution, `inspect` computes what the lookup's own model says: a union
bound for Gaussian clusters with the shared covariance, and whether the held-out examples bear it out.

Certificates are computed for all tasks of the workspace together, from each task's held-out features (never used to learn) and
the lookup that ships. They therefore hold for exactly this set of tasks: adding or removing one means computing them
anew, which takes no earlier task's data beyond that evidence.

Letters: N held-out examples of a task, T tasks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cfedge.bundle.manifest import Certificate
from cfedge.lookup import Lookup, Signature

__all__ = ["Evidence", "Inspection", "certify", "inspect", "lower_limit", "upper_limit"]

ALPHA = 0.05
FALSE_REJECT_RATE = 0.05


@dataclass(frozen=True)
class Evidence:
    """One task's certificate and unknown threshold."""

    certificate: Certificate
    threshold: float
    false_reject_rate: float


def upper_limit(errors: int, examples: int, alpha: float) -> float:
    """Clopper-Pearson upper limit of an error rate: BetaInv(1 - alpha; errors + 1, examples - errors).

    The true rate exceeds it in at most a share `alpha` of draws (Clopper and Pearson 1934).
    """
    if errors >= examples:
        return 1.0
    return float(stats.beta.ppf(1 - alpha, errors + 1, examples - errors))


def lower_limit(errors: int, examples: int, alpha: float) -> float:
    """Clopper-Pearson lower limit of an error rate: BetaInv(alpha; errors, examples - errors + 1)."""
    return float(stats.beta.ppf(alpha, errors, examples - errors + 1)) if errors else 0.0


@dataclass(frozen=True)
class Inspection:
    """One task's certificate against the lookup's own model.

    Attributes
    ----------
    evidence
        Measured: errors, limit, threshold.
    bound
        Model: sum over own clusters c, weighted by their counts, of sum over rival clusters c' of Q(d(c, c') / 2), d
        being the Mahalanobis distance of the means under the shared, shrunk covariance. Not capped: >= 1 says nothing.
    nearest, separation
        The rival task with the cluster nearest to one of this task's, and that distance; None where there is no rival.
    nearest_errors
        Held-out errors that go to it.
    status
        ``holds``: the held-out error is at most the bound; ``violated``: even the lower confidence limit (the same alpha)
        is above it, so the model does not describe this task; ``undecided``: between the two; ``vacuous``: the bound is
        1 or more.
    """

    evidence: Evidence
    bound: float
    nearest: str | None
    separation: float | None
    nearest_errors: int
    status: str


def certify(
    signatures: Mapping[str, Signature],
    held_out: Mapping[str, NDArray[np.float32]],
    *,
    alpha: float = ALPHA,
    false_reject_rate: float = FALSE_REJECT_RATE,
    shrinkage: float | None = None,
) -> dict[str, Evidence]:
    """Certify every task against all of them.

    Parameters
    ----------
    signatures
        As shipped, by task.
    held_out
        Unit-length features float32 [N, D], by task, N >= 1.
    alpha
        All tasks' limits hold together with probability >= 1 - alpha (each at alpha / T).
    false_reject_rate
        Share of a task's own inputs that may be called unknown. The threshold is the ceil((N + 1)(1 - rate))-th smallest
        distance (split conformal), at most the largest, of the held-out examples that the lookup gives to this task: those
        are the ones to which the engine applies it.
    shrinkage
        See `cfedge.lookup.Lookup`.
    """
    lookup = Lookup(signatures, shrinkage=shrinkage)
    evidence: dict[str, Evidence] = {}
    for position, name in enumerate(lookup.tasks):
        found = lookup(held_out[name])
        wrong = found.task[found.task != position]
        rivals = Counter(lookup.tasks[index] for index in wrong)
        rival, rival_errors = min(rivals.items(), key=lambda item: (-item[1], item[0])) if rivals else (None, 0)
        examples = len(found.task)
        certificate = Certificate(
            held_out=examples,
            errors=len(wrong),
            limit=upper_limit(len(wrong), examples, alpha / len(lookup.tasks)),
            alpha=alpha,
            tasks=len(lookup.tasks),
            rival=rival,
            rival_errors=rival_errors,
        )
        own = found.distance[found.task == position]
        threshold = _threshold(own if len(own) else found.distance, false_reject_rate)
        evidence[name] = Evidence(certificate, threshold, false_reject_rate)
    return evidence


def _threshold(distances: NDArray[np.float32], rate: float) -> float:
    ordered = np.sort(distances)
    place = min(math.ceil((len(ordered) + 1) * (1 - rate)), len(ordered))
    return float(ordered[place - 1])


def inspect(
    signatures: Mapping[str, Signature],
    held_out: Mapping[str, NDArray[np.float32]],
    *,
    alpha: float = ALPHA,
    shrinkage: float | None = None,
) -> dict[str, Inspection]:
    """Certify every task and hold its model bound against the evidence; for the arguments see `certify`."""
    lookup = Lookup(signatures, shrinkage=shrinkage)
    evidence = certify(signatures, held_out, alpha=alpha, shrinkage=shrinkage)
    found: dict[str, Inspection] = {}
    for name in lookup.tasks:
        apart = lookup.separations(name)
        counts = signatures[name].counts / signatures[name].counts.sum()
        bound = float(sum(counts @ stats.norm.sf(distances / 2).sum(axis=1) for distances in apart.values()))
        nearest = min(apart, key=lambda rival: (float(apart[rival].min()), rival)) if apart else None
        taken = lookup(held_out[name]).task
        found[name] = Inspection(
            evidence=evidence[name],
            bound=bound,
            nearest=nearest,
            separation=float(apart[nearest].min()) if nearest else None,
            nearest_errors=int((taken == lookup.tasks.index(nearest)).sum()) if nearest else 0,
            status=_status(evidence[name].certificate, bound),
        )
    return found


def _status(certificate: Certificate, bound: float) -> str:
    errors, examples = certificate.errors, certificate.held_out
    if bound >= 1:
        return "vacuous"
    if errors / examples <= bound:
        return "holds"
    return "violated" if lower_limit(errors, examples, certificate.alpha / certificate.tasks) > bound else "undecided"
