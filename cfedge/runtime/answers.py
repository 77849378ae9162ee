"""A run of inputs, answered one after the other: what stands behind ``cfedge predict``.

An engine answers, a session may keep evidence from input to input, and a monitor may count. What
cannot go together is refused here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from cfedge.errors import UsageError
from cfedge.inputs.modality import Input
from cfedge.runtime.drift import Monitor
from cfedge.runtime.engine import Engine
from cfedge.runtime.false_reject import FalseReject, check_monitor
from cfedge.runtime.prediction import Prediction
from cfedge.runtime.stream import SWITCH, Session

__all__ = ["Answers", "Seen"]

#: Is told of inputs that an engine answered.
Seen: TypeAlias = Callable[[Engine, Sequence[Input], Sequence[Prediction]], None]

#: Inputs after which the monitor's counts are written.
_SAVED = 100


class Answers:
    """Answers inputs in their order.

    Parameters
    ----------
    engine
        That answers.
    task
        Of all inputs, where it is known.
    session
        The inputs are one stream whose task seldom changes (`cfedge.runtime.stream`).
    switch, label_switch
        Of the session; None: its default.
    monitor
        File of the monitor's counts (`cfedge.runtime.drift`); None: nothing is counted.
    top, coverage
        See `Engine.predict`.

    Attributes
    ----------
    modality
        What prepares the inputs.
    engine
        That answers.
    seen
        Is told of every input and its answer, where it is set.

    Raises
    ------
    UsageError
        These cannot go together.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        task: str | None = None,
        session: bool = False,
        switch: float | None = None,
        label_switch: float | None = None,
        monitor: Path | None = None,
        top: int | None = None,
        coverage: float | None = None,
    ) -> None:
        _check(
            task=task, session=session, switch=switch, label_switch=label_switch, monitor=monitor
        )
        _check_alone(session=session, top=top, coverage=coverage)
        engine.check_wanted(task, top=top, coverage=coverage)
        self._top, self._coverage = top, coverage
        self.modality = engine.modality
        self.engine, self._task, self._file = engine, task, monitor
        self.seen: Seen | None = None
        self._stream = (
            Session(engine, switch=SWITCH if switch is None else switch, label_switch=label_switch)
            if session
            else None
        )
        self._counts = Monitor.load(monitor, engine.manifest) if monitor else None
        #: Another bundle's counts are in the file, and will be replaced.
        self.counts_anew = self._counts is not None and self._counts.anew
        self._unsaved = 0

    @classmethod
    def open(
        cls,
        bundle: Path,
        *,
        threads: int = 1,
        adapter_bytes: int | None = None,
        task: str | None = None,
        session: bool = False,
        switch: float | None = None,
        label_switch: float | None = None,
        monitor: Path | None = None,
        false_reject: FalseReject = None,
        top: int | None = None,
        coverage: float | None = None,
    ) -> Answers:
        """Open a bundle or store, once it is known that the rest goes together.

        Raises
        ------
        CfedgeError
            See the class and `Engine.open`.
        """
        _check(
            task=task, session=session, switch=switch, label_switch=label_switch, monitor=monitor
        )
        _check_alone(session=session, top=top, coverage=coverage)
        check_monitor(monitor, false_reject)
        engine = Engine.open(
            bundle, threads=threads, adapter_bytes=adapter_bytes, false_reject=false_reject
        )
        return cls(
            engine,
            task=task,
            session=session,
            switch=switch,
            label_switch=label_switch,
            monitor=monitor,
            top=top,
            coverage=coverage,
        )

    def __call__(self, value: Input) -> tuple[dict[str, object], list[str]]:
        """Answer the next input: the answer as JSON types, and the monitor's alarms, one line each.

        With a session the answer is `Session.evidence`'s.

        Raises
        ------
        InputError
            It cannot be answered; what is kept stays as it was.
        """
        if self._stream is None:
            (answer,) = self.engine.predict(
                [value], task=self._task, top=self._top, coverage=self._coverage
            )
            evidence = self.engine.evidence(answer)
        else:
            answer = self._stream.predict(value)
            evidence = self._stream.evidence(answer)
        if self.seen is not None:
            self.seen(self.engine, [value], [answer])
        if self._counts is None:
            return evidence, []
        alarms = [alarm.message for alarm in self._counts.see([answer])]
        self._unsaved += 1
        if self._unsaved >= _SAVED:
            self.save()
        return evidence, alarms

    def save(self) -> None:
        """Write the monitor's counts, where there is one.

        Raises
        ------
        StorageError
            The disk refused.
        """
        if self._counts is not None and self._file is not None:
            self._counts.save(self._file)
            self._unsaved = 0


def _check(
    *,
    task: str | None,
    session: bool,
    switch: float | None,
    label_switch: float | None,
    monitor: Path | None,
) -> None:
    if session and task is not None:
        raise UsageError(
            "--session: expected no --task beside it, found one; the stream finds it: leave one"
            " of them out"
        )
    if monitor is not None and (session or task is not None):
        beside = "--session" if session else "--task"
        raise UsageError(
            f"--monitor: expected no {beside} beside it, found one; certificates are about"
            " single inputs whose task is looked up: leave one of them out"
        )
    for option, given in (("--switch", switch), ("--label-switch", label_switch)):
        if given is not None and not session:
            raise UsageError(f"{option}: expected --session beside it, found none; add it")


def _check_alone(*, session: bool, top: int | None, coverage: float | None) -> None:
    if session and not (top is None and coverage is None):
        option = "--coverage" if top is None else "--top"
        raise UsageError(
            f"{option}: expected no --session beside it, found one; its probabilities are of single"
            " inputs: leave one of them out"
        )
