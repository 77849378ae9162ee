"""What may be said of an address, and where a host may send a client on. Pure."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from cfedge.errors import OfflineError, UsageError

__all__ = ["check_address", "redirected", "shown"]


#: How the address of a host begins, also with slashes that are too few or wrong.
_BEGINS = re.compile(r"\s*[a-z][a-z0-9+.-]*://|\s*https?:[/\\]*", re.IGNORECASE)


def shown(url: str) -> str:
    """Return an address as it may be printed: without user name and password, nor what is asked
    behind a question mark, with which some hosts sign an address.

    >>> shown("https://me:secret@host/edge?signature=1")
    'https://...@host/edge?...'
    """
    found = _BEGINS.match(url)
    scheme = found[0] if found else ""
    rest = url[len(scheme) :]
    ends = "/?#" if scheme else "/\\?#"
    end = min((rest.index(mark) for mark in ends if mark in rest), default=len(rest))
    user, at, _ = rest[:end].rpartition("@")
    if at and (scheme or ":" in user):  # else a folder, or an address as ssh has it
        rest = f"...@{rest[len(user) + 1 :]}"
    asked = min((rest.index(mark) for mark in "?#" if mark in rest), default=len(rest))
    if scheme and asked + 1 < len(rest):
        rest = f"{rest[: asked + 1]}..."
    return f"{scheme}{rest}"


def check_address(url: str) -> None:
    """Refuse what can be no address of a repository. A user name or a password would stand in
    process lists and histories; paths are put behind the address, where a query would swallow them.

    Raises
    ------
    UsageError
    """
    if any(letter.isspace() or not letter.isprintable() for letter in url):
        raise UsageError(
            f"address: expected an address without spaces, found {shown(url)!r}; correct it"
        )
    if "?" in url or "#" in url:
        raise UsageError(
            f"address: expected an address without a query (?) or a fragment (#), found"
            f" {shown(url)!r}; leave it out: a repository is files under plain paths"
        )
    if "@" in urlsplit(url).netloc:
        raise UsageError(
            f"address: expected an address without a user name or a password, found {shown(url)!r};"
            " a repository is signed and needs none: serve it without, or from a folder"
        )


def redirected(url: str, target: str) -> str:
    """Return the address that a host sends a client on to, `target` as seen from `url`.

    Raises
    ------
    OfflineError
        It is none, it holds a user name, or it gives up the encryption of `url`.
    """
    try:
        there = urljoin(url, target)
        scheme, name = urlsplit(there).scheme, urlsplit(there).netloc
    except ValueError as error:
        raise OfflineError(
            f"{shown(url)}: expected a redirect to an address, found {shown(target)!r:.200}; ask whoever"
            " runs the host"
        ) from error
    if scheme not in ("http", "https") or "@" in name:
        raise OfflineError(
            f"{shown(url)}: expected a redirect to a plain http(s) address, found {shown(there)!r:.200};"
            " ask whoever runs the host"
        )
    if urlsplit(url).scheme == "https" and scheme != "https":
        raise OfflineError(
            f"{shown(url)}: expected a redirect that stays encrypted, found {shown(there)!r:.200}; ask whoever"
            " runs the host, or give that address"
        )
    return there
