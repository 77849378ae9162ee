"""From which margin on does the trunk's part of a head decide alone? From the task's own held-out
examples, when it is learned.

A label that the trunk's part gives by a wide margin is the label that the whole head gives: then
the tail need not be run (docs/decisions/0026-early-exit.md). What is chosen here is the task's own
and never chosen anew, so that other tasks do not move its answers.

Letters: N held-out examples, C classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfedge.runtime.adapter import NEVER
from cfedge.train.settings import EXIT_SHARE

__all__ = ["EXIT_LEAST", "choose_exit", "no_exit"]

Floats = NDArray[np.float32]

#: Held-out examples that do not end early, at least: the fewer there are, the less they can show
#: that the tail never matters.
EXIT_LEAST = 20


def choose_exit(trunk: Floats, adapted: Floats, share: float = EXIT_SHARE) -> dict[str, Floats]:
    """Return ``exit.margin``, float32 [1] (`cfedge.runtime.adapter.Adapter`).

    The margin is the one that `share` of the examples reach, or more: no example that reaches it
    may get another label from the whole head, and `EXIT_LEAST` do not reach it.

    Parameters
    ----------
    trunk, adapted
        Scores of both parts of the head, float32 [N, C].
    share
        Of the examples, 0 to 1; 0: the tail is always run. A task of one class never runs it.
    """
    if trunk.shape[1] == 1:  # there is no other label: the lookup alone decides
        return _exit(np.float32(0))
    if not share or len(trunk) <= EXIT_LEAST:
        return no_exit()
    ordered = np.sort(trunk, axis=1)
    margins = ordered[:, -1].astype(np.float64) - ordered[:, -2]
    turned = margins[trunk.argmax(axis=1) != (trunk + adapted).argmax(axis=1)]
    wider = margins[margins > turned.max(initial=-1)]
    if not len(wider):
        return no_exit()
    share = min(share, 1 - EXIT_LEAST / len(trunk))
    margin = np.float32(np.quantile(margins, 1 - share))
    if len(turned):  # half way: quantised weights move a margin a little
        margin = max(
            margin,
            np.float32((turned.max() + wider.min()) / 2),
            np.nextafter(np.float32(turned.max()), NEVER),
        )
    return _exit(margin) if (margins >= margin).any() else no_exit()


def no_exit() -> dict[str, Floats]:
    """Return that with which the tail is always run."""
    return _exit(NEVER)


def _exit(margin: np.floating) -> dict[str, Floats]:
    return {"exit.margin": np.array([margin], np.float32)}
