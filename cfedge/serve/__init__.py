"""Answers over HTTP, on this machine by default: `cfedge serve`. Needs ``cfedge[serve]``; nothing
else imports this.
"""

from cfedge.errors import MissingExtraError

try:
    import prometheus_client  # noqa: F401
    import starlette  # noqa: F401
    import uvicorn  # noqa: F401
except ImportError as error:
    raise MissingExtraError(
        f"cfedge.serve needs {error.name}: pip install 'cfedge[serve]'"
    ) from error
