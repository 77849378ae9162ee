"""A request's inputs -> its answers, by the engine alone or in a session of its client's."""

from __future__ import annotations

from typing import NamedTuple

from cfedge.errors import UsageError
from cfedge.runtime.engine import Engine
from cfedge.runtime.prediction import Prediction
from cfedge.serve.request import Asked
from cfedge.serve.sessions import SESSION, Key, Sessions

__all__ = ["Answered", "Current", "answered"]


class Current(NamedTuple):
    """What answers requests from one moment on: an engine, and the sessions that are about its
    tasks. Another generation brings both anew.
    """

    engine: Engine
    sessions: Sessions


class Answered(NamedTuple):
    """What was asked, the answers, each as JSON types, and whether each is of its input alone, with
    the task looked up: what certificates are about.
    """

    asked: Asked
    predictions: list[Prediction]
    evidence: list[dict[str, object]]
    certified: bool


def answered(current: Current, asked: Asked, key: Key | None) -> Answered:
    """Answer what was asked, in a session where there is a `key`.

    In a session each answer also has ``session_inputs``: how many inputs the session has answered,
    with this one. It is 1 where the session began with this input.

    Raises
    ------
    HTTPException
        See `Sessions.using`.
    UsageError
        Something was asked for that a session does not have.
    InputError, TaskError
        See `Engine.predict`; a session is as it was.
    """
    engine = current.engine
    if key is None:
        predictions = asked.answered(engine)
        evidence = [engine.evidence(one) for one in predictions]
        return Answered(asked, predictions, evidence, certified=asked.task is None)
    for name in ("task", "top", "coverage"):
        if getattr(asked, name) is not None:
            raise UsageError(
                f"{name}: expected no header {SESSION} beside it, found one; a session finds its"
                " task itself, and its probabilities are not those of single inputs: leave one of"
                " them out"
            )
    with current.sessions.using(key) as held:
        predictions, evidence = held.session.predict_all(asked.inputs)
        for one in evidence:
            held.inputs += 1
            one["session_inputs"] = held.inputs
    return Answered(asked, predictions, evidence, certified=False)
