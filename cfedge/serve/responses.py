"""What the server sends: JSON, and errors as JSON with their status."""

from __future__ import annotations

import json
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from cfedge.errors import CfedgeError, InputError, TaskError, UsageError

__all__ = ["GONE", "broken", "busy", "error_response", "json_response", "no_method", "refused"]

#: Status by error; any other is 500.
_STATUS: dict[type[CfedgeError], int] = {UsageError: 400, InputError: 422, TaskError: 422}
#: Characters of an error: one that names every task may be long.
_LONGEST = 1_000
#: Nobody is there to be told: for the counters alone.
GONE = 499


def busy(message: str, retry_s: int) -> HTTPException:
    """Return the refusal of a server that has no room now, with when to try again."""
    return HTTPException(503, f"{message}; try again in {retry_s} s", {"retry-after": str(retry_s)})


def json_response(
    value: object, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return a value as JSON."""
    content = json.dumps(value, ensure_ascii=False, allow_nan=False).encode(
        "utf-8", "backslashreplace"
    )
    return Response(content, status, headers, "application/json")


async def refused(_: Request, error: HTTPException) -> Response:
    """Answer what this server refused, with its reason."""
    return json_response({"error": error.detail}, error.status_code, dict(error.headers or {}))


async def no_method(request: Request, error: HTTPException) -> Response:
    """Name the methods of a route that was asked with another."""
    allowed = dict(error.headers or {})
    return json_response(
        {"error": f"method: expected {allowed.get('Allow')}, found {request.method[:20]!r}"},
        405,
        allowed,
    )


async def error_response(
    _: Request, error: CfedgeError, *, said: Callable[[str], str] = str
) -> Response:
    """Answer an error of the engine's in one line, as `said` puts it, with its status."""
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
    return json_response({"error": said(" ".join(str(error).split()))[:_LONGEST]}, status)


async def broken(_: Request, __: Exception) -> Response:
    """Say that it is not the client's fault, and nothing else."""
    return json_response({"error": "the server failed: its log says why"}, 500)
