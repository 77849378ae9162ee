"""What may be said of an address, and where a host may send a client on. Pure."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from cfedge.errors import OfflineError, UsageError

__all__ = ["check_address", "redirected", "shown"]


def shown(url: str) -> str:
    """Return an address as it may be printed: without user name and password.

    >>> shown("https://me:secret@host/edge")
    'https://...@host/edge'
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    end = min((rest.index(mark) for mark in "/?#" if mark in rest), default=len(rest))
    user, at, _ = rest[:end].rpartition("@")
    return f"{scheme}://...@{rest[len(user) + 1 :]}" if at else url


def check_address(url: str) -> None:
    """Refuse a user name or a password: they would stand in process lists and histories.

    Raises
    ------
    UsageError
    """
    if "@" in urlsplit(url).netloc:
        raise UsageError(
            f"--from: expected an address without a user name or a password, found {shown(url)!r};"
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
            f"{url}: expected a redirect to an address, found {shown(target)!r:.200}; ask whoever"
            " runs the host"
        ) from error
    if scheme not in ("http", "https") or "@" in name:
        raise OfflineError(
            f"{url}: expected a redirect to a plain http(s) address, found {shown(there)!r:.200};"
            " ask whoever runs the host"
        )
    if urlsplit(url).scheme == "https" and scheme != "https":
        raise OfflineError(
            f"{url}: expected a redirect that stays encrypted, found {there!r:.200}; ask whoever"
            " runs the host, or give that address with --from"
        )
    return there
