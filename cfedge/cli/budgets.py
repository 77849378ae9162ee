"""--ram and --p90, as init and export share them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from cfedge.cli.quantities import milliseconds, size_bytes
from cfedge.counted import size
from cfedge.errors import UsageError

if TYPE_CHECKING:
    from cfedge_export.budget import Budget, BudgetFit

__all__ = ["P90", "RAM", "budget", "check_alone", "kept_to"]

RAM = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE", help="Most memory that the answering process may take, such as 512MB."
    ),
]
P90 = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help=(
            "Time within which nine answers in ten must come, asked one at a time, such as 20ms."
        ),
    ),
]


def budget(ram: str | None, p90: str | None) -> Budget | None:
    """Parse both; None: neither was given.

    Raises
    ------
    UsageError
    """
    from cfedge_export.budget import Budget

    if ram is None and p90 is None:
        return None
    return Budget(
        None if ram is None else size_bytes(ram, "--ram"),
        None if p90 is None else milliseconds(p90, "--p90"),
    )


def kept_to(found: BudgetFit) -> str:
    """What keeps to the budgets and what gave way, in a line."""
    took = (
        f"p90 {found.footprint.latency_ms.p90:.2f} ms, {size(found.footprint.peak_rss_bytes)} of"
        " memory at most"
    )
    return (
        f"budgets are kept to by {found.configuration}: {took}, in a process of its own; gave way:"
        f" {'; '.join(found.gave_way) or 'nothing'}"
    )


def check_alone(name: str, value: object, others: Mapping[str, object]) -> None:
    """Refuse options that decide what `name` decides.

    Raises
    ------
    UsageError
    """
    found = [other for other, given in others.items() if given is not None]
    if value is not None and found:
        raise UsageError(
            f"{name}: expected no {found[0]} with it, found both; leave one of them out"
        )
