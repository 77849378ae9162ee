"""Bodies of requests, read under a limit of bytes and time on each, and of bytes on all that are
being read.
"""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from cfedge.serve.limits import Limits
from cfedge.serve.multipart import MULTIPART
from cfedge.serve.responses import GONE, busy

__all__ = ["Bodies", "check_coding", "check_media", "check_query"]


class Bodies:
    """Reads bodies, for one event loop.

    Parameters
    ----------
    limits
        See there.

    Attributes
    ----------
    buffered_bytes
        Of all bodies that are being read now.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits, self.buffered_bytes = limits, 0

    async def read(self, request: Request, most_bytes: int | None = None) -> bytes:
        """Read the body, as far as it may be large; raise where it is larger, before it is here.

        Parameters
        ----------
        most_bytes
            None: what the limits say.

        Raises
        ------
        HTTPException
            413: it is larger. 503: all bodies together are. 408: it comes too slowly. 499: the
            client went away.
        """
        limit = self._limits.body_bytes if most_bytes is None else most_bytes
        try:
            return await asyncio.wait_for(self._read(request, limit), self._limits.body_s)
        except ClientDisconnect as error:
            raise HTTPException(GONE, "the client went away") from error
        except asyncio.TimeoutError as error:
            message = (
                f"body: expected it within {self._limits.body_s:g} s, found"
                f" {request.headers.get('content-length', 'some')} bytes coming too slowly"
            )
            raise HTTPException(408, message, {"connection": "close"}) from error

    async def _read(self, request: Request, limit: int) -> bytes:
        too_large = HTTPException(
            413, f"body: expected at most {limit} bytes, found more; ask in several requests"
        )
        if int(request.headers.get("content-length", "0")[:20]) > limit:
            raise too_large
        body = bytearray()
        held = 0
        try:
            async for piece in request.stream():
                if len(body) + len(piece) > limit:
                    raise too_large
                if self.buffered_bytes + len(piece) > self._limits.buffered_bytes:
                    raise busy(
                        f"bodies: expected at most {self._limits.buffered_bytes} bytes at once,"
                        " found more",
                        self._limits.retry_s,
                    )
                held += len(piece)
                self.buffered_bytes += len(piece)
                body += piece
            return bytes(body)
        finally:
            self.buffered_bytes -= held


def check_media(stated: str, known: str | None) -> None:
    """Refuse a body that is neither JSON nor of the `known` media type of one input: status 415."""
    media = stated.partition(";")[0].strip().lower()
    if media == "application/json" or (
        known is not None and (media == MULTIPART or media.startswith(known))
    ):
        return
    more = f", {MULTIPART} or {known}*" if known else ""
    raise HTTPException(415, f"content-type: expected application/json{more}, found {media[:80]!r}")


def check_query(stated: bytes) -> None:
    """Refuse what is asked for behind the path, where it would be passed over: status 400."""
    if stated:
        raise HTTPException(
            400,
            f"query: expected none, found {stated[:80].decode('latin-1')!r}; write task, top and"
            " coverage into JSON, or into a form beside the input",
        )


def check_coding(stated: str) -> None:
    """Refuse a body that is packed, which could unpack to anything: status 415."""
    if stated.strip().lower() not in ("", "identity"):
        raise HTTPException(
            415, f"content-encoding: expected none, found {stated[:80]!r}; send the body as it is"
        )
