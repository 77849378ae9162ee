"""Memory and time as budgets: configurations are tried in order of preference, each in a fresh
process, until one keeps to both.

A *configuration* is what may vary: scheme, depth of the cut, threads. What keeps to the budgets is
measured once more, in another process, and counts only if it does so again. Memory is the scheme's:
neither threads nor the cut take any of it away, so a scheme that takes too much is not tried again.
Where nothing keeps to them, the budget that binds is named: memory if no configuration keeps to it,
else the time of those that do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cfedge.counted import counted
from cfedge.errors import BudgetError
from cfedge.footprint import Footprint
from cfedge.progress import Progress, Quiet

__all__ = ["Budget", "BudgetFit", "Configuration", "Trial", "fit", "thread_counts"]


@dataclass(frozen=True)
class Budget:
    """What one process may take: peak resident memory, and the time of nine inputs in ten, one at a
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
class Configuration:
    """A scheme, the blocks in the trunk, and the threads of ONNX Runtime."""

    scheme: str
    split: int
    threads: int

    def __str__(self) -> str:
        """For messages."""
        threads = counted(self.threads, "thread")
        return f"{self.scheme}, cut after block {self.split}, {threads}"


@dataclass(frozen=True)
class Trial:
    """What a configuration took."""

    configuration: Configuration
    footprint: Footprint


@dataclass(frozen=True)
class BudgetFit:
    """The configuration that keeps to the budgets, what it took when measured again, what gave way
    for it, and all that was measured.
    """

    configuration: Configuration
    footprint: Footprint
    gave_way: tuple[str, ...]
    trials: tuple[Trial, ...]


def fit(
    configurations: Iterable[Configuration],
    measure: Callable[[Configuration], Footprint],
    budget: Budget,
    *,
    advice: Callable[[Sequence[Trial]], str],
    progress: Progress | None = None,
) -> BudgetFit:
    """Find the first configuration that keeps to the budgets.

    Parameters
    ----------
    configurations
        In order of preference.
    measure
        A configuration in a fresh process.
    advice
        The next step, of all that was measured; asked for only where there is none.

    Raises
    ------
    BudgetError
        No configuration does; the binding budget is named.
    """
    configurations, trials, too_large = list(configurations), [], set()
    with (progress or Quiet()).track(
        "budgets, each configuration in its own process", len(configurations)
    ) as advance:
        for configuration in configurations:
            if configuration.scheme not in too_large:
                for _ in range(2):
                    found = measure(configuration)
                    trials.append(Trial(configuration, found))
                    missed = budget.misses(found)
                    if missed:
                        break
                else:
                    return BudgetFit(
                        configuration, found, _gave_way(configuration, trials), tuple(trials)
                    )
                if any(one.startswith("ram") for one in missed):
                    too_large.add(configuration.scheme)
            advance(1)
    raise BudgetError(f"{_binding(trials, budget)}; nothing was written: {advice(trials)}")


def thread_counts(cores: int) -> list[int]:
    """Return the numbers of threads worth a try: 1, 2, 4 and so on, and all cores."""
    return sorted(
        {*(1 << power for power in range(cores.bit_length()) if 1 << power <= cores), cores}
    )


def _gave_way(chosen: Configuration, trials: list[Trial]) -> tuple[str, ...]:
    first = trials[0].configuration
    named = (
        ("scheme", chosen.scheme, first.scheme),
        ("split", chosen.split, first.split),
        ("threads", chosen.threads, first.threads),
    )
    return tuple(
        f"{what}: {now} instead of {before}" for what, now, before in named if now != before
    )


def _binding(trials: list[Trial], budget: Budget) -> str:
    """The budget that nothing keeps to: memory, else time among what keeps to memory."""
    worst: dict[Configuration, tuple[float, int]] = {}
    for one in trials:
        p90, ram = worst.get(one.configuration, (0.0, 0))
        worst[one.configuration] = (
            max(p90, one.footprint.latency_ms.p90),
            max(ram, one.footprint.peak_rss_bytes),
        )
    fits = {
        configuration: p90
        for configuration, (p90, ram) in worst.items()
        if budget.ram_bytes is None or ram <= budget.ram_bytes
    }
    if budget.ram_bytes is not None and not fits:
        configuration = min(worst, key=lambda one: worst[one][1])
        return (
            f"ram: expected at most {_megabytes(budget.ram_bytes)}, found"
            f" {_megabytes(worst[configuration][1])} at least ({configuration})"
        )
    assert budget.p90_ms is not None
    configuration = min(fits, key=lambda one: fits[one])
    where = "" if len(fits) == len(worst) else " where ram is kept to"
    return (
        f"p90: expected at most {budget.p90_ms:g} ms for an answer{where}, found"
        f" {fits[configuration]:.2f} ms at best ({configuration})"
    )


def _megabytes(value: int) -> str:
    return f"{value / 1e6:.1f} MB"
