"""Texts in files: golden vectors and held-out evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cfedge.errors import IncompatibleError
from cfedge.inputs.modality import Array, Dumped

__all__ = ["StoredTexts"]


class StoredTexts:
    """Texts in files: a `cfedge.inputs.modality.Stored`."""

    written = True
    visible = False
    may_fail = False

    def dump(self, inputs: Sequence[str]) -> Dumped:
        """Texts are their own notes."""
        return Dumped({}, list(inputs))

    def load(self, arrays: Mapping[str, Array], notes: Sequence[object], what: str) -> list[str]:
        """Return the texts that `dump` was given.

        Raises
        ------
        IncompatibleError
            They are none.
        """
        texts = [text for text in notes if isinstance(text, str)]
        if arrays or len(texts) != len(notes):
            raise IncompatibleError(
                f"{what}: expected texts as inputs, found others; export the bundle again"
            )
        return texts

    def thumbnail(self, text: str) -> None:
        """Return nothing: a text is read."""
        return
