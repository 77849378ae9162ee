"""Below which margin does the lookup look closer? Plain values: a manifest, a channel's index and a
rollout carry them, the router obeys them.

How they are chosen is `cfedge.train.measures.margins`'s.
"""

from __future__ import annotations

from cfedge.records import record

__all__ = ["Margins", "SECOND_SHARES", "TAIL_SHARE"]

#: Shares of held-out inputs that may get a second stage, of which the tasks' own overlap chooses
#: one (docs/decisions/0051-which-inputs.md).
SECOND_SHARES = 0.3, 0.45, 0.6, 0.75, 0.9
#: Of held-out inputs, those that may get a third stage at most; few are run through the frozen tail
#: for it alone, since whether they are known has to be asked there too
#: (docs/decisions/0051-which-inputs.md).
TAIL_SHARE = 0.4


@record(frozen=True)
class Margins:
    """Two margins of the lookup, in nats, each >= 0; 0: never. And what they were chosen to keep.

    Attributes
    ----------
    second
        An input whose margin after the first stage is below it gets the second stage.
    third
        An input whose margin after the second stage is below it gets the third.
    tail_share
        Of held-out inputs at most so many get the third stage, in [0, 1]: it runs the frozen tail.
    second_share
        Of held-out inputs at most so many get the second stage, in [0, 1]: a monitor's bound on
        thin margins and a session's temperature follow from it.
    """

    second: float = 0.0
    third: float = 0.0
    tail_share: float = 1.0
    second_share: float = 1.0
