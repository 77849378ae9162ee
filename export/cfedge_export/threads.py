"""How many threads keep a bundle to its budgets? Scheme and cut were fixed with the workspace: only
threads are left to choose.

Where no number of them does, other schemes' backbones are measured beside the workspace's own, to
say which would.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import onnx

from cfedge import footprint
from cfedge.bundle.files import Bundle, write
from cfedge.device import this_board, usable_cores
from cfedge.footprint import Footprint
from cfedge.progress import Progress
from cfedge.scratch import scratch_folder
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.budget import Budget, BudgetFit, Configuration, fit, thread_counts
from cfedge_export.draft import family_of
from cfedge_export.schemes import SCHEMES

__all__ = ["fit_threads", "would_fit"]


def fit_threads(
    workspace: WorkspaceFolder, bundle: Bundle, budget: Budget, progress: Progress | None = None
) -> BudgetFit:
    """Choose the fewest threads with which engines on the bundle, each in its own process, keep to
    the budget.

    Raises
    ------
    BudgetError
        None do.
    """
    backbone = bundle.manifest.backbone
    configurations = [
        Configuration(backbone.scheme, backbone.split, threads)
        for threads in thread_counts(usable_cores())
    ]
    with scratch_folder() as scratch:
        folder = scratch / "bundle"
        write(bundle, folder)
        return fit(
            configurations,
            lambda configuration: footprint.of_bundle(folder, threads=configuration.threads),
            budget,
            advice=lambda trials: _advice(workspace, bundle, budget, trials[0].footprint),
            progress=progress,
        )


def would_fit(
    whole: Footprint, own: Footprint, others: Mapping[str, Footprint], budget: Budget
) -> list[str]:
    """Return the schemes whose backbones take so much less that the bundle would keep to the
    budget.

    Parameters
    ----------
    whole, own
        The bundle, and its backbone alone; memory beside the backbone is taken to stay, time to go
        with the backbone's.
    others
        Other schemes' backbones alone.
    """
    ram, p90 = budget.ram_bytes or math.inf, budget.p90_ms or math.inf
    return [
        name
        for name, found in others.items()
        if whole.peak_rss_bytes - own.peak_rss_bytes + found.peak_rss_bytes <= ram
        and whole.latency_ms.p90 * found.latency_ms.p90 / own.latency_ms.p90 <= p90
    ]


def _advice(workspace: WorkspaceFolder, bundle: Bundle, budget: Budget, whole: Footprint) -> str:
    """Measure the other schemes' backbones, one thread, and say which would do."""
    backbone, inputs, board = bundle.manifest.backbone, footprint.golden(bundle)[1], this_board()
    floats = {
        part: onnx.load_from_string(workspace.backbone_file(f"float_{part}.onnx"))
        for part in ("trunk", "tail")
    }
    files = {role: bundle[ref] for role, ref in backbone.files().items()}
    own = footprint.of_backbone(backbone, files, inputs)
    others = {}
    for name in family_of(floats["trunk"], workspace.folder).schemes:
        scheme = SCHEMES[name]
        if (
            name != backbone.scheme
            and scheme.batch_independent
            and scheme.unfit(board.machine, board.flags) is None
        ):
            graphs = {
                part: scheme.ship(graph).SerializeToString() for part, graph in floats.items()
            }
            others[name] = footprint.of_backbone(backbone, files | graphs, inputs)
    able = would_fit(whole, own, others, budget)
    if not able:
        return "no other scheme takes so little here either; allow more, or take a smaller encoder"
    took = {backbone.scheme: own, **{name: others[name] for name in able}}
    figures = ", ".join(
        f"{name} {one.latency_ms.p90:.2f} ms and {one.peak_rss_bytes / 1e6:.1f} MB"
        for name, one in took.items()
    )
    return (
        f"without tasks, backbones take: {figures}; make a workspace with cfedge init NEW --scheme"
        f" {able[0]} and add the tasks to it"
    )
