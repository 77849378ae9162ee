"""A long text is read from its beginning: what is behind the tokens that fill the encoder changes
nothing, and would take seconds to tokenize.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfedge.errors import InputError

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

__all__ = ["encoded"]

#: Characters a token that are read at first: they nearly always fill the encoder.
_FIRST = 64
#: Characters that are read at most; what does not fill the encoder with them has words without end.
_MOST = 1 << 18


def encoded(
    tokenizer: Tokenizer, text: str, max_tokens: int, position: int = 0
) -> tuple[str, Encoding]:
    """Tokenize a text; of a long one as many whole words from its start as fill the encoder.

    Returns
    -------
    tuple
        The words that were read, and their tokens: the first `max_tokens` are those of the whole
        text.

    Raises
    ------
    InputError
        So much of it is one word that its start does not fill the encoder.
    """
    length = _FIRST * max_tokens
    while length < len(text):
        if length > _MOST:
            raise InputError(
                f"input {position}: expected a text whose first {length // 2:,} characters fill the"
                f" encoder, found too few words in them, of {len(text):,} in all; leave it out"
            )
        words, *last = text[:length].rsplit(None, 1)
        if last and (encoding := tokenizer.encode(words)).overflowing:
            return words, encoding
        length *= 2
    return text, tokenizer.encode(text)
