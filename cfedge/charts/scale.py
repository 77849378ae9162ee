"""From values to pixels: a linear or logarithmic scale, its round ticks, and how values are shown."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Format", "Scale", "milliseconds", "number", "percent"]

Format = Callable[[float], str]


@dataclass(frozen=True)
class Scale:
    """A map from values [low, high] to pixels [start, end].

    Attributes
    ----------
    logarithmic
        Whether equal ratios are equally long; then 0 < low.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of a value; what lies outside, or is no number, is put on the edge."""
        low, high, value = self._bent(self.low), self._bent(self.high), self._bent(value)
        share = (value - low) / (high - low) if high > low else 0.5
        share = min(1.0, max(0.0, share)) if not math.isnan(share) else 0.0
        return self.start + share * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Return about `count` round values within the scale, ascending."""
        if self.logarithmic:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = (1, 2, 5) if len(powers) <= 4 else (1,)
            values = [step * 10.0**power for power in powers for step in steps]
            return [value for value in values if self.low <= value <= self.high]
        return round_steps(self.low, self.high, count)

    def _bent(self, value: float) -> float:
        if not self.logarithmic:
            return value
        return math.log10(value) if value > 0 else math.log10(self.low)


def round_steps(low: float, high: float, count: int) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of ten within [low, high], about `count`."""
    if not high > low:
        return [low]
    rough = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 12) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    """Show a number with three digits: 0.0312, 4.2, 1,250."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def percent(value: float) -> str:
    """Show a share as a percentage: 0.5%, 12%, 99.7%. Below a tenth and above nine it has a decimal,
    so that what is nearly none, or nearly all, is not called none or all.
    """
    tenths = round(value * 100, 1)
    if (0 < abs(value) < 0.1 or 0.9 < value < 1) and tenths % 1:
        return f"{tenths:.1f}%"
    if value > 0 and not tenths:
        return "<0.1%"
    return ">99.9%" if value < 1 and tenths == 100 else f"{value:.0%}"


def milliseconds(value: float) -> str:
    """Show a time: 0.85 ms, 12 ms."""
    return f"{number(value)} ms"
