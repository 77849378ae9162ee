"""Sessions of clients: streams of inputs whose task seldom changes, such as a camera's frames
(`cfedge.runtime.stream`), each named by its client in headers.

**Rules.** A session is its name with its two settings. It begins with its first input. It ends when
nobody has used it for `Limits.session_idle_s`, when a new one needs its place and it is the one
that was used longest ago, and when the server takes another generation of its store: what was seen
is about the tasks of one engine. A session answers one request at a time, since the order of its
inputs matters.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from starlette.exceptions import HTTPException

from cfedge.errors import UsageError
from cfedge.runtime.engine import Engine
from cfedge.runtime.stream import SWITCH, Session
from cfedge.serve.limits import Limits

__all__ = ["Held", "Key", "NAME", "SESSION", "SESSION_HEADERS", "Sessions", "read_session"]

SESSION = "cfedge-session"
_SWITCH, _LABEL_SWITCH = "cfedge-switch", "cfedge-label-switch"
#: What each header that is read here says.
SESSION_HEADERS = {
    SESSION: "The stream that the inputs belong to; its task, and its label where"
    f" {_LABEL_SWITCH} is sent, seldom change.",
    _SWITCH: f"Probability that the session's task is another one before an input; {SWITCH} unless"
    " sent.",
    _LABEL_SWITCH: "Probability that the session's label is another one before an input; each input"
    " has a label of its own unless sent.",
}
#: What a name is.
NAME = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$"
_NAME = re.compile(NAME.removeprefix("^").removesuffix("$"))
#: Characters of a number, and of a value that an error quotes.
_DIGITS, _QUOTED = 40, 40


class Key(NamedTuple):
    """A session's name and settings."""

    name: str
    switch: float
    label_switch: float | None


@dataclass
class Held:
    """A session, how many inputs it has answered, and when it was last used, by the clock."""

    session: Session
    used_s: float
    inputs: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def read_session(headers: Mapping[str, list[str]]) -> Key | None:
    """Return which session a request belongs to; None where it names none.

    Parameters
    ----------
    headers
        The values of each header of this module.

    Raises
    ------
    UsageError
        A name or a number is none, comes twice, or a setting comes without a session.
    """
    for name, values in headers.items():
        if len(values) > 1:
            raise UsageError(f"{name}: expected it once, found {len(values)}; send one")
    stated = {name: values[0] for name, values in headers.items() if values}
    if SESSION not in stated:
        for name in stated:
            raise UsageError(f"{name}: expected the header {SESSION} beside it, found none; add it")
        return None
    if _NAME.fullmatch(stated[SESSION]) is None:
        raise UsageError(
            f"{SESSION}: expected a name of 1 to 100 letters, digits, '.', '_', ':' and '-', found"
            f" {stated[SESSION][:_QUOTED]!r}; choose another"
        )
    switch = _probability(stated, _SWITCH)
    return Key(
        stated[SESSION], SWITCH if switch is None else switch, _probability(stated, _LABEL_SWITCH)
    )


def _probability(stated: Mapping[str, str], name: str) -> float | None:
    if name not in stated:
        return None
    try:
        found = float(stated[name][:_DIGITS])
    except ValueError:
        found = 0.0
    if not 0 < found <= 1:
        raise UsageError(
            f"{name}: expected a probability above 0 and at most 1, found"
            f" {stated[name][:_QUOTED]!r}; {SWITCH} is one change in twenty inputs"
        )
    return found


class Sessions:
    """The sessions of one engine, for all threads.

    Parameters
    ----------
    engine
        That answers them.
    limits
        See there.
    evicted
        Is called for each that must make room for another.
    clock
        Seconds that never go back.
    """

    def __init__(
        self,
        engine: Engine,
        limits: Limits,
        evicted: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._limits, self._evicted, self._clock = engine, limits, evicted, clock
        self._held: OrderedDict[Key, Held] = OrderedDict()  # used longest ago first
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many there are now."""
        with self._lock:
            self._forget()
            return len(self._held)

    @contextmanager
    def using(self, key: Key) -> Iterator[Held]:
        """Give a session to one thread; it is made where there is none.

        Raises
        ------
        HTTPException
            409: another request uses it.
        """
        with self._lock:
            held = self._found(key)
        if not held.lock.acquire(blocking=False):
            raise HTTPException(
                409,
                f"session {key.name!r}: expected one request at a time, found another under way;"
                " send the next when it is answered",
            )
        try:
            yield held
        finally:
            held.lock.release()

    def _found(self, key: Key) -> Held:
        self._forget()
        now_s = self._clock()
        held = self._held.get(key)
        if held is None:
            _, switch, label_switch = key
            session = Session(self._engine, switch=switch, label_switch=label_switch)
            held = self._held[key] = Held(session, now_s)
            if len(self._held) > self._limits.sessions:
                self._held.popitem(last=False)
                self._evicted()
        held.used_s = now_s
        self._held.move_to_end(key)
        return held

    def _forget(self) -> None:
        """Leave out those that nobody has used for long."""
        oldest_s = self._clock() - self._limits.session_idle_s
        while self._held and next(iter(self._held.values())).used_s < oldest_s:
            self._held.popitem(last=False)
