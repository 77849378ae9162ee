"""How init tells what it made: the backbone, its parts and their sizes, and what was measured."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from cfedge.cli.budgets import kept_to
from cfedge.cli.show import print_table, say
from cfedge.counted import size
from cfedge.lookups import DEFAULT

if TYPE_CHECKING:
    from cfedge_export.new_workspace import NewWorkspace
    from cfedge_export.schemes import Choice
    from cfedge_export.sensitivity import Sensitivity

__all__ = ["record_of", "show"]


def record_of(made: NewWorkspace) -> dict[str, Any]:
    """Return what --json prints of a new workspace."""
    record, plan = made.workspace.backbone, made.plan
    sensitivity = plan.sensitivity if plan else None
    fitted = plan.fitted if plan else None
    return {
        "workspace": str(made.workspace.folder),
        "backbone": dataclasses.asdict(record),
        "digest": record.digest,
        "bytes": sum(made.bytes_by_part.values()),
        "bytes_by_part": made.bytes_by_part,
        "scheme": dataclasses.asdict(plan.choice) if plan else None,
        "sensitivity": dataclasses.asdict(sensitivity) if sensitivity else None,
        "budgets": dataclasses.asdict(fitted) if fitted else None,
    }


def show(made: NewWorkspace) -> None:
    """Print what was made, and what was measured to choose it."""
    record, plan, parts = made.workspace.backbone, made.plan, made.bytes_by_part
    if plan and plan.choice.measured:
        _show_schemes(plan.choice)
    say(
        f"{made.workspace.folder}: {record.name}, an encoder of {record.blocks} blocks, cut before"
        f" block {record.split}, quantised as {record.scheme}: {size(sum(parts.values()))} on a device"
    )
    if made.workspace.lookup != DEFAULT:
        say(f"lookup: {made.workspace.lookup}; its bundles are exported with it")
    if plan and plan.choice.why:
        say(f"{plan.choice.scheme}: {plan.choice.why}")
    if plan and plan.sensitivity:
        say(_float_layers(plan.sensitivity))
    if plan and plan.fitted:
        say(f"{kept_to(plan.fitted)}; without tasks: export measures again with --ram and --p90")
    say(f"ready; next: cfedge add {made.workspace.folder} TASK --data FILE")


def _show_schemes(choice: Choice) -> None:
    columns = (
        "scheme",
        "MB",
        "mean cosine",
        "least",
        "time / float32",
        "left in float32",
        "not picked, as it",
    )
    rows = [
        (
            scheme.scheme,
            f"{scheme.size_bytes / 1e6:.1f}",
            f"{scheme.mean_cosine:.4f}",
            f"{scheme.least_cosine:.4f}",
            f"{scheme.time_ratio:.2f}",
            ", ".join(scheme.float_layers) or None,
            scheme.reason,
        )
        for scheme in choice.measured
    ]
    print_table("schemes on this machine, one input at a time", columns, rows)


def _float_layers(sensitivity: Sensitivity) -> str:
    worst = sorted(sensitivity.damage.items(), key=lambda item: -item[1])[:3]
    harm = ", ".join(f"{name} {value:.2g}" for name, value in worst)
    if not sensitivity.layers:
        return (
            f"no layer is left in float32: mean cosine {sensitivity.mean_cosine:.5f} with all"
            f" quantised; most is lost by {harm}"
        )
    return (
        f"left in float32: {', '.join(sensitivity.layers)}: mean cosine"
        f" {sensitivity.mean_cosine_before:.5f} -> {sensitivity.mean_cosine:.5f},"
        f" {size(sensitivity.extra_bytes)} more, {sensitivity.time_ratio:.2f} of the"
        f" time; most is lost by {harm}"
    )
