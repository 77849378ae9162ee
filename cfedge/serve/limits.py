"""What a client may take of the server: bytes, time, places."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """All limits of the server.

    Attributes
    ----------
    body_bytes
        Of one request's body; 413 above.
    buffered_bytes
        Of all bodies that are being read; 503 above. Else many clients with bodies of the largest
        size would fill the memory.
    inputs
        Of one request; 422 above. How large one of them may be is for its kind.
    top
        Answers to one input that may be asked for; 422 above.
    head_bytes
        Of a request line with its headers; 400 above.
    connections
        Open at once, and never more than the process may have files; one more is closed at once.
    head_s
        From the first byte of a connection, or of a later request on it, to the end of its headers;
        the connection is closed then.
    body_s
        From the end of the headers to the end of the body; 408 then.
    answer_s
        From the end of the body to the answer, waiting included; 503 then.
    idle_s
        Without a request on an open connection; it is closed then.
    queue
        Requests that wait for a worker; 503 above.
    retry_s
        What 503 says to wait before the next try.
    follow_s
        Between two looks at the store.
    sessions
        That are kept; the one that was used longest ago makes room for a new one. One takes some 8
        bytes a task and, with a label switch, 8 bytes a class of its task.
    session_idle_s
        Without a request of a session; it is forgotten then.
    """

    body_bytes: int = 1 << 20
    buffered_bytes: int = 32 << 20
    inputs: int = 32
    top: int = 100
    head_bytes: int = 16 << 10
    connections: int = 4_096
    head_s: float = 10.0
    body_s: float = 10.0
    answer_s: float = 10.0
    idle_s: float = 5.0
    queue: int = 64
    retry_s: int = 1
    follow_s: float = 5.0
    sessions: int = 1_000
    session_idle_s: float = 300.0
