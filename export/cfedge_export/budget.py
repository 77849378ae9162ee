"""Memory and time as budgets: forms are tried in order of preference, each in a fresh process,
until one keeps to both.

A *form* is what may vary: scheme, depth of the cut, threads. What keeps to the budgets is measured
once more, in another process, and counts only if it does so again. Memory is the scheme's: neither
threads nor the cut take any of it away, so a scheme that takes too much is not tried again. Where
nothing keeps to them, the budget that binds is named: memory if no form keeps to it, else the time
of those that do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cfedge.errors import BudgetError
from cfedge.footprint import Footprint
from cfedge.progress import Progress, Quiet

__all__ = ["Budget", "Fitted", "Form", "Tried", "fit", "thread_counts"]


@dataclass(frozen=True)
class Budget:
    """What one process may take: peak resident memory, and the time of nine texts in ten, one at a
    time; None: no limit.
    """

    ram_bytes: int | None = None
    p90_ms: float | None = None

    def misses(self, found: Footprint) -> tuple[str, ...]:
        """Which of them `found` exceeds, with what it takes."""
        missed = []
        if self.p90_ms is not None and found.latency_ms.p90 > self.p90_ms:
            missed.append(f"p90 {found.latency_ms.p90:.2f} ms")
        if self.ram_bytes is not None and found.peak_rss_bytes > self.ram_bytes:
            missed.append(f"ram {_megabytes(found.peak_rss_bytes)}")
        return tuple(missed)


@dataclass(frozen=True)
class Form:
    """A scheme, the blocks in the trunk, and the threads of ONNX Runtime."""

    scheme: str
    split: int
    threads: int

    def __str__(self) -> str:
        """For messages."""
        return (
            f"{self.scheme}, cut after block {self.split}, {self.threads}"
            f" thread{'' if self.threads == 1 else 's'}"
        )


@dataclass(frozen=True)
class Tried:
    """What a form took."""

    form: Form
    footprint: Footprint


@dataclass(frozen=True)
class Fitted:
    """The form that keeps to the budgets, what it took when measured again, what gave way for it,
    and all that was measured.
    """

    form: Form
    footprint: Footprint
    gave_way: tuple[str, ...]
    tried: tuple[Tried, ...]


def fit(
    forms: Iterable[Form],
    measure: Callable[[Form], Footprint],
    budget: Budget,
    *,
    advice: Callable[[Sequence[Tried]], str],
    progress: Progress | None = None,
) -> Fitted:
    """Find the first form that keeps to the budgets.

    Parameters
    ----------
    forms
        In order of preference.
    measure
        A form in a fresh process.
    advice
        The next step, of all that was measured; asked for only where there is none.

    Raises
    ------
    BudgetError
        No form does; the binding budget is named.
    """
    forms, tried, too_large = list(forms), [], set()
    with (progress or Quiet()).track(
        "budgets, each form in its own process", len(forms)
    ) as advance:
        for form in forms:
            if form.scheme not in too_large:
                for _ in range(2):
                    found = measure(form)
                    tried.append(Tried(form, found))
                    missed = budget.misses(found)
                    if missed:
                        break
                else:
                    return Fitted(form, found, _gave_way(form, tried), tuple(tried))
                if any(one.startswith("ram") for one in missed):
                    too_large.add(form.scheme)
            advance(1)
    raise BudgetError(f"{_binding(tried, budget)}; nothing was written: {advice(tried)}")


def thread_counts(cores: int) -> list[int]:
    """Return the numbers of threads worth a try: 1, 2, 4 and so on, and all cores."""
    return sorted(
        {*(1 << power for power in range(cores.bit_length()) if 1 << power <= cores), cores}
    )


def _gave_way(chosen: Form, tried: list[Tried]) -> tuple[str, ...]:
    first = tried[0].form
    named = (
        ("scheme", chosen.scheme, first.scheme),
        ("split", chosen.split, first.split),
        ("threads", chosen.threads, first.threads),
    )
    return tuple(
        f"{what}: {now} instead of {before}" for what, now, before in named if now != before
    )


def _binding(tried: list[Tried], budget: Budget) -> str:
    """The budget that no form keeps to: memory, else time among the forms that keep to memory."""
    worst: dict[Form, tuple[float, int]] = {}
    for one in tried:
        p90, ram = worst.get(one.form, (0.0, 0))
        worst[one.form] = (
            max(p90, one.footprint.latency_ms.p90),
            max(ram, one.footprint.peak_rss_bytes),
        )
    fits = {
        form: p90
        for form, (p90, ram) in worst.items()
        if budget.ram_bytes is None or ram <= budget.ram_bytes
    }
    if budget.ram_bytes is not None and not fits:
        form = min(worst, key=lambda one: worst[one][1])
        return (
            f"ram: expected at most {_megabytes(budget.ram_bytes)}, found"
            f" {_megabytes(worst[form][1])} at least ({form})"
        )
    assert budget.p90_ms is not None
    form = min(fits, key=lambda one: fits[one])
    where = "" if len(fits) == len(worst) else " where ram is kept to"
    return (
        f"p90: expected at most {budget.p90_ms:g} ms for a text{where}, found {fits[form]:.2f} ms"
        f" at best ({form})"
    )


def _megabytes(value: int) -> str:
    return f"{value / 1e6:.1f} MB"
