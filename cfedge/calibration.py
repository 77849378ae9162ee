"""What a task's held-out inputs say of its answers: from which score on an input is unknown, and how
probable it is that an answer is right. Plain values: a manifest, a catalogue and a rollout carry
them, the runtime obeys them.

How they are chosen is `cfedge.train.measures.calibrating`'s and `cfedge.train.measures.odds`'; what the
score is `cfedge.lookup.ood`'s.
"""

from __future__ import annotations

import math

from cfedge.records import record

__all__ = [
    "CERTAIN",
    "COVERAGES",
    "Calibration",
    "NOTHING_UNKNOWN",
    "Odds",
    "RATES",
    "STAGES",
    "TERMS",
    "place_of",
]

#: What an out-of-distribution score is made of, in this order: the relative distance and the
#: relative density behind the trunk, then cosine, relative distance and relative density behind the
#: frozen tail.
TERMS = 5
#: False-reject rates that may be asked for.
RATES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
#: Coverages that may be asked of a set of answers.
COVERAGES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99)
#: Stages that the lookup may take.
STAGES = 3
#: Log-odds beyond which a probability is 0 or 1, whatever the digits.
_FAR = 700.0


def place_of(count: int, coverage: float) -> int:
    """Return which of `count` held-out probabilities of the right answer, the largest first, bounds
    a set of answers of this coverage: ceil((count + 1) coverage). Where it is above `count`, so few
    cannot promise it.
    """
    return math.ceil((count + 1) * coverage - 1e-9)


@record(frozen=True)
class Odds:
    """How probable it is that the task is right, and how small the probability of the right answer
    may be.

    Attributes
    ----------
    slopes, offsets
        `STAGES` each: after so many stages the log-odds of the task are offset + slope x margin,
        the margin in nats. A slope is at least 0.
    limits
        Of the first of `COVERAGES`, as many as the held-out inputs allow: so small, at most, is the
        probability of the right answer to that share of the task's own inputs. None is above the
        one before it.
    """

    slopes: tuple[float, ...]
    offsets: tuple[float, ...]
    limits: tuple[float, ...]

    def of_task(self, stages: int, margin: float) -> float:
        """Return the probability that the task is right, in [0, 1], from the lookup's margin in
        nats after 1 to 3 stages.
        """
        odds = self.offsets[stages - 1] + self.slopes[stages - 1] * margin
        return 1 / (1 + math.exp(-max(-_FAR, min(odds, _FAR))))


@record(frozen=True)
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
    odds
        Of its answers.
    """

    centers: tuple[float, ...]
    scales: tuple[float, ...]
    accepted: float
    thresholds: tuple[float, ...]
    odds: Odds

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


#: By this the task is always right; no set of answers is promised to hold the right one.
CERTAIN = Odds((0.0,) * STAGES, (_FAR,) * STAGES, ())
#: By this no input is unknown.
NOTHING_UNKNOWN = Calibration((0.0,) * TERMS, (1.0,) * TERMS, 1e9, (1e9,) * len(RATES), CERTAIN)
