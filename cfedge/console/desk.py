"""What all routes of a console work with, and how one of them is made: judged, read, answered."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cfedge.console.access import Access
from cfedge.console.activation import Place
from cfedge.console.jobs import Jobs
from cfedge.console.live import Live
from cfedge.errors import UsageError
from cfedge.kept.keeper import Keeper
from cfedge.serve.bodies import Bodies
from cfedge.serve.limits import Limits
from cfedge.serve.responses import json_response
from cfedge.values import json_fault

__all__ = ["Desk", "Given", "is_number", "route", "whole_route"]


#: Of a kept input: SQLite has no larger ones.
_LARGEST_NUMBER = 2**63 - 1


@dataclass(frozen=True)
class Desk:
    """Everything that a console has.

    Attributes
    ----------
    place
        What it works on.
    live
        What answers.
    access
        Who may ask.
    limits, bodies
        Of requests.
    jobs
        None where there is no workspace: nothing is taught.
    keeper
        None where ``--keep`` was not given: nothing is kept.
    monitor
        File of another program's counts, or None.
    port
        That it listens on: cookies of one host are sent to every port.
    """

    place: Place
    live: Live
    access: Access
    limits: Limits
    bodies: Bodies
    jobs: Jobs | None
    keeper: Keeper | None
    monitor: Path | None
    port: int

    @property
    def cookie(self) -> str:
        """Name of the session's cookie."""
        return f"cfedge_console_{self.port}"

    def the_jobs(self) -> Jobs:
        """Return the jobs.

        Raises
        ------
        UsageError
            There is no workspace.
        """
        if self.jobs is None:
            raise UsageError(
                "teach: expected a workspace, found none; start the console with one, as in: cfedge"
                " console bundle ws"
            )
        return self.jobs

    def the_keeper(self) -> Keeper:
        """Return what keeps inputs.

        Raises
        ------
        UsageError
            Nothing is kept.
        """
        if self.keeper is None:
            raise UsageError(
                "review: expected kept inputs, found that none are kept; start the console with"
                " --keep DIR"
            )
        return self.keeper


@dataclass(frozen=True)
class Given:
    """What a request gave: values of its path and its query, and the JSON object of its body."""

    path: dict[str, Any]
    query: dict[str, str]
    body: dict[str, Any]

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """Return a number of the query.

        Raises
        ------
        UsageError
            It is none, or out of bounds.
        """
        given = self.query.get(name)
        if given is None:
            return default
        try:
            value = float(given)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise UsageError(
                f"{name}: expected a number from {least:g} to {most:g}, found {given[:20]!r}"
            )
        return value

    def integers(self, name: str, *, most: int) -> list[int]:
        """Return an array of whole numbers of the body.

        Raises
        ------
        UsageError
            It is none, or too long.
        """
        found = self.body.get(name)
        if not isinstance(found, list) or not all(map(is_number, found)):
            raise UsageError(f"{name}: expected an array of whole numbers, found something else")
        if len(found) > most:
            raise UsageError(f"{name}: expected at most {most}, found {len(found)}; send fewer")
        return found


def is_number(value: object) -> bool:
    """Whether a JSON value may be the number of a kept input."""
    return type(value) is int and 0 <= value <= _LARGEST_NUMBER


Handler: TypeAlias = Callable[[Desk, Given], object]
Whole: TypeAlias = Callable[[Desk, Request], Awaitable[Response]]


def route(desk: Desk, path: str, handler: Handler, *, method: str = "GET") -> Route:
    """Return a route whose handler runs in a thread and returns JSON types."""

    async def answered(desk: Desk, request: Request) -> Response:
        body: dict[str, Any] = {}
        if method == "POST":
            body = _object(await desk.bodies.read(request))
        given = Given(dict(request.path_params), dict(request.query_params), body)
        return json_response(await run_in_threadpool(handler, desk, given))

    return whole_route(desk, path, answered, method=method)


def whole_route(desk: Desk, path: str, handler: Whole, *, method: str = "GET") -> Route:
    """Return a route whose handler gets the request, once it is judged."""

    async def judged(request: Request) -> Response:
        session = request.cookies.get(desk.cookie)
        refused = desk.access.judged(request.method, request.headers, session)
        if refused is not None:
            raise HTTPException(refused.status, refused.message)
        return await handler(desk, request)

    return Route(path, judged, methods=[method])


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data or b"{}")
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"body: expected a JSON object, found none: {json_fault(error)}"
        ) from error
    if not isinstance(found, dict):
        raise UsageError("body: expected a JSON object, found something else")
    return found
