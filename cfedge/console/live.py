"""The engine that answers now: opened anew where what it was opened from changed, by this console,
another one, a sync or an export. What answers goes on where the new state does not open.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.files import read_manifest
from cfedge.counted import counted
from cfedge.errors import CfedgeError, InputError
from cfedge.inputs.modality import Input
from cfedge.runtime.drift import Monitor
from cfedge.runtime.engine import Engine
from cfedge.runtime.prediction import Prediction
from cfedge.store import Store

__all__ = ["Live"]

Floats = NDArray[np.float32]

#: Features that are remembered, by the number of the kept input.
_REMEMBERED = 8_000
#: Inputs in one run of the encoder, between which other requests are answered.
_AT_ONCE = 32


class Live:
    """What answers at a path.

    Parameters
    ----------
    path
        Of a bundle or a store.
    report
        Gets what a person should read, one line each.

    Attributes
    ----------
    engine
        That answers; take it once a request.
    trouble
        Why the newest state does not open; empty where it does.
    monitor
        Counts of what this console answered, of the bundle that answers.
    """

    def __init__(self, path: Path, report: Callable[[str], None], *, threads: int = 1) -> None:
        self.path, self._report, self._threads = path, report, threads
        self._switching, self._counting = threading.Lock(), threading.Lock()
        self.trouble = ""
        self.engine = Engine.open(path, threads=threads)
        self.engine.warm_up()
        self.monitor = Monitor(self.engine.manifest)
        self._features: dict[int, Floats] = {}

    def refresh(self) -> Engine:
        """Open what is there now, if it is another one, and return what answers."""
        with self._switching:
            try:
                newer = self._newest()
                if newer is not self.engine:
                    newer.warm_up()
                    if newer.manifest.backbone.digest != self.engine.manifest.backbone.digest:
                        self._features = {}
                    self.engine = newer
                    with self._counting:
                        self.monitor = Monitor(newer.manifest)
                    self._report(f"{self.path} answers now, of {counted(len(newer.tasks), 'task')}")
                self.trouble = ""
            except CfedgeError as error:
                if str(error) != self.trouble:
                    self.trouble = str(error)
                    self._report(f"what is in {self.path} now does not open: {error}")
            return self.engine

    def _newest(self) -> Engine:
        if Store.exists(self.path):
            return self.engine.latest()
        if read_manifest(self.path).digest == self.engine.manifest.digest:
            return self.engine
        return Engine.open(self.path, threads=self._threads)

    def count(self, engine: Engine, predictions: Sequence[Prediction]) -> list[str]:
        """Count answers for the monitor; return its alarms, one line each."""
        with self._counting:
            if engine.manifest.digest != self.engine.manifest.digest:
                return []
            return [alarm.message for alarm in self.monitor.see(predictions)]

    def features(self, inputs: Sequence[tuple[int, Input]]) -> Floats:
        """Return the frozen features, float32 [N, D], of kept inputs, each with its number; zeros
        for one that cannot be encoded.
        """
        engine = self.engine
        remembered = self._features
        missing = [(number, value) for number, value in inputs if number not in remembered]
        for start in range(0, len(missing), _AT_ONCE):
            some = missing[start : start + _AT_ONCE]
            for (number, _), one in zip(
                some, _encoded(engine, [value for _, value in some]), strict=True
            ):
                remembered[number] = one
        found = np.stack([remembered[number] for number, _ in inputs]).astype(np.float32)
        while len(remembered) > _REMEMBERED:
            remembered.pop(next(iter(remembered)))
        return found


def _encoded(engine: Engine, inputs: list[Input]) -> list[Floats]:
    opened = engine.opened
    try:
        return opened.encoder.frozen(opened.encode(inputs))
    except InputError:
        if len(inputs) > 1:
            return [one for value in inputs for one in _encoded(engine, [value])]
        return [np.zeros(opened.manifest.backbone.width, np.float32)]
