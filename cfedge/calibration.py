"""What a task's held-out inputs say of its answers: from which score on an input is unknown. Plain
values: a manifest, a catalogue and a rollout carry them, the runtime obeys them.

How they are chosen is `cfedge.train.calibrating`'s, what the score is `cfedge.lookup.ood`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Calibration", "NOTHING_UNKNOWN", "RATES", "TERMS"]

#: What an out-of-distribution score is made of, in this order: the relative distance and the
#: relative density behind the trunk, then cosine, relative distance and relative density behind the
#: frozen tail.
TERMS = 5
#: False-reject rates that may be asked for.
RATES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)


@dataclass(frozen=True)
class Calibration:
    """One task's.

    Attributes
    ----------
    centers, scales
        `TERMS` each: mean and standard deviation (> 0) of the terms on held-out inputs.
    accepted
        An input whose score behind the trunk is at most this is known: the frozen tail is not
        asked.
    thresholds
        Of each of `RATES`: an input whose out-of-distribution score is above it is unknown; none is above
        the one before it.
    """

    centers: tuple[float, ...]
    scales: tuple[float, ...]
    accepted: float
    thresholds: tuple[float, ...]

    def at_rate(self, rate: float) -> tuple[float, float]:
        """Return the largest of `RATES` that is not above `rate`, and its threshold; the smallest
        where all are above.
        """
        place = max((at for at, one in enumerate(RATES) if one <= rate), default=0)
        return RATES[place], self.thresholds[place]

    @property
    def least(self) -> float:
        """The smallest threshold."""
        return self.thresholds[-1]


#: By this no input is unknown.
NOTHING_UNKNOWN = Calibration((0.0,) * TERMS, (1.0,) * TERMS, 1e9, (1e9,) * len(RATES))
