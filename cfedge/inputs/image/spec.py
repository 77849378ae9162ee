"""What a picture is to a backbone: stands in the manifest as ``backbone.input``. Pure."""

from __future__ import annotations

from typing import ClassVar, Literal

from cfedge.bundle.fileref import FileRef
from cfedge.errors import SchemaError
from cfedge.records import record

__all__ = ["Image", "MOST_PIXELS"]

#: Of a side of what the backbone sees.
MOST_PIXELS = 4096


@record(frozen=True)
class Image:
    """A picture of `height` x `width` pixels in red, green and blue, 8 bits each.

    `resize` says how a picture of another shape comes to it: ``squash`` takes all of it,
    whatever its sides' ratio; ``crop`` its middle of the right ratio.
    """

    #: An adapter must prove itself: near what the encoder was trained on a closed form is as good.
    adapters: ClassVar[Literal["kept", "tried", "none"]] = "tried"

    kind: Literal["image"]
    height: int
    width: int
    resize: Literal["squash", "crop"]

    def files(self) -> dict[str, FileRef]:
        """Return its files by role: none."""
        return {}

    def check(self) -> None:
        """Refuse fields out of bounds.

        Raises
        ------
        SchemaError
        """
        if not (1 <= self.height <= MOST_PIXELS and 1 <= self.width <= MOST_PIXELS):
            raise SchemaError(
                f"manifest.backbone.input: expected sides of 1 to {MOST_PIXELS} pixels, found"
                f" {self.height} x {self.width}; export the bundle again"
            )
