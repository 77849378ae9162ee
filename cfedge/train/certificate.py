"""How often will the lookup pick another task, and above which ood_score is an input unknown? From
held-out examples.

Beside the upper confidence bound, which holds whatever the distribution, `inspect` computes what the lookup's own
model says: a union bound for Gaussian clusters with the shared covariance, and whether the held-out
examples bear it out.

Certificates are computed for all tasks of the workspace together, from each task's held-out
features (never used to learn) and the lookup that ships. They therefore hold for exactly this set
of tasks: adding or removing one means computing them anew, which takes no earlier task's data
beyond that evidence.

Letters: N held-out examples of a task, T tasks.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.manifest import Certificate
from cfedge.confidence import lower_bound, upper_bound
from cfedge.errors import UsageError
from cfedge.lookup import (
    ClusterStatistics,
    Features,
    Lookup,
    Router,
    TaskMatch,
    TaskMatches,
    TaskSignature,
    ood_score,
)
from cfedge.lookup.clusters import shared_covariance
from cfedge.lookup.router import SECOND_STAGE_SHARE, THIRD_STAGE_SHARE
from cfedge.margins import Margins
from cfedge.progress import Progress, Quiet
from cfedge.runtime.table import Int8Table
from cfedge.train.chernoff import Components, chernoff, log_likelihood

__all__ = [
    "Evidence",
    "FALSE_REJECT_RATE",
    "Inspection",
    "Overlap",
    "certify",
    "inspect",
    "mixture_bounds",
    "overlaps",
    "route",
]

ALPHA = 0.05
FALSE_REJECT_RATE = 0.05
#: Of all held-out inputs, those that may go without a third stage though it would say another task
#: than the second.
UNSEEN_CHANGES = 0.002
#: Of a task's inputs, by the first stage's own model or among the held-out ones, that a rival takes:
#: less is not an overlap. The model is sure of itself (docs/decisions/0008-certificates.md): where it
#: gives a rival this much, the clusters do coincide.
OVERLAP_SHARE = 0.1

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Evidence:
    """One task's certificate and unknown threshold, and the rate at which that calls the task's own
    inputs unknown, in the mean at most: the chosen one, or what so few held-out examples allow.
    """

    certificate: Certificate
    threshold: float
    false_reject_rate: float


@dataclass(frozen=True)
class Inspection:
    """What the first stage's own model says of one task, and whether the evidence bears it out.

    Attributes
    ----------
    errors
        Held-out examples that the first stage gives to another task.
    bound
        Model: `cfedge.lookup.Lookup.confusions`, summed over the rivals. Not capped: >= 1 says
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


@dataclass(frozen=True)
class Overlap:
    """Two tasks whose clusters coincide, at least in part.

    Attributes
    ----------
    task, rival
        Inputs of `task` go to `rival`.
    share
        Of its inputs, by the first stage's model: a union bound, at most 1.
    taken, held_out
        Of its held-out inputs, those that the lookup that ships gives to the rival, and all.
    upper_bound, rival_upper_bound
        What the certificates of the two say now.
    """

    task: str
    rival: str
    share: float
    taken: int
    held_out: int
    upper_bound: float
    rival_upper_bound: float


def certify(
    found: Mapping[str, TaskMatches],
    best: Mapping[str, Floats],
    directions: int,
    *,
    alpha: float = ALPHA,
    false_reject_rate: float = FALSE_REJECT_RATE,
) -> dict[str, Evidence]:
    """Certify every task against all of them.

    Parameters
    ----------
    found
        By task, all of them: what the lookup that ships makes of its held-out examples, N >= 1.
    best
        By task, its own adapted head's best score for each of them, float32 [N].
    directions
        Of that lookup's first stage.
    alpha
        All tasks' bounds hold together with probability >= 1 - alpha (each at alpha / T).
    false_reject_rate
        Share of a task's own inputs that may be called unknown. The threshold is the ceil((N + 1)(1
        - rate))-th smallest `ood_score` (split conformal), at most the largest, of the held-out
        examples that the lookup gives to this task: those are the ones to which the engine applies
        it. Of N so few that this is the largest, 1 / (N + 1) is the rate that holds.

    Raises
    ------
    UsageError
        The rate is not in (0, 1).
    """
    if not 0 < false_reject_rate < 1:
        raise UsageError(
            f"false-reject rate: expected a share in (0, 1), found {false_reject_rate}"
        )
    tasks = sorted(found)
    evidence: dict[str, Evidence] = {}
    for position, name in enumerate(tasks):
        own = found[name]
        wrong = own.task[own.task != position]
        rivals = Counter(tasks[index] for index in wrong)
        rival, rival_errors = (
            min(rivals.items(), key=lambda item: (-item[1], item[0])) if rivals else (None, 0)
        )
        examples = len(own.task)
        certificate = Certificate(
            held_out=examples,
            errors=len(wrong),
            upper_bound=upper_bound(len(wrong), examples, alpha / len(tasks)),
            alpha=alpha,
            tasks=len(tasks),
            rival=rival,
            rival_errors=rival_errors,
        )
        strange = ood_score(own.distance, best[name], directions)
        routed = strange[own.task == position]
        own_strange = routed if len(routed) else strange
        rate = max(false_reject_rate, 1 / (len(own_strange) + 1))
        evidence[name] = Evidence(certificate, _threshold(own_strange, false_reject_rate), rate)
    return evidence


def overlaps(
    router: Router,
    found: Mapping[str, TaskMatches],
    evidence: Mapping[str, Evidence],
    of: Collection[str],
) -> list[Overlap]:
    """Return each task and rival that overlap by `OVERLAP_SHARE`, one of the two in `of`, the
    largest share first.

    Parameters
    ----------
    router, found, evidence
        Of all tasks together, as they ship: what looked the held-out inputs up, what it found, what
        that certifies.
    """
    pairs = []
    for name in router.tasks:
        certificate = evidence[name].certificate
        taken = np.bincount(found[name].task, minlength=len(router.tasks))
        for rival, share in router.first.confusions(name, None if name in of else of).items():
            errors = int(taken[router.tasks.index(rival)])
            if max(share, errors / certificate.held_out) >= OVERLAP_SHARE:
                bounds = certificate.upper_bound, evidence[rival].certificate.upper_bound
                pairs.append(
                    Overlap(name, rival, min(1.0, share), errors, certificate.held_out, *bounds)
                )
    return sorted(
        pairs, key=lambda one: (-max(one.share, one.taken / one.held_out), one.task, one.rival)
    )


def route(
    signatures: Mapping[str, TaskSignature], held_out: Mapping[str, Features]
) -> tuple[Router, dict[str, TaskMatches]]:
    """Return the router that ships, and what it makes of each task's held-out inputs.

    Those with the thinnest margins get a second stage, and of them a third: `THIRD_STAGE_SHARE` of
    all, and so many more that all but `UNSEEN_CHANGES` of all get one where it says another task
    than the second. That asks for no labels, so what the labels then count is not chosen by them.
    Where the margin of the third stage is that of one input, that one alone is answered by its
    second: a third that it gets by setting the margin says nothing of inputs to come. Each look is
    taken once.
    """
    router = Router(signatures, table=Int8Table)
    rows = [row for pair in held_out.values() for row in zip(pair.trunk, pair.tail, strict=True)]
    found = [router.look(trunk) for trunk, _ in rows]
    if len(router.tasks) > 1:
        router.margins = Margins(_quantile(found, SECOND_STAGE_SHARE))
        thin = [index for index, one in enumerate(found) if one.margin < router.margins.second]
        for index in thin:
            found[index] = router.look_again(rows[index][0], None)
        deeper = [router.look_again(*rows[index]) for index in thin]
        setter = None
        if thin:
            third, setter = _third([found[index] for index in thin], deeper, len(rows))
            router.margins = replace(router.margins, third=third)
        for place, index in enumerate(thin):
            if place != setter and router.is_open(found[index]):
                found[index] = deeper[place]
    answers = iter(found)
    return router, {
        name: TaskMatches.stacked(list(itertools.islice(answers, len(pair.trunk))))
        for name, pair in held_out.items()
    }


def _third(
    closer: list[TaskMatch], deeper: list[TaskMatch], held_out: int
) -> tuple[float, int | None]:
    """The margin of the second stage below which a third is taken, from what both say of the same
    inputs, of `held_out` in all; and which of them it is just above, if its answer is why.
    """
    least = _quantile(closer, min(1.0, THIRD_STAGE_SHARE * held_out / len(closer)))
    pairs = zip(closer, deeper, strict=True)
    changed = sorted(
        (one.margin, place) for place, (one, other) in enumerate(pairs) if one.task != other.task
    )
    unseen = int(UNSEEN_CHANGES * held_out)
    if len(changed) > unseen:
        margin, setter = changed[-1 - unseen]
        if margin >= least:
            return math.nextafter(margin, math.inf), setter
    return least, None


def _quantile(found: list[TaskMatch], share: float) -> float:
    """The margin below which at most so many are: an order statistic, as `cfedge.runtime.drift`
    supposes.
    """
    return -_threshold(np.array([-one.margin for one in found], np.float64), share)


def _threshold(strange: NDArray[np.floating], rate: float) -> float:
    """The ceil((N + 1)(1 - rate))-th smallest, at most the largest: as many are above it as split
    conformal prediction allows.
    """
    ordered = np.sort(strange)
    place = max(1, min(math.ceil((len(ordered) + 1) * (1 - rate)), len(ordered)))
    return float(ordered[place - 1])


def inspect(
    signatures: Mapping[str, ClusterStatistics],
    held_out: Mapping[str, Floats],
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
    alpha
        See `certify`.
    shrinkage
        See `cfedge.lookup.Lookup`.
    mixtures
        What `mixture_bounds` found, to be held against the errors of the likelier mixture.
    """
    lookup = Lookup(signatures, shrinkage=shrinkage)
    found = {name: lookup(held_out[name]) for name in lookup.tasks}
    evidence = certify(
        found,
        {name: one.distance * 0 for name, one in found.items()},
        lookup.directions,
        alpha=alpha,
    )
    likelier = _mixture_errors(signatures, held_out) if mixtures else {}
    inspected: dict[str, Inspection] = {}
    for name in lookup.tasks:
        apart = lookup.separations(name)
        bound = sum(lookup.confusions(name).values(), 0.0)
        nearest = (
            min(apart, key=lambda rival: (float(apart[rival].min()), rival)) if apart else None
        )
        certificate = evidence[name].certificate
        inspected[name] = Inspection(
            errors=certificate.errors,
            bound=bound,
            nearest=nearest,
            separation=float(apart[nearest].min()) if nearest else None,
            nearest_errors=int((found[name].task == lookup.tasks.index(nearest)).sum())
            if nearest
            else 0,
            status=_status(certificate.errors, certificate, bound),
            mixture_errors=likelier.get(name),
            mixture_bound=mixtures[name] if mixtures else None,
            mixture_status=_status(likelier[name], certificate, mixtures[name])
            if mixtures
            else None,
        )
    return inspected


def mixture_bounds(
    signatures: Mapping[str, ClusterStatistics], progress: Progress | None = None
) -> dict[str, float]:
    """Bound, by task, how often a rival's mixture is the likelier one, each task with the
    covariance of its own clusters, shrunk.

    `cfedge.train.chernoff.chernoff`, summed over the rivals: what the best rule could make of tasks
    that differ in their spread, not what the lookup that ships, with its one covariance, does. Not
    capped. Costs T^2 decompositions of D x D.
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
