"""Tasks and Watch: what answers, what is certified of it, where it travels, and what it met."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

from starlette.routing import Route

from cfedge.bundle.files import write
from cfedge.bundle.manifest import Task
from cfedge.charts import IntervalRow, Span, interval_chart
from cfedge.console.desk import Desk, Given, route
from cfedge.console.routes_teach import has_torch
from cfedge.console.watch import (
    charts,
    counters_as_json,
    drift_curves,
    drift_drawn,
    reached,
    summed,
)
from cfedge.console.wording import in_console
from cfedge.errors import CfedgeError, UsageError
from cfedge.runtime.drift import ALPHA, Monitor
from cfedge.store import Store, bundle_at
from cfedge.version import __version__

__all__ = ["routes"]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
#: Rows of a chart; of more tasks the table says the rest.
_DRAWN = 60


def routes(desk: Desk) -> list[Route]:
    """Return the routes."""
    return [
        route(desk, "/api/state", _state),
        route(desk, "/api/tasks", _tasks),
        route(desk, "/api/watch", _watch),
        route(desk, "/api/export", _export, method="POST"),
        route(desk, "/api/publish", _publish, method="POST"),
        route(desk, "/api/generation", _generation, method="POST"),
    ]


def _state(desk: Desk, _: Given) -> dict[str, Any]:
    """Return what the page must know before it shows anything."""
    engine, place = desk.live.refresh(), desk.place
    return {
        "version": __version__,
        "answers": str(place.answers),
        "store": place.is_store,
        "kind": engine.modality.noun,
        "media": engine.modality.media,
        "example": engine.modality.example,
        "written": engine.modality.written,
        "body_bytes": desk.limits.body_bytes,
        "inputs": desk.limits.inputs,
        "workspace": None if place.workspace is None else str(place.workspace),
        "torch": has_torch(),
        "keeps": None if desk.keeper is None else str(desk.keeper.inputs.folder),
        "counts": None if desk.keeper is None else desk.keeper.inputs.counts(),
        "trouble": in_console(desk.live.trouble),
        "generation": engine.generation,
        "bundle": engine.manifest.digest,
        "tasks": {task.name: list(task.classes) for task in engine.manifest.tasks},
    }


def _tasks(desk: Desk, _: Given) -> dict[str, Any]:
    engine, place = desk.live.refresh(), desk.place
    tasks = engine.manifest.tasks
    taught: tuple[str, ...] | None = None
    if place.workspace is not None:
        from cfedge.train.workspace.folder import WorkspaceFolder

        taught = WorkspaceFolder(place.workspace).tasks
    return {
        "tasks": [_task(task) for task in tasks],
        "chart": interval_chart(
            [_row(task) for task in tasks[:_DRAWN]],
            title="Wrong answers on held-out inputs, with the certified limit",
            x_label="share of answers that are wrong: measured, and at most",
        ),
        "workspace": taught,
        "generations": _generations(place.answers) if place.is_store else None,
        "can_publish": place.repository is not None and place.keys is not None,
        "repository": None if place.repository is None else str(place.repository),
        "bytes": sum({r.sha256: r.size for r in engine.manifest.files().values()}.values()),
    }


def _task(task: Task) -> dict[str, Any]:
    certificate = task.certificate
    return {
        "name": task.name,
        "labels": list(task.classes),
        "held_out": certificate.held_out,
        "wrong": certificate.wrong,
        "wrong_answer_at_most": certificate.wrong_answer_at_most,
        "wrong_task_at_most": certificate.wrong_task_at_most,
        "rival": certificate.rival,
        "rejects": task.false_reject_rate,
        "bytes": task.adapter.size + task.signature.size + task.golden.size,
    }


def _row(task: Task) -> IntervalRow:
    certificate = task.certificate
    share = certificate.wrong / certificate.held_out if certificate.held_out else 0.0
    span = Span(share, max(share, certificate.wrong_answer_at_most))
    return IntervalRow(task.name, (span,), f"{certificate.wrong} of {certificate.held_out}")


def _generations(folder: Path) -> list[dict[str, Any]]:
    store = Store(folder)
    pointer = store.pointer()
    found = []
    for number in reversed(store.generations()):
        answers = pointer is not None and number == pointer.generation
        found.append(
            {
                "number": number,
                "tasks": [task.name for task in store.manifest(number).tasks],
                "answers": answers,
                "pinned": answers and pointer is not None and pointer.pinned,
                "vouched": store.vouchers.count(number),
                "opened": not store.boot_attempts.pending(number),
            }
        )
    return found


def _generation(desk: Desk, given: Given) -> dict[str, Any]:
    """Let another generation of the store answer, or let syncs go on."""
    if not desk.place.is_store:
        raise UsageError("generation: expected a store, found a bundle, which has but one")
    store, to = Store(desk.place.answers), given.body.get("to")
    if given.body.get("unpin") is True:
        store.unpin()
    elif type(to) is int:
        store.rollback(to)
    else:
        raise UsageError("generation: expected its number, found something else")
    desk.live.refresh()
    return {"generations": _generations(desk.place.answers)}


def _export(desk: Desk, given: Given) -> dict[str, Any]:
    """Write what answers as a bundle of its own, beside the workspace's tasks."""
    name = given.body.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(
            f"name: expected lower-case letters, digits, -, _ and ., found {str(name)[:40]!r};"
            " choose another"
        )
    home = desk.place.workspace or desk.place.answers.parent
    target = home / "exports" / name
    if os.path.lexists(target):
        raise UsageError(f"name: expected one that is free, found {target}; choose another")
    write(bundle_at(desk.place.answers), target)
    return {"folder": str(target)}


def _publish(desk: Desk, given: Given) -> dict[str, Any]:
    """Sign what answers into the channel of the repository."""
    place = desk.place
    if place.repository is None or place.keys is None or place.is_store:
        raise UsageError(
            "publish: expected a bundle, --repo and --keys, found less; start the console with them"
        )
    from cfedge.publish.channel import publish
    from cfedge.publish.keys import Keys
    from cfedge.sync.client import utc_now

    keys = Keys(place.keys, os.environ.get("CFEDGE_PASSPHRASE"))
    done = publish(place.answers, place.repository, keys, channel=place.channel, now=utc_now())
    return {
        "added": list(done.added),
        "bytes": done.object_bytes,
        "entries": done.entries,
        "only_here": list(done.only_here),
        "conflicts": [str(one) for one in done.conflicts],
    }


def _watch(desk: Desk, given: Given) -> dict[str, Any]:
    minutes = int(given.number("minutes", 120, least=10, most=7 * 24 * 60))
    now = int(time.time() // 60)
    found: dict[str, Any] = {"kept": desk.keeper is not None, "minutes": minutes}
    if desk.keeper is not None:
        counts = desk.keeper.inputs.minutes
        counts.write()
        steps = summed(counts.since(now - minutes - 60), now, minutes)
        found |= {"charts": charts(steps), "totals": _totals(steps)}
        curves = drift_curves(steps, desk.live.monitor.counters(), ALPHA)
        found["charts"]["drift"] = drift_drawn(curves, ALPHA)
        found["reached"] = reached(curves)
    manifest, source = desk.live.engine.manifest, "this console's answers, since it began"
    monitor = desk.live.monitor
    if desk.monitor is not None:
        try:
            monitor = Monitor.load(desk.monitor, manifest)
            source = str(desk.monitor)
        except CfedgeError as error:
            found["trouble"] = in_console(str(error))
    return {**found, "source": source, "drift": counters_as_json(monitor.counters(), ALPHA)}


def _totals(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    total: dict[str, list[int]] = {}
    for step in steps:
        for task, counts in step["tasks"].items():
            before = total.setdefault(task, [0, 0, 0])
            total[task] = [a + b for a, b in zip(before, counts, strict=True)]
    return [
        {"task": task, "answers": one[0], "unknown": one[1], "thin": one[2]}
        for task, one in sorted(total.items())
    ]
