"""What a text is to a backbone: stands in the manifest as ``backbone.input``. Pure."""

from __future__ import annotations

from typing import ClassVar, Literal

from cfedge.bundle.fileref import FileRef
from cfedge.errors import SchemaError
from cfedge.records import record

__all__ = ["MOST_TOKENS", "Text"]

#: Of one text; attention takes their square.
MOST_TOKENS = 1 << 16


@record(frozen=True)
class Text:
    """Text, cut to `max_tokens` tokens of `tokenizer`, a Hugging Face ``tokenizer.json``."""

    #: An adapter of a task is kept as it is learned.
    adapters: ClassVar[Literal["kept", "tried", "none"]] = "kept"

    kind: Literal["text"]
    max_tokens: int
    tokenizer: FileRef

    def files(self) -> dict[str, FileRef]:
        """Return its files by role."""
        return {"tokenizer": self.tokenizer}

    def check(self) -> None:
        """Refuse fields out of bounds.

        Raises
        ------
        SchemaError
        """
        if not 1 <= self.max_tokens <= MOST_TOKENS:
            raise SchemaError(
                f"manifest.backbone.input: expected max_tokens of 1 to {MOST_TOKENS}, found"
                f" {self.max_tokens}; export the bundle again"
            )
