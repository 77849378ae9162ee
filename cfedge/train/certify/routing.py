"""The lookup that ships of a workspace, whichever it is, and what it makes of held-out inputs: each by
signatures that the input is not in.
"""

from __future__ import annotations

from cfedge.errors import UsageError
from cfedge.lookup import Background, TaskMatch, TaskMatches
from cfedge.lookup.finder import Finder
from cfedge.lookups import DEFAULT
from cfedge.margins import SECOND_SHARES, Margins
from cfedge.train.certify.shipped import Shipped
from cfedge.train.measures.folds import Without
from cfedge.train.measures.margins import check_tail_share, margin_quantile, route

__all__ = ["routed"]


def routed(
    made: Shipped, background: Background | None = None, *, tail_share: float | None = None
) -> tuple[Finder, dict[str, TaskMatches]]:
    """Return the lookup that ships, and by task what is made of its held-out inputs.

    Parameters
    ----------
    made
        What ships of the tasks.
    background
        See `cfedge.lookup.Router`.
    tail_share
        See `cfedge.train.measures.margins.route`. A lookup that reads the whole encoder runs the
        frozen tail for every input whatever this says; the widest of the thin margins is stated all
        the same (`cfedge.runtime.drift` counts by it).

    Raises
    ------
    UsageError
        The share is not in [0, 1], or is for a lookup that has no third stage.
    """
    check_tail_share(tail_share)
    if made.rule.reads_all and tail_share is not None:
        raise UsageError(
            f"tail share: expected none with a lookup that runs the whole encoder for every input,"
            f" found {tail_share}; leave it out, or use the lookup {DEFAULT}"
        )
    if not made.rule.reads_all:
        return route(made.signatures, made.held_out, made.folds, background, tail_share=tail_share)
    found = {name: [_NONE] * len(one.tail) for name, one in made.held_out.items()}
    for part in range(max(len(one.without) for one in made.folds.values())):
        judge = made.rule.router(Without(made.signatures, made.folds, part))
        for name, features in made.held_out.items():
            rows = (made.folds[name].of == part).nonzero()[0].tolist()
            for row in rows:
                begun = judge.begin(features.trunk[row], row)
                found[name][row] = judge.deepen(begun, features.tail[row]).first
    every = [match for matches in found.values() for match in matches]
    margins, second = Margins(), 0.0
    if len(found) > 1:
        second = margin_quantile(every, SECOND_SHARES[0])
        margins = Margins(second, second_share=SECOND_SHARES[0])
    router = made.rule.router(made.signatures, margins, background=background)
    return router, {
        name: TaskMatches.stacked(
            [one._replace(stages=2 if one.margin < second else 1) for one in matches]
        )
        for name, matches in found.items()
    }


#: In the place of an input that was not looked up.
_NONE = TaskMatch(0, -1, 0.0, 0.0, 0.0)
