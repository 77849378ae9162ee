"""Try: inputs that a person types, drops or pastes are answered, with the evidence and the place on
the map.
"""

from __future__ import annotations

import threading
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cfedge.console.cluster_map import ClassMap, class_map_of, drawn, placed
from cfedge.console.desk import Desk, whole_route
from cfedge.runtime.engine import Engine
from cfedge.serve.request import Asked, read_request
from cfedge.serve.responses import json_response

__all__ = ["routes"]


class _Maps:
    """The map of the engine that answers, made when it is first asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: tuple[str, ClassMap] | None = None

    def of(self, engine: Engine) -> ClassMap:
        with self._lock:
            if self._made is None or self._made[0] != engine.manifest.digest:
                self._made = engine.manifest.digest, class_map_of(engine)
            return self._made[1]


def routes(desk: Desk) -> list[Route]:
    """Return the routes."""
    maps = _Maps()

    async def answer(desk: Desk, request: Request) -> Response:
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        body = await desk.bodies.read(request)
        return json_response(await run_in_threadpool(_answered, desk, maps, body, media))

    return [whole_route(desk, "/api/try", answer, method="POST")]


def _answered(desk: Desk, maps: _Maps, body: bytes, media: str) -> dict[str, Any]:
    engine = desk.live.refresh()
    whole = engine.modality.media is not None and media.startswith(engine.modality.media)
    if whole:
        asked = Asked([body], None, single=True)
    else:
        asked = read_request(body, engine.modality, desk.limits)
    predictions = asked.answered(engine)
    alarms = [] if asked.task is not None else desk.live.count(engine, predictions)
    if desk.keeper is not None:
        desk.keeper.see(engine, asked.inputs, predictions)
    found: dict[str, Any] = {
        "bundle": engine.manifest.digest,
        "answers": [engine.evidence(one) for one in predictions],
        "names": [engine.modality.name(value)[:200] for value in asked.inputs],
        "alarms": alarms,
    }
    if len(asked.inputs) == 1:
        on = maps.of(engine)
        found["map"] = drawn(on, placed(engine, on, asked.inputs[0]))
        found["map_shows"] = on.faithful
    return found
