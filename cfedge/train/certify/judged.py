"""All tasks of a workspace, judged together: who is taken for whom, what is known of every held-out
input, and each task's certificate. What certifies and what exports ask the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup import TaskMatches
from cfedge.lookup.finder import Finder
from cfedge.train.certify.caught import with_caught
from cfedge.train.certify.right_answers import right_answers
from cfedge.train.certify.routing import routed
from cfedge.train.certify.shipped import Shipped, shipped
from cfedge.train.measures.calibrating import Terms, held_out_terms
from cfedge.train.measures.certificate import FALSE_REJECT_RATE, Certified, certify
from cfedge.train.measures.pseudo_unknown import pseudo_unknown_terms
from cfedge.train.workspace.folder import WorkspaceFolder

__all__ = ["Judged", "judged"]


class Judged(NamedTuple):
    """What ships, and what it makes of the held-out inputs; all but the router by task.

    Attributes
    ----------
    router
        That ships.
    matches, terms
        See `cfedge.train.certify.routing.routed` and
        `cfedge.train.measures.calibrating.held_out_terms`.
    right
        See `cfedge.train.certify.right_answers`.
    certified
        See `cfedge.train.measures.certificate.certify`; with what is caught of inputs of no task.
    """

    router: Finder
    matches: Mapping[str, TaskMatches]
    terms: Terms
    right: Mapping[str, NDArray[np.bool_]]
    certified: Mapping[str, Certified]


def judged(
    workspace: WorkspaceFolder,
    made: Shipped | None = None,
    *,
    false_reject_rate: float = FALSE_REJECT_RATE,
    tail_share: float | None = None,
) -> Judged:
    """Judge all tasks of a workspace.

    Parameters
    ----------
    made
        What would ship of its tasks; None: what does with its own lookup.
    false_reject_rate
        See `cfedge.train.measures.certificate.certify`.
    tail_share
        See `cfedge.train.certify.routing.routed`.

    Raises
    ------
    UsageError
        The rate is not in (0, 1), or the share not in [0, 1].
    """
    made, background = made or shipped(workspace), workspace.background()
    router, matches = routed(made, background, tail_share=tail_share)
    terms = held_out_terms(
        made.signatures, matches, made.held_out, made.folds, background, rule=made.rule
    )
    right = right_answers(workspace, matches, router)
    certified = certify(
        matches,
        terms,
        false_reject_rate=false_reject_rate,
        right=right,
        pseudo_unknown=pseudo_unknown_terms(router, matches, made.held_out),
    )
    caught = with_caught(certified, router, made.held_out, workspace.foreign())
    return Judged(router, matches, terms, right, caught)
