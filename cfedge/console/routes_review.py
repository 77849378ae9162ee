"""Review: kept inputs in groups of alike ones, and what a person decides about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cfedge.console.desk import Desk, Given, is_number, route, whole_route
from cfedge.console.grouping import ALIKE, groups
from cfedge.errors import TaskError, UsageError
from cfedge.kept.records import Kept, Marked

__all__ = ["routes"]

#: Inputs that are grouped at once: the newest that wait. Their distances are a square.
_WINDOW = 1_500
#: Groups, and inputs of each, that one page shows; of a longer one the beginning.
_GROUPS, _SHOWN, _LETTERS = 80, 60, 400
#: Inputs in one decision.
_MARKS = 5_000


def routes(desk: Desk) -> list[Route]:
    """Return the routes."""
    return [
        route(desk, "/api/review", _review),
        route(desk, "/api/mark", _mark, method="POST"),
        route(desk, "/api/erase", _erase, method="POST"),
        whole_route(desk, "/api/kept/{number}/picture", _picture),
    ]


def _review(desk: Desk, given: Given) -> dict[str, Any]:
    """Return the waiting inputs in groups, and those that have labels."""
    inputs = desk.the_keeper().inputs
    if given.query.get("labelled"):
        return {
            "labelled": _by_label(inputs.read(inputs.numbers(["labelled"], limit=_MARKS)), desk)
        }
    alike = given.number("alike", ALIKE, least=0.001, most=1.5)
    offset = int(given.number("offset", 0, least=0, most=1e9))
    waiting = inputs.read(inputs.numbers(["waiting"], limit=_WINDOW, offset=offset))
    features = desk.live.features([(one.number, one.value) for one in waiting]) if waiting else None
    found = [] if features is None else groups(features, alike)
    shown = [_shown(desk, one) for one in waiting]
    labelled = inputs.read(inputs.numbers(["labelled"], limit=_MARKS))
    return {
        "counts": inputs.counts(),
        "window": len(waiting),
        "offset": offset,
        "alike": alike,
        "groups": _as_json(found, shown, _names(desk, found[:_GROUPS], waiting)),
        "more_groups": max(0, len(found) - _GROUPS),
        "labelled": _by_label(labelled, desk),
    }


def _as_json(
    found: Sequence[Sequence[int]], shown: Sequence[dict[str, Any]], names: Sequence[str]
) -> list[dict[str, Any]]:
    return [
        {
            "numbers": [shown[at]["number"] for at in rows],
            "inputs": [shown[at] for at in rows[:_SHOWN]],
            "suggested": name,
        }
        for rows, name in zip(found, names, strict=False)
    ]


def _names(desk: Desk, found: Sequence[Sequence[int]], waiting: Sequence[Kept]) -> list[str]:
    """What each group may be called."""
    names = []
    for rows in found:
        inside = set(rows)
        others = [one.value for at, one in enumerate(waiting) if at not in inside]
        members = [waiting[at].value for at in rows]
        names.append(desk.live.engine.modality.shared(members, others))
    return names


def _shown(desk: Desk, one: Kept) -> dict[str, Any]:
    modality = desk.live.engine.modality
    words = one.value if modality.written else modality.name(one.value)
    answer = one.answer
    return {
        "number": one.number,
        "at": one.at,
        "words": words[:_LETTERS] + ("\u2026" if len(words) > _LETTERS else ""),
        "picture": modality.visible,
        "label": one.label,
        "why": answer.get("kept"),
        "task": answer.get("task"),
        "answer": answer.get("label"),
        "probability": answer.get("probability"),
    }


def _by_label(labelled: Sequence[Kept], desk: Desk) -> list[dict[str, Any]]:
    found: defaultdict[str, list[Kept]] = defaultdict(list)
    for one in labelled:
        found[one.label or ""].append(one)
    return [
        {
            "label": label,
            "numbers": [one.number for one in members],
            "inputs": [_shown(desk, one) for one in members[:3]],
        }
        for label, members in sorted(found.items())
    ]


def _mark(desk: Desk, given: Given) -> dict[str, Any]:
    """Set states and labels; return what they were, so that the page can undo it."""
    marks = given.body.get("marks")
    if not isinstance(marks, list) or len(marks) > _MARKS:
        raise UsageError(f"marks: expected an array of at most {_MARKS}, found something else")
    read = [_read_mark(one) for one in marks]
    _check_labels({one.label for one in read if one.label is not None})
    before = desk.the_keeper().inputs.mark(read)
    return {
        "before": [
            {"number": one.number, "state": one.state, "label": one.label} for one in before
        ],
        "gone": len({one.number for one in read}) - len(before),
    }


def _read_mark(value: object) -> Marked:
    if not isinstance(value, dict) or not is_number(value.get("number")):
        raise UsageError("marks: expected a number with a state, found something else")
    label, state = value.get("label"), value.get("state")
    if not isinstance(state, str) or not (label is None or isinstance(label, str)):
        raise UsageError("marks: expected a state and a label as strings, found something else")
    if state == "labelled" and not (label or "").strip():
        raise UsageError("marks: expected a label, found none; type one")
    return Marked(value["number"], state, None if label is None else label.strip())


def _check_labels(labels: set[str]) -> None:
    from cfedge.train.examples.labels import label_fault

    for label in labels:
        if (fault := label_fault(label)) is not None:
            raise TaskError(f"label: {fault}")


def _erase(desk: Desk, given: Given) -> dict[str, Any]:
    """Erase inputs by number, of a state, or all."""
    inputs = desk.the_keeper().inputs
    if given.body.get("all") is True:
        return {"erased": inputs.erase()}
    state = given.body.get("state")
    if state is not None:
        if state not in ("aside", "taught", "labelled", "waiting"):
            raise UsageError("state: expected aside, taught, labelled or waiting, found another")
        return {"erased": inputs.erase(inputs.numbers([state], limit=1_000_000))}
    return {"erased": inputs.erase(given.integers("numbers", most=_MARKS))}


async def _picture(desk: Desk, request: Request) -> Response:
    """Send a kept picture as the encoder sees it: decoded under limits, and encoded anew."""
    stated = request.path_params["number"]
    number = int(stated) if stated.isascii() and stated.isdecimal() and len(stated) < 20 else -1
    data = await run_in_threadpool(_png, desk, number)
    return Response(data, media_type="image/png")


def _png(desk: Desk, number: int) -> bytes:
    found = desk.the_keeper().inputs.read([number]) if is_number(number) else []
    data = desk.live.engine.modality.picture(found[0].value) if found else None
    if data is None:
        raise HTTPException(404, "picture: expected a kept one, found none")
    return data
