"""What an answering program does with ``--keep``: keep what was not clear, count all, and never let
a disk's refusal stop an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cfedge.inputs
from cfedge.errors import InputError, StorageError
from cfedge.inputs.modality import Input
from cfedge.kept.folder import KeptInputs
from cfedge.kept.reason import reason_of
from cfedge.kept.records import Limits
from cfedge.runtime.engine import Engine
from cfedge.runtime.prediction import Prediction

__all__ = ["Keeper"]


class Keeper:
    """Keeps for one program.

    Parameters
    ----------
    inputs
        The folder.
    report
        Is told once, in one line, where something cannot be kept.
    """

    def __init__(self, inputs: KeptInputs, report: Callable[[str], None]) -> None:
        self.inputs, self._report, self._failure = inputs, report, ""

    @classmethod
    def open(
        cls, folder: Path, engine: Engine, report: Callable[[str], None], size_bytes: int | None
    ) -> Keeper:
        """Open the folder for an engine's kind of inputs.

        Parameters
        ----------
        size_bytes
            Of all that is kept; None: the default.

        Raises
        ------
        UsageError, StorageError
            The folder or the key cannot be used.
        """
        limits = Limits() if size_bytes is None else Limits(size_bytes=size_bytes)
        stored = cfedge.inputs.stored(engine.manifest.backbone.input)
        return cls(KeptInputs(folder, stored, limits=limits), report)

    def see(
        self, engine: Engine, inputs: Sequence[Input], predictions: Sequence[Prediction]
    ) -> None:
        """Keep those of the inputs that were not clear, and count all answers."""
        kept = []
        for value, prediction in zip(inputs, predictions, strict=True):
            reason = reason_of(prediction)
            if reason is not None:
                kept.append((value, {**engine.evidence(prediction), "kept": reason}))
        try:
            if kept:
                self.inputs.keep_several(kept)
            self.inputs.minutes.add((one.task, one.unknown, one.stages > 1) for one in predictions)
            self._failure = ""
        except (StorageError, InputError) as error:
            if str(error) != self._failure:
                self._failure = str(error)
                self._report(str(error))
