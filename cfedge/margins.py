"""Below which margin does the lookup look closer? Plain values: a manifest, a channel's index and a
rollout carry them, the router obeys them.

How they are chosen is `cfedge.train.margins`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Margins"]


@dataclass(frozen=True)
class Margins:
    """Two margins of the lookup, in nats, each >= 0; 0: never.

    Attributes
    ----------
    second
        An input whose margin after the first stage is below it gets the second stage.
    third
        An input whose margin after the second stage is below it gets the third.
    """

    second: float = 0.0
    third: float = 0.0
