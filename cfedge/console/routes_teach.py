"""Teach: a selection becomes a task, a class or more examples in the background; what is ready is
switched on, taken back or dropped by a person.
"""

from __future__ import annotations

import importlib.util
import threading
from typing import Any

from starlette.routing import Route

import cfedge.inputs
from cfedge.console.activation import activate, roll_back
from cfedge.console.change import Change, parse
from cfedge.console.desk import Desk, Given, route
from cfedge.console.job import Labelled
from cfedge.console.wording import in_console
from cfedge.errors import StorageError, TaskError, UsageError
from cfedge.kept.records import Marked

__all__ = ["has_torch", "routes"]

#: Examples in one job.
_MOST = 20_000
#: Held while this console switches, until what it switched to is open.
_SWITCHING = threading.Lock()


def has_torch() -> bool:
    """Whether an adapter can be trained here."""
    try:
        return importlib.util.find_spec("torch") is not None
    except ImportError:
        return False


def routes(desk: Desk) -> list[Route]:
    """Return the routes."""
    return [
        route(desk, "/api/jobs", _jobs),
        route(desk, "/api/teach", _teach, method="POST"),
        route(desk, "/api/jobs/{name}/activate", _activate, method="POST"),
        route(desk, "/api/jobs/{name}/rollback", _roll_back, method="POST"),
        route(desk, "/api/jobs/{name}/drop", _drop, method="POST"),
    ]


def _jobs(desk: Desk, _: Given) -> dict[str, Any]:
    found = [] if desk.jobs is None else [job.as_json() for job in desk.jobs.all()]
    return {"jobs": found, "cannot_activate": desk.place.cannot_activate}


def _teach(desk: Desk, given: Given) -> dict[str, Any]:
    jobs, change = desk.the_jobs(), parse(given.body.get("change"))
    _check(desk, change)
    examples = _selected(desk, given) if change.is_taught else None
    stored = cfedge.inputs.stored(desk.live.engine.manifest.backbone.input)
    return jobs.begin(change, examples, stored).as_json()


def _check(desk: Desk, change: Change) -> None:
    """Refuse at once what the job would refuse later."""
    from cfedge.train.examples.labels import check_name
    from cfedge.train.workspace.folder import WorkspaceFolder

    assert desk.place.workspace is not None
    workspace = WorkspaceFolder(desk.place.workspace)
    if change.kind == "new task":
        check_name(change.task)
        workspace.check_new(change.task, ("label",), replace=False)
    else:
        workspace.record(change.task)
    if change.kind == "rename":
        check_name(change.new or "")
    if change.method == "adapter" and not has_torch():
        raise UsageError(
            "method: expected a closed form, found an adapter, and torch is not installed here;"
            " choose the closed form"
        )
    if workspace.backbone.digest != desk.live.engine.manifest.backbone.digest:
        raise UsageError(
            f"{desk.place.workspace}: expected the backbone that answers, found another; start the"
            " console with the bundle's own workspace"
        )


def _selected(desk: Desk, given: Given) -> Labelled:
    numbers = given.integers("numbers", most=_MOST)
    found = [one for one in desk.the_keeper().inputs.read(numbers) if one.label is not None]
    if not found:
        raise TaskError("teach: expected inputs with labels, found none; give some in Review")
    return Labelled(
        tuple(one.value for one in found),
        tuple(one.label or "" for one in found),
        tuple(one.number for one in found),
    )


def _activate(desk: Desk, given: Given) -> dict[str, Any]:
    jobs, name = desk.the_jobs(), str(given.path["name"])
    with _SWITCHING:
        activate(desk.place, jobs, name)
        desk.live.refresh()
    return {**jobs.one(name).as_json(), "note": _mark(desk, jobs.one(name).request, "taught")}


def _roll_back(desk: Desk, given: Given) -> dict[str, Any]:
    jobs, name = desk.the_jobs(), str(given.path["name"])
    with _SWITCHING:
        roll_back(desk.place, jobs, name)
        desk.live.refresh()
    return {**jobs.one(name).as_json(), "note": _mark(desk, jobs.one(name).request, "labelled")}


def _mark(desk: Desk, request: dict[str, Any], state: str) -> str | None:
    """Take what was learned from out of the queue, or put it back; what answers does not depend on
    it.
    """
    numbers = request.get("numbers")
    if not numbers or desk.keeper is None:
        return None
    inputs = desk.keeper.inputs
    try:
        inputs.mark(Marked(one.number, state, one.label) for one in inputs.read(numbers))
    except StorageError as error:
        return in_console(str(error))
    return None


def _drop(desk: Desk, given: Given) -> dict[str, Any]:
    jobs, name = desk.the_jobs(), str(given.path["name"])
    jobs.drop(name)
    return jobs.one(name).as_json()
