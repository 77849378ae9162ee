"""What stands around every route: the gate, and the clock."""

from __future__ import annotations

import time
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cfedge.serve.gate import refusal
from cfedge.serve.meters import Meters
from cfedge.serve.responses import GONE, json_response

__all__ = ["gated", "measured"]


def gated(app: ASGIApp, *, hosts: Collection[str], head_bytes: int) -> ASGIApp:
    """Refuse by the head, with the connection closed: whatever stands behind it is not read."""

    async def judged(scope: Scope, receive: Receive, send: Send) -> None:
        judgement = None
        if scope["type"] == "http":
            judgement = refusal(scope, hosts=hosts, head_bytes=head_bytes)
        if judgement is None:
            await app(scope, receive, send)
            return
        answer = json_response(
            {"error": judgement.message}, judgement.status, {"connection": "close"}
        )
        await answer(scope, receive, send)

    return judged


def measured(app: ASGIApp, *, routes: Collection[str], meters: Meters) -> ASGIApp:
    """Count requests by route and status, and the time that each took."""

    async def timed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        start, status = time.perf_counter(), GONE

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, noted)
        finally:
            route = scope["path"] if scope["path"] in routes else "other"
            meters.request(route, status, time.perf_counter() - start)

    return timed
