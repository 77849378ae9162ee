"""How often will the lookup pick another task, and above which distance is an input unknown? From held-out examples.

Both are computed for all tasks of the workspace together, from each task's held-out features (never used to learn) and
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

__all__ = ["Evidence", "certify", "upper_limit"]

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


def certify(
    signatures: Mapping[str, Signature],
    held_out: Mapping[str, NDArray[np.float32]],
    *,
    alpha: float = ALPHA,
    false_reject_rate: float = FALSE_REJECT_RATE,
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
    """
    lookup = Lookup(signatures)
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
