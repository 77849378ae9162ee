"""The routes: ``/predict``, ``/health/live``, ``/health/ready``, ``/metrics``, ``/openapi.json``.
Nothing of the disk can be asked for.

The engine runs in the pool's threads; the event loop reads, refuses and sends. A body is read under
a limit of bytes and time, and only where there is room in the queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from cfedge.errors import CfedgeError
from cfedge.runtime.answers import Seen
from cfedge.runtime.engine import Engine
from cfedge.serve.answered import Answered, Current, answered
from cfedge.serve.bodies import Bodies, check_coding, check_media, check_query
from cfedge.serve.follower import Follower
from cfedge.serve.limits import Limits
from cfedge.serve.meters import Meters
from cfedge.serve.middleware import gated, measured
from cfedge.serve.multipart import MULTIPART, read_parts
from cfedge.serve.openapi import document
from cfedge.serve.pool import Full, Pool
from cfedge.serve.request import Asked, read_request
from cfedge.serve.responses import (
    GONE,
    broken,
    busy,
    error_response,
    json_response,
    no_method,
    refused,
)
from cfedge.serve.sessions import SESSION_HEADERS, Key, read_session

__all__ = ["Service"]


class Service:
    """One engine behind five routes.

    Parameters
    ----------
    engine
        That answers, until its store has a newer one.
    workers
        Threads that answer, >= 1.
    limits
        See there.
    report
        Gets what a person should read, one line each.
    monitor
        File of the monitor's counts, or None.
    hosts
        Names of this server that are answered; addresses and ``localhost`` always are.
    seen
        Is told of inputs and their answers, beside the answering.

    Attributes
    ----------
    app
        For an ASGI server.
    meters
        Its counters.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        workers: int,
        limits: Limits,
        report: Callable[[str], None],
        monitor: Path | None = None,
        hosts: Collection[str] = (),
        seen: Seen | None = None,
    ) -> None:
        self._limits = limits
        self._pool = Pool(workers, limits.queue)
        self.meters = Meters(self._pool)
        self._bodies = Bodies(limits)
        self.meters.gauge(
            "cfedge_body_bytes",
            "Of bodies that are being read.",
            lambda: self._bodies.buffered_bytes,
        )
        self._follower = Follower(engine, limits, self.meters, report, monitor)
        self.meters.gauge(
            "cfedge_sessions",
            "Sessions that are kept.",
            lambda: len(self._follower.current.sessions),
        )
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="cfedge-aside")
        self._monitored, self._seen = monitor is not None, seen
        routes = [
            Route("/predict", self._predict, methods=["POST"]),
            Route("/health/live", self._live),
            Route("/health/ready", self._ready),
            Route("/metrics", self._metrics),
            Route("/openapi.json", self._document),
        ]
        self._routes = [route.path for route in routes]
        handlers: dict[Any, Any] = {
            404: self._no_route,
            405: no_method,
            HTTPException: refused,
            CfedgeError: error_response,
            Full: self._full,
            Exception: broken,
        }
        app = Starlette(routes=routes, exception_handlers=handlers, lifespan=self._lifespan)
        app.router.redirect_slashes = False
        names = frozenset(name.lower() for name in hosts)
        inner = gated(app, hosts=names, head_bytes=limits.head_bytes)
        self.app: ASGIApp = measured(inner, routes=self._routes, meters=self.meters)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncGenerator[None, None]:
        following = asyncio.create_task(self._follow())
        yield
        following.cancel()
        await self._beside(self._follower.save)
        self._aside.shutdown(wait=False, cancel_futures=True)
        self._pool.close()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._limits.follow_s)
            await self._beside(self._follower.follow)
            await self._beside(self._follower.save)

    async def _beside(self, call: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._aside, call)

    async def _predict(self, request: Request) -> Response:
        current = self._follower.current
        stated = request.headers.get("content-type", "")
        check_media(stated, current.engine.modality.media)
        check_query(request.scope["query_string"])
        check_coding(request.headers.get("content-encoding", ""))
        session = read_session({name: request.headers.getlist(name) for name in SESSION_HEADERS})
        if self._pool.is_full:
            raise Full
        body = await self._bodies.read(request)
        work = self._pool.submit(lambda: self._worked(current, body, stated, session))
        waiting = asyncio.wrap_future(work)
        leaving = asyncio.ensure_future(
            request.receive()
        )  # after the body, all that comes is that the client went away
        try:
            await asyncio.wait(
                (waiting, leaving),
                timeout=self._limits.answer_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if waiting.done():
                return self._answer(current.engine, waiting.result())
            if leaving.done():
                return Response(status_code=GONE)
            raise self._busy(f"answer: expected within {self._limits.answer_s:g} s, found none")
        finally:
            work.cancel()  # now, where it has not begun
            waiting.cancel()
            leaving.cancel()

    def _worked(
        self, current: Current, body: bytes, content_type: str, session: Key | None
    ) -> Answered:
        """A worker's part: a large body of JSON would hold the event loop up too."""
        media = content_type.partition(";")[0].strip().lower()
        modality = current.engine.modality
        try:
            if media == "application/json":
                asked = read_request(body, modality, self._limits)
            elif media == MULTIPART:
                asked = read_parts(body, content_type, modality, self._limits)
            else:  # the body is one input itself
                asked = Asked([body], None, single=True)
            return answered(current, asked, session)
        except MemoryError as error:
            raise self._busy("memory: expected room for the answer, found none") from error
        except BaseException as error:
            if isinstance(error, Exception):
                raise
            raise RuntimeError(f"{type(error).__name__}: {error}") from error  # a panic of Rust

    def _answer(self, engine: Engine, done: Answered) -> Response:
        asked, predictions, answers, certified = done
        self.meters.answered(predictions)
        if self._monitored and certified:
            asyncio.get_running_loop().run_in_executor(
                self._aside, self._follower.see, engine, predictions
            )
        if self._seen is not None:
            asyncio.get_running_loop().run_in_executor(
                self._aside, self._seen, engine, asked.inputs, predictions
            )
        return json_response(answers[0] if asked.single else {"answers": answers})

    async def _live(self, _: Request) -> Response:
        return json_response({"status": "live"})

    async def _ready(self, _: Request) -> Response:
        engine = self._follower.engine
        state = {
            "bundle": engine.manifest.digest,
            "generation": engine.generation,
            "tasks": len(engine.tasks),
        }
        if self._pool.is_full:
            return json_response({"status": "full", **state}, 503)
        return json_response({"status": "ready", **state})

    async def _document(self, _: Request) -> Response:
        modality = self._follower.engine.modality
        return json_response(document(modality, self._limits, self.meters.content_type))

    async def _metrics(self, _: Request) -> Response:
        return Response(self.meters.exposition(), media_type=self.meters.content_type)

    def _busy(self, message: str) -> HTTPException:
        return busy(message, self._limits.retry_s)

    async def _full(self, request: Request, _: Exception) -> Response:
        return await refused(request, self._busy("queue: expected room, found it full"))

    async def _no_route(self, request: Request, _: Exception) -> Response:
        path = request.scope["path"][:80]
        known = ", ".join(self._routes)
        return json_response({"error": f"path: expected one of {known}, found {path!r}"}, 404)
