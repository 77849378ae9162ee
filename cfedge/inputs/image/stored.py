"""Pictures in files: golden vectors and held-out evidence. Small ones travel as they are, and each
with the digest of the pixels that it is to become.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError
from cfedge.inputs.image.decode import package, versions
from cfedge.inputs.image.fitted import fitted
from cfedge.inputs.image.sources import content, encoded, frame
from cfedge.inputs.image.spec import Image
from cfedge.inputs.modality import Array, Dumped, Input

__all__ = ["StoredImages"]

Pixels = NDArray[np.uint8]
#: Bytes up to which a golden picture travels as it is; a larger one is made anew at what the
#: backbone sees.
_SMALL, _MADE = 10_000, 64_000
#: Pixels along the longer side of a thumbnail, and its quality.
_SIDE, _QUALITY = 64, 72
#: Side of a frame that is made up, and of the coarser one that it is interpolated from.
_FRAME, _COARSE = 32, 5


class StoredImages:
    """Pictures in files: a `cfedge.inputs.modality.Stored`, that needs what the backbone sees of
    each to tell whether it decodes here as it did where it was dumped.

    Parameters
    ----------
    spec
        Of the backbone.
    """

    written = False
    visible = True
    may_fail = False

    def __init__(self, spec: Image) -> None:
        self._spec = spec

    def dump(self, inputs: Sequence[Input]) -> Dumped:
        """Return small files as they are, small frames too, and of the rest a JPEG of what the
        backbone sees; of each the SHA-256 of the pixels that it is to become.
        """
        arrays: dict[str, Array] = {}
        notes: list[Any] = []
        for row, value in enumerate(inputs):
            kept = self._kept(value, f"input {row}")
            arrays[f"input.{row}"] = (
                np.frombuffer(kept, np.uint8) if isinstance(kept, bytes) else kept
            )
            form = "file" if isinstance(kept, bytes) else "frame"
            notes.append({"form": form, "pixels": self._digest(kept, f"input {row}")})
        return Dumped(arrays, notes)

    def _kept(self, value: Input, where: str) -> bytes | Pixels:
        if isinstance(value, np.ndarray) and value.nbytes <= _SMALL:
            return frame(value, where)
        if isinstance(value, str | os.PathLike):
            value = content(value, where)
        if isinstance(value, bytes) and len(value) <= (_MADE if self._is_made(value) else _SMALL):
            return value
        return encoded(fitted(value, self._spec, where), "JPEG", quality=90)

    def _is_made(self, data: bytes) -> bool:
        """Whether it is a JPEG of what the backbone sees."""
        if not data.startswith(b"\xff\xd8"):
            return False
        with package().open(io.BytesIO(data), formats=("JPEG",)) as picture:
            return bool(picture.size == (self._spec.width, self._spec.height))

    def _digest(self, value: Input, where: str) -> str:
        return hashlib.sha256(fitted(value, self._spec, where).tobytes()).hexdigest()

    def load(self, arrays: Mapping[str, Array], notes: Sequence[Any], what: str) -> list[Input]:
        """Return the pictures that `dump` kept.

        Raises
        ------
        IncompatibleError
            They are none.
        """
        names = [f"input.{row}" for row in range(len(notes))]
        forms = {"file": 1, "frame": 3}
        if set(arrays) != set(names) or not all(
            isinstance(note, dict)
            and set(note) == {"form", "pixels"}
            and arrays[name].dtype == np.uint8
            and arrays[name].ndim == forms.get(note["form"])
            for name, note in zip(names, notes, strict=True)
        ):
            raise IncompatibleError(
                f"{what}: expected pictures as inputs, found others; export the bundle again"
            )
        return [
            arrays[name].tobytes() if note["form"] == "file" else arrays[name]
            for name, note in zip(names, notes, strict=True)
        ]

    def made_up(self, rng: np.random.Generator, count: int) -> list[Input]:
        """Return smooth frames of colours, uint8 [32, 32, 3]: they need no decoder, and check none."""
        places = np.linspace(0, _COARSE - 1, _FRAME)
        low = np.minimum(places.astype(np.int64), _COARSE - 2)
        share = places - low
        frames: list[Input] = []
        for _ in range(count):
            coarse = rng.uniform(0, 255, (_COARSE, _COARSE, 3))
            rows = coarse[low] + share[:, None, None] * (coarse[low + 1] - coarse[low])
            left, right = rows[:, low], rows[:, low + 1]
            frames.append(np.rint(left + share[:, None] * (right - left)).astype(np.uint8))
        return frames

    def remark(self, inputs: Sequence[Input], notes: Sequence[Any]) -> str:
        """Say which of the loaded pictures become other pixels here than where they were dumped."""
        odd = [
            row
            for row, (value, note) in enumerate(zip(inputs, notes, strict=True))
            if self._digest(value, f"input {row}") != note["pixels"]
        ]
        if not odd:
            return ""
        return f"; picture {odd[0]} decodes to other pixels here, with {versions()}"

    def thumbnail(self, value: Input) -> bytes:
        """Return a JPEG of what the backbone sees of a picture, made small."""
        picture = package().fromarray(fitted(value, self._spec, "picture"))
        picture.thumbnail((_SIDE, _SIDE))
        return encoded(np.asarray(picture), "JPEG", quality=_QUALITY)
