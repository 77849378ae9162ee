"""A backbone, opened: the one place where trunk and tail are put together.

The engine, the workshop, the exporter's checks and the studies encode with this one value, so that
what is learned and measured is what ships.

Letters: B batch, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

import cfedge.inputs
from cfedge.bundle.manifest import Backbone
from cfedge.inputs.modality import Input, Modality
from cfedge.lookup import Features
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.backbone import Encoded, Slots, Tail, Trunk, no_adapter
from cfedge.runtime.row_groups import ROWS_MEET

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
    backbone
        Its record.
    """

    def __init__(self, modality: Modality, trunk: Trunk, tail: Tail, backbone: Backbone) -> None:
        self.modality, self.trunk, self.tail = modality, trunk, tail
        self._no_adapter: Slots = no_adapter(backbone)
        self._frozen_views, self._width = backbone.frozen_views, backbone.width
        self._beside = cache(partial(no_adapter, backbone))
        #: Whether the frozen and an adapted tail can share a run.
        self.pairs = not self._frozen_views and backbone.scheme not in ROWS_MEET

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
            Its files by role, as of `Backbone.files`; each is asked for once.
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
        trunk = Trunk(BytesIO(files["trunk"]), modality, backbone, threads=threads)
        tail = Tail(files["tail"], backbone, threads=threads, verified=verified)
        return cls(modality, trunk, tail, backbone)

    def __call__(self, inputs: Sequence[Input]) -> Encoded:
        """Encode B inputs with the trunk.

        Raises
        ------
        InputError
            One cannot be encoded.
        """
        return self.trunk(inputs)

    def frozen(self, encoded: Encoded) -> list[Floats]:
        """Return the features [D] of each row behind the frozen tail, which is not run where the
        trunk's own views are these features (`Backbone.frozen_views`).
        """
        if not self._frozen_views:
            return self.tail(encoded.hidden, [self._no_adapter] * len(encoded.hidden))
        share = np.float32(self._frozen_views**-0.5)  # of length 1 together
        return [features[: self._width] * share for features in encoded.features]

    def adapted(self, encoded: Encoded, adapter: Adapter) -> list[Floats]:
        """Return the features [D] of each row behind the tail with an adapter; where that changes
        nothing, behind the frozen tail.
        """
        if adapter.changes_nothing:
            return self.frozen(encoded)
        return self.tail(encoded.hidden, [adapter.slots] * len(encoded.hidden))

    def both(self, hidden: Floats, adapter: Adapter) -> tuple[Floats, Floats]:
        """Return the features [D] of one row behind the frozen tail and behind the tail with an
        adapter, of one run: it takes less than two, and the same bits come out.
        """
        (rank,) = {array.shape[1] for name, array in adapter.slots.items() if name[:2] == "b."}
        frozen, adapted = self.tail([hidden, hidden], [self._beside(rank), adapter.slots])
        return frozen, adapted

    def features(self, encoded: Encoded) -> Features:
        """Return what the lookup reads of B rows: behind the trunk and behind the frozen tail."""
        return Features(np.stack(encoded.features), np.stack(self.frozen(encoded)))
