"""Who may ask the console. Pure.

It acts for whoever holds the key that it prints when it starts. A page of another site that is
open in the same browser holds none, and is refused three times: its requests carry another origin,
the session's cookie is not sent with them (``SameSite=Strict``), and it cannot read the word that
every change must carry in a header. The host is judged before (`cfedge.serve.gate`).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Access", "POLICY", "Refused", "SECURE_HEADERS"]

#: Scripts, styles and pictures of this server alone; nothing inline, nothing from elsewhere.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
    " connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
SECURE_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
#: Browsers that are logged in at once; the one that asked longest ago goes.
_SESSIONS = 64
#: The header of the word that a change must carry.
_WORD = "x-cfedge-csrf"


class Refused(NamedTuple):
    """A status and what is wrong."""

    status: int
    message: str


class Access:
    """The key and the sessions of one console.

    Parameters
    ----------
    key
        None: a new one.

    Attributes
    ----------
    key
        What a person types, or what the link that the console prints has behind its ``#``.
    """

    def __init__(self, key: str | None = None) -> None:
        self.key = key or secrets.token_urlsafe(24)
        self._sessions: OrderedDict[str, None] = OrderedDict()
        self._secret = secrets.token_bytes(32)

    def log_in(self, key: object) -> str | None:
        """Return a new session for the right key, else None."""
        given = str(key).encode("utf-8", "replace")
        if not hmac.compare_digest(given, self.key.encode()):
            return None
        session = secrets.token_urlsafe(24)
        self._sessions[session] = None
        while len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)
        return session

    def word(self, session: str) -> str:
        """Return what a session's changes must carry."""
        return hmac.new(self._secret, session.encode(), hashlib.sha256).hexdigest()

    def judged(
        self, method: str, headers: Mapping[str, str], session: str | None
    ) -> Refused | None:
        """Judge a request for data or a change; None: it may go on."""
        if refused := foreign(headers):
            return refused
        if session is None or session not in self._sessions:
            return Refused(401, "session: expected one, found none; give the console's key")
        self._sessions.move_to_end(session)
        if method != "GET" and not hmac.compare_digest(
            headers.get(_WORD, "").encode("utf-8", "replace"), self.word(session).encode()
        ):
            return Refused(403, f"{_WORD}: expected this session's word, found another")
        return None


def foreign(headers: Mapping[str, str]) -> Refused | None:
    """Refuse a request that a page of another origin makes."""
    origin, host = headers.get("origin"), headers.get("host", "")
    if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
        return Refused(403, f"origin: expected this console, found {origin[:80]!r}")
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return Refused(403, "origin: expected this console, found another site's request")
    return None
