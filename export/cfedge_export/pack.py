"""A workspace -> a bundle on the disk: built, checked, then written.

The bundle is built in memory, opened with the device's own engine, held against the parity gate and
its own golden vectors, and only then written, whole or not at all.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cfedge.arguments import checked
from cfedge.bundle.files import Bundle, check_replaceable, write
from cfedge.bundle.graph import check_graphs
from cfedge.bundle.manifest import serialize
from cfedge.bundle.reading import parse
from cfedge.errors import StorageError
from cfedge.lookup.rules import rule_named
from cfedge.outside import check_folder
from cfedge.progress import Progress
from cfedge.runtime.engine import Engine
from cfedge.runtime.golden import check_golden
from cfedge.train.measures.certificate import FALSE_REJECT_RATE, check_rate
from cfedge.train.measures.margins import check_tail_share
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export import parity, parity_gate
from cfedge_export.budget import Budget, BudgetFit
from cfedge_export.build_bundle import build
from cfedge_export.sensitivity import float_layers
from cfedge_export.threads import fit_threads

__all__ = ["Exported", "export"]


@dataclass(frozen=True)
class Exported:
    """A written bundle, the parity that it passed, and the budgets that it keeps to, where there
    were any.
    """

    bundle: Bundle
    parity: list[parity.TaskParity]
    fitted: BudgetFit | None = None

    @property
    def size_bytes(self) -> int:
        """Of all its files."""
        return sum(len(data) for data in self.bundle.objects.values())

    @property
    def float_layers(self) -> tuple[str, ...]:
        """Layers that stay float32 whatever the scheme."""
        backbone = self.bundle.manifest.backbone
        return float_layers(self.bundle[backbone.trunk], self.bundle[backbone.tail])


@checked
def export(
    workspace: WorkspaceFolder,
    target: Path,
    *,
    gate: parity_gate.Gate | None = None,
    budget: Budget | None = None,
    false_reject_rate: float = FALSE_REJECT_RATE,
    tail_share: float | None = None,
    lookup: str | None = None,
    synthetic_golden: bool = False,
    replace: bool = False,
    by_torch: bool = True,
    progress: Progress | None = None,
) -> Exported:
    """Build, check and write a bundle.

    Scheme and cut were fixed with the workspace, so threads alone are left to choose under a
    budget.

    Parameters
    ----------
    by_torch
        As of `cfedge_export.parity.compare`.

    Raises
    ------
    ParityError
        The gate is missed; nothing was written.
    BudgetError
        No number of threads keeps to the budget; nothing was written.
    StorageError
        The disk refused, or `target` exists and `replace` is false; nothing was written.
    SchemaError
        No device would read it: it has too many tasks, say; nothing was written.
    UsageError
        No folder could be made at `target`, the rate is not in (0, 1), the share not in [0, 1], or
        there is no such lookup; nothing was computed.
    """
    check_rate(false_reject_rate)
    check_tail_share(tail_share)
    rule_named(workspace.lookup if lookup is None else lookup)
    _check_target(target, replace=replace)
    bundle = build(
        workspace,
        progress,
        false_reject_rate=false_reject_rate,
        tail_share=tail_share,
        lookup=lookup,
        synthetic_golden=synthetic_golden,
    )
    parse(serialize(bundle.manifest))  # what a device would refuse is not written
    engine = Engine(bundle)
    results = parity.compare(workspace, engine, progress, by_torch=by_torch)
    parity_gate.check(results, gate)
    check_golden(engine, bundle)
    check_graphs(bundle)
    fitted = fit_threads(workspace, bundle, budget, progress) if budget else None
    write(bundle, target, replace=replace)
    return Exported(bundle, results, fitted)


def _check_target(target: Path, *, replace: bool) -> None:
    """Refuse a place where no bundle may be written."""
    check_folder(target)
    if replace:
        check_replaceable(target)
    elif os.path.lexists(target):
        raise StorageError(
            f"{target}: expected a new name for the bundle, found something there; choose another"
            " or use --replace"
        )
