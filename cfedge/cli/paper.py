"""inspect --paper: the paper's condition for every class, beside held-out truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cfedge.cli.show import TerminalProgress, print_json, print_table, say

if TYPE_CHECKING:
    from cfedge.train.certify.paper import PaperRow
    from cfedge.train.workspace.folder import WorkspaceFolder

__all__ = ["inspect_paper"]


def inspect_paper(workspace: WorkspaceFolder, *, json: bool) -> None:
    """Show the paper's condition for each class of a workspace."""
    from cfedge.train.certify.paper import paper_rows

    rows = paper_rows(workspace, TerminalProgress())
    if json:
        print_json([row.record() for row in rows])
    else:
        _print(rows)


def _print(rows: Sequence[PaperRow]) -> None:
    """Print each class's terms, whether they suffice, and what held-out inputs say; then what to
    beware of.
    """
    from cfedge.train.certify.paper import CAUTIONS
    from cfedge.train.measures.paper_condition import EPSILON

    print_table(
        f"the paper's condition for at most {EPSILON:.0%} of a class's inputs in other tasks, beside"
        " held-out inputs through the lookup that ships",
        (
            "task",
            "class",
            "delta",
            "must exceed",
            "condition",
            "kappa",
            "sigma^2",
            "N",
            "t1",
            "t2",
            "held out",
            "wrong task",
        ),
        [_row(row) for row in rows],
    )
    for number, caution in enumerate(CAUTIONS, start=1):
        say(f"caution {number}: {caution}")


def _row(row: PaperRow) -> tuple[object, ...]:
    terms = row.terms
    return (
        row.task,
        row.label,
        f"{terms.delta:.3g}",
        "undefined" if terms.needed is None else f"{terms.needed:.3g}",
        "holds" if terms.holds else "fails",
        f"{terms.kappa:.4g}",
        f"{terms.variance:.3g}",
        terms.clusters,
        "undefined" if terms.t1 is None else f"{terms.t1:.4g}",
        f"{terms.t2:.3g}",
        row.held_out,
        row.errors,
    )
