"""What an array is to a backbone: stands in the manifest as ``backbone.input``. Pure."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, TypeAlias

from cfedge.bundle.fileref import FileRef
from cfedge.errors import SchemaError
from cfedge.records import record

__all__ = ["Array", "DType", "MOST_VALUES"]

DType: TypeAlias = Literal["float32", "float64", "int8", "int16", "int32", "int64", "uint8"]

#: Of one array.
MOST_VALUES = 1 << 24


@record(frozen=True)
class Array:
    """One array of `dtype` and `shape`, without the batch's axis."""

    #: The whole network is the trunk, so there is nothing to adapt.
    adapters: ClassVar[Literal["kept", "tried", "none"]] = "none"

    kind: Literal["array"]
    dtype: DType
    shape: tuple[int, ...]

    def files(self) -> dict[str, FileRef]:
        """Return its files by role: none."""
        return {}

    def check(self) -> None:
        """Refuse fields out of bounds.

        Raises
        ------
        SchemaError
        """
        if (
            not 1 <= len(self.shape) <= 7
            or not all(size >= 1 for size in self.shape)
            or math.prod(self.shape) > MOST_VALUES
        ):
            raise SchemaError(
                f"manifest.backbone.input: expected a shape of 1 to 7 sizes > 0 and at most"
                f" {MOST_VALUES} values, found {list(self.shape)!s:.80}; export the bundle again"
            )
