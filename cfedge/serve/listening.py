"""The socket that a server listens on."""

from __future__ import annotations

import ipaddress
import socket

from cfedge.errors import UsageError

__all__ = ["is_local", "listen"]


def listen(host: str, port: int) -> socket.socket:
    """Bind a listening socket; port 0 takes a free one.

    Raises
    ------
    UsageError
        It cannot be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, UnicodeError) as error:  # the latter of a name that none can be
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"could not listen on {host}:{port}: {reason}; take another --host or --port"
        ) from error


def is_local(bound: socket.socket) -> bool:
    """Whether only this machine reaches it."""
    return ipaddress.ip_address(bound.getsockname()[0].partition("%")[0]).is_loopback
