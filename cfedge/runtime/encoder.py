"""A backbone, opened: the one place where trunk and tail are put together.

The engine, the workshop, the exporter's checks and the studies encode with this one value, so that
what is learned and measured is what ships.

Letters: B batch, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

import cfedge.inputs
from cfedge.bundle.manifest import Backbone
from cfedge.inputs.modality import Input, Modality
from cfedge.lookup import Features
from cfedge.runtime.backbone import Encoded, Slots, Tail, Trunk, no_adapter

__all__ = ["Encoder"]

Floats = NDArray[np.float32]


class Encoder:
    """The frozen encoder, in two halves.

    Parameters
    ----------
    modality
        What prepares the inputs.
    trunk, tail
        Of one backbone.
    frozen
        The tail's slots without an adapter.
    """

    def __init__(self, modality: Modality, trunk: Trunk, tail: Tail, frozen: Slots) -> None:
        self.modality, self.trunk, self.tail, self._frozen = modality, trunk, tail, frozen

    @classmethod
    def of(
        cls,
        files: Mapping[str, bytes],
        backbone: Backbone,
        *,
        threads: int = 1,
        verified: bool = False,
    ) -> Encoder:
        """Open a backbone.

        Parameters
        ----------
        files
            Its files by role, as of `Backbone.files`.
        threads
            Of ONNX Runtime.
        verified
            This machine has opened these bytes before: what most inputs do not need is opened when
            it is first needed. Otherwise all is opened now.

        Raises
        ------
        IncompatibleError
            A file does not fit the backbone's record.
        """
        modality = cfedge.inputs.of(backbone.input, files, verified=verified)
        trunk = Trunk(files["trunk"], modality, backbone, threads=threads)
        tail = Tail(files["tail"], backbone, threads=threads, verified=verified)
        return cls(modality, trunk, tail, no_adapter(backbone))

    def __call__(self, inputs: Sequence[Input]) -> Encoded:
        """Encode B inputs with the trunk.

        Raises
        ------
        InputError
            One cannot be encoded.
        """
        return self.trunk(inputs)

    def frozen(self, hidden: Sequence[Floats]) -> list[Floats]:
        """Return the frozen tail's features [D] of each row's hidden states."""
        return self.tail(hidden, [self._frozen] * len(hidden))

    def adapted(self, hidden: Sequence[Floats], slots: Slots) -> list[Floats]:
        """Return the tail's features [D] of each row's hidden states, all rows under one
        adapter.
        """
        return self.tail(hidden, [slots] * len(hidden))

    def features(self, encoded: Encoded) -> Features:
        """Return what the lookup reads of B rows: behind the trunk and behind the frozen tail."""
        return Features(np.stack(encoded.features), np.stack(self.frozen(encoded.hidden)))
