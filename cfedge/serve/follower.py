"""What a server does beside answering: follow its store, and count for the monitor. One thread of
its own does both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cfedge.counted import counted
from cfedge.errors import StorageError
from cfedge.runtime.drift import Monitor
from cfedge.runtime.engine import Engine
from cfedge.runtime.prediction import Prediction
from cfedge.serve.answered import Current
from cfedge.serve.limits import Limits
from cfedge.serve.meters import Meters
from cfedge.serve.sessions import Sessions

__all__ = ["Follower"]


class Follower:
    """What answers now. Take `current` once a request; all methods are for one thread.

    Parameters
    ----------
    engine
        That answers first.
    limits
        Of its sessions.
    meters
        Are told.
    report
        Gets what a person should read, one line each.
    monitor
        File of the monitor's counts, as of ``predict --monitor``; begun anew where the bundle
        changes.
    """

    def __init__(
        self,
        engine: Engine,
        limits: Limits,
        meters: Meters,
        report: Callable[[str], None],
        monitor: Path | None = None,
    ) -> None:
        self._limits, self._meters, self._report, self._file = limits, meters, report, monitor
        self.current = self._begun(engine)
        self._counts = Monitor.load(monitor, engine.manifest) if monitor else None
        self._counted, self._unsaved, self._refused = engine.manifest.digest, False, False
        self._failure = ""
        meters.opened(engine, switched=False)

    @property
    def engine(self) -> Engine:
        """The engine that answers now."""
        return self.current.engine

    def _begun(self, engine: Engine) -> Current:
        return Current(engine, Sessions(engine, self._limits, self._meters.evicted))

    def follow(self) -> None:
        """Take the store's latest generation; where it does not open, what answers goes on, and the
        reason is said once.
        """
        try:
            newer = self.engine.latest()
            if newer is not self.engine:
                newer.warm_up()
                self._take(newer)
            self._failure = ""
        except Exception as error:  # whatever it is, the engine that answers is whole
            self._meters.failed_to_follow()
            found = " ".join(str(error).split()) or type(error).__name__
            if found != self._failure:
                self._failure = found
                self._report(
                    f"the store's latest generation does not open, {self._name()} goes on"
                    f" answering: {found}"
                )

    def _take(self, newer: Engine) -> None:
        self.save()
        if self._counts:
            self._counts, self._counted = Monitor(newer.manifest), newer.manifest.digest
        self.current = self._begun(newer)
        self._meters.opened(newer, switched=True)
        tasks = counted(len(newer.tasks), "task")
        self._report(f"{self._name()} answers now, of {tasks}")

    def see(self, engine: Engine, predictions: Sequence[Prediction]) -> None:
        """Count answers of `engine`; those of one that has been replaced meanwhile are left out."""
        if self._counts and engine.manifest.digest == self._counted:
            self._unsaved = True
            for alarm in self._counts.see(predictions):
                self._meters.alarmed()
                self._report(alarm.message)

    def save(self) -> None:
        """Write the counts, where there are new ones; where the disk refuses, say so once."""
        if self._counts and self._file and self._unsaved:
            try:
                self._counts.save(self._file)
                self._unsaved = self._refused = False
            except StorageError as error:
                if not self._refused:
                    self._report(str(error))
                self._refused = True

    def _name(self) -> str:
        return (
            "the bundle"
            if self.engine.generation is None
            else f"generation {self.engine.generation}"
        )
