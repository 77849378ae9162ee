"""Budgets against made-up footprints: what is taken, what gives way, what is refused and by which
name.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from every import cases

from cfedge.errors import BudgetError
from cfedge.footprint import Footprint, Quantiles
from cfedge_export.budget import Budget, BudgetFit, Configuration, Trial, fit, thread_counts
from cfedge_export.threads import would_fit

CONFIGURATIONS = [
    Configuration(scheme, split, threads)
    for split in (4, 5)
    for threads in (1, 2)
    for scheme in ("int8-row", "float32")
]
#: Milliseconds with one thread, and megabytes.
TOOK = {"int8-row": (10.0, 100), "float32": (30.0, 250)}


def _footprint(p90: float, megabytes: float, threads: int = 1) -> Footprint:
    return Footprint(threads, Quantiles(p90 / 2, p90, 2 * p90, 200), int(megabytes * 1e6))


def _measure(configuration: Configuration) -> Footprint:
    """A second thread takes a third of the time away, a deeper cut a tenth."""
    p90, megabytes = TOOK[configuration.scheme]
    return _footprint(
        p90
        * (2 / 3 if configuration.threads == 2 else 1)
        * (0.9 if configuration.split == 5 else 1),
        megabytes,
        configuration.threads,
    )


def _advice(trials: Sequence[Trial]) -> str:
    return f"trials {len(trials)}"


def _fit(
    ram_mb: float | None = None,
    p90_ms: float | None = None,
    configurations: list[Configuration] = CONFIGURATIONS,
) -> BudgetFit:
    return fit(
        configurations,
        _measure,
        Budget(None if ram_mb is None else int(ram_mb * 1e6), p90_ms),
        advice=_advice,
    )


def test_what_is_preferred_is_taken_where_it_keeps_to_the_budgets_and_nothing_gives_way() -> None:
    found = _fit(ram_mb=100, p90_ms=10)  # the limits themselves are allowed
    assert found.configuration == CONFIGURATIONS[0]
    assert found.gave_way == ()
    assert len(found.trials) == 2  # measured once more before it counts


def test_the_scheme_gives_way_for_memory_and_is_not_tried_with_more_threads() -> None:
    found = _fit(
        ram_mb=150,
        configurations=[
            Configuration("float32", 4, 1),
            Configuration("float32", 4, 2),
            Configuration("int8-row", 4, 1),
        ],
    )
    assert found.configuration == Configuration("int8-row", 4, 1)
    assert found.gave_way == ("scheme: int8-row instead of float32",)
    assert [
        one.configuration.threads for one in found.trials if one.configuration.scheme == "float32"
    ] == [1]


def test_threads_give_way_for_time_before_the_cut_does() -> None:
    assert _fit(p90_ms=7).gave_way == ("threads: 2 instead of 1",)
    assert _fit(p90_ms=6.5).gave_way == ("split: 5 instead of 4", "threads: 2 instead of 1")


@cases(
    ("ram_mb", "p90_ms", "message"),
    [
        (
            50,
            None,
            (
                r"^ram: expected at most 50\.0 MB, found 100\.0 MB at least \(int8-row, cut after"
                r" block 4, 1 thread\); nothing was "
            ),
        ),
        (50, 1, r"^ram: expected at most 50\.0 MB, found 100\.0 MB at least"),  # no time helps
        (
            None,
            1,
            (
                r"^p90: expected at most 1 ms for an answer, found 6\.00 ms at best \(int8-row, cut"
                r" after block 5, 2 threads\); nothing"
            ),
        ),
        (
            120,
            1,
            r"^p90: expected at most 1 ms for an answer where ram is kept to, found 6\.00 ms at best",
        ),
    ],
)
def test_the_binding_budget_is_named_with_what_was_found_and_the_next_step(
    ram_mb: float | None, p90_ms: float | None, message: str
) -> None:
    with pytest.raises(BudgetError, match=message) as refusal:
        _fit(ram_mb, p90_ms)
    assert str(refusal.value).endswith(("trials 2", "trials 8", "trials 5"))


def test_time_binds_where_only_what_takes_too_much_memory_is_fast_enough() -> None:
    took = {"large": (1.0, 300), "small": (9.0, 50)}
    configurations = [Configuration("large", 4, 1), Configuration("small", 4, 1)]
    with pytest.raises(
        BudgetError,
        match=(
            r"^p90: expected at most 5 ms for an answer where ram is kept to, found 9\.00 ms .*small"
        ),
    ):
        fit(
            configurations,
            lambda configuration: _footprint(*took[configuration.scheme]),
            Budget(100_000_000, 5.0),
            advice=_advice,
        )


def test_what_keeps_to_a_budget_once_but_not_twice_is_not_taken() -> None:
    times = iter([9.9, 10.1, 20.0])
    with pytest.raises(
        BudgetError, match=r"found 10\.10 ms at best \(int8-row, cut after block 4, 1 thread\)"
    ):
        fit(
            [CONFIGURATIONS[0], CONFIGURATIONS[2]],
            lambda configuration: _footprint(next(times), 100),
            Budget(None, 10.0),
            advice=_advice,
        )


def test_threads_are_tried_in_powers_of_two_and_all_cores_last() -> None:
    assert [thread_counts(cores) for cores in (1, 2, 3, 4, 6)] == [
        [1],
        [1, 2],
        [1, 2, 3],
        [1, 2, 4],
        [1, 2, 4, 6],
    ]


def test_another_scheme_is_named_only_where_it_would_bring_the_bundle_within_the_budget() -> None:
    whole, own = _footprint(12, 260), _footprint(10, 250)
    others = {"int8-row": _footprint(5, 100), "int8-weight-only": _footprint(10, 250)}
    assert would_fit(whole, own, others, Budget(int(110e6), None)) == [
        "int8-row"
    ]  # 100 and the 10 of lookup and tasks
    assert would_fit(whole, own, others, Budget(int(109e6), None)) == []
    assert would_fit(whole, own, others, Budget(None, 6.0)) == ["int8-row"]  # half of 12
    assert would_fit(whole, own, others, Budget(None, 5.9)) == []
    assert would_fit(whole, own, others, Budget(int(300e6), 12.0)) == [
        "int8-row",
        "int8-weight-only",
    ]
