"""The console over HTTP: its page, who may log in, and the routes of its five parts. Everything but
the page itself needs a session; every change needs the session's word.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cfedge.charts import style
from cfedge.console import routes_review, routes_tasks, routes_teach, routes_try
from cfedge.console.access import SECURE_HEADERS, Access, foreign
from cfedge.console.activation import Place
from cfedge.console.desk import Desk, whole_route
from cfedge.console.jobs import Jobs
from cfedge.console.live import Live
from cfedge.console.wording import in_console
from cfedge.errors import CfedgeError
from cfedge.kept.keeper import Keeper
from cfedge.serve.bodies import Bodies
from cfedge.serve.limits import Limits
from cfedge.serve.middleware import gated
from cfedge.serve.responses import broken, error_response, json_response, no_method, refused

__all__ = ["Console"]

_MEDIA = {".css": "text/css", ".html": "text/html", ".js": "text/javascript"}
#: After a wrong key, in seconds: nobody types faster, and guessing is hopeless anyway.
_PAUSE_S = 0.3
#: Of what is given as the key: nobody is known yet who may send more.
_KEY_BYTES = 1024
#: To publish, sync and open what is switched on, on a slow board.
_ANSWER_S = 300.0


class _Untold:
    """Connections that were closed on a client are nobody's business here."""

    def dropped(self, reason: str) -> None:
        """Do nothing."""


class Console:
    """One console.

    Parameters
    ----------
    place
        What it works on.
    report
        Gets what a person should read, one line each.
    live
        What answers.
    keeper
        Keeps inputs, or None.
    monitor
        File of another program's counts, or None.
    hosts
        Names of this machine that are answered; addresses and ``localhost`` always are.
    port
        That it will listen on.

    Attributes
    ----------
    app
        For an ASGI server.
    access
        Holds the key that opens it.
    desk
        Everything that it has.
    meters
        Of `cfedge.serve.server.Server`.
    """

    meters = _Untold()

    def __init__(
        self,
        place: Place,
        live: Live,
        *,
        report: Callable[[str], None],
        keeper: Keeper | None = None,
        monitor: Path | None = None,
        hosts: Collection[str] = (),
        port: int = 0,
        limits: Limits | None = None,
    ) -> None:
        body_bytes = max(4 << 20, live.engine.modality.body_bytes)
        limits = limits or Limits(body_bytes=body_bytes, idle_s=60.0, answer_s=_ANSWER_S)
        self.access, self.limits = Access(), limits
        jobs = None
        if place.workspace is not None:
            jobs = Jobs(
                place.workspace / "console",
                place.workspace,
                synthetic_golden=place.synthetic_golden,
            )
        self._report = report
        self.desk = desk = Desk(
            place, live, self.access, limits, Bodies(limits), jobs, keeper, monitor, port
        )
        listed = [
            *(Route(path, _page(name)) for path, name in _pages().items()),
            Route("/charts.css", _charts),
            Route("/api/login", self._log_in, methods=["POST"]),
            whole_route(desk, "/api/word", _word),
            *routes_try.routes(desk),
            *routes_review.routes(desk),
            *routes_teach.routes(desk),
            *routes_tasks.routes(desk),
        ]
        handlers: dict[Any, Any] = {
            404: _no_route,
            405: no_method,
            HTTPException: refused,
            CfedgeError: functools.partial(error_response, said=in_console),
            Exception: broken,
        }
        app = Starlette(routes=listed, exception_handlers=handlers, lifespan=self._lifespan)
        app.router.redirect_slashes = False
        names = frozenset(name.lower() for name in hosts)
        inner = gated(app, hosts=names, head_bytes=limits.head_bytes)
        self.app: ASGIApp = _with_headers(inner)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncGenerator[None, None]:
        following = asyncio.create_task(self._follow())
        yield
        following.cancel()
        if self.desk.keeper is not None:
            await run_in_threadpool(self.desk.keeper.inputs.close)

    async def _follow(self) -> None:
        """Answer with what a sync, an export or another console put there."""
        while True:
            await asyncio.sleep(self.limits.follow_s)
            await run_in_threadpool(self.desk.live.refresh)

    async def _log_in(self, request: Request) -> Response:
        if (why := foreign(request.headers)) is not None:
            raise HTTPException(why.status, why.message)
        body = await self.desk.bodies.read(request, _KEY_BYTES)
        session = self.access.log_in(body.decode("utf-8", "replace").strip())
        if session is None:
            await asyncio.sleep(_PAUSE_S)
            raise HTTPException(
                401, "key: expected the one that the console printed, found another; copy it"
            )
        answer = json_response({"word": self.access.word(session)})
        answer.set_cookie(self.desk.cookie, session, httponly=True, samesite="strict", path="/")
        return answer


async def _word(desk: Desk, request: Request) -> Response:
    """Tell a page that was loaded anew its session's word; another site's page cannot read it."""
    return json_response({"word": desk.access.word(request.cookies[desk.cookie])})


def _pages() -> dict[str, str]:
    """The files of the page, by their paths."""
    names = (one.name for one in resources.files("cfedge.console").joinpath("static").iterdir())
    return {"/" if name == "index.html" else f"/{name}": name for name in sorted(names)}


def _page(name: str) -> Callable[[Request], Response]:
    media = f"{_MEDIA[Path(name).suffix]}; charset=utf-8"

    def sent(_: Request) -> Response:
        return Response(_static(name), media_type=media)

    return sent


@functools.cache
def _static(name: str) -> bytes:
    return resources.files("cfedge.console").joinpath("static", name).read_bytes()


def _charts(_: Request) -> Response:
    return Response(style(), media_type="text/css; charset=utf-8")


async def _no_route(request: Request, _: Exception) -> Response:
    return json_response(
        {"error": f"path: expected one of the console's, found {request.scope['path'][:80]!r}"}, 404
    )


def _with_headers(app: ASGIApp) -> ASGIApp:
    """Say with every answer what a browser may do with it."""
    extra = [(name.encode(), value.encode()) for name, value in SECURE_HEADERS.items()]

    async def sent(scope: Scope, receive: Receive, send: Send) -> None:
        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        await app(scope, receive, noted)

    return sent
