"""Text -> token ids, with the bundle's own tokenizer. Nothing is padded: texts of one length share a run.

Letters: S sequence.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError, InputError, MissingExtraError

__all__ = ["TextPreprocessor", "Tokens"]


class Tokens(NamedTuple):
    """The ids of one text, int64 [1, S], and whether it was longer than the backbone reads."""

    ids: NDArray[np.int64]
    truncated: bool


class TextPreprocessor:
    """The tokenizer of a bundle.

    Parameters
    ----------
    tokenizer
        Bytes of a Hugging Face ``tokenizer.json``.
    max_tokens
        Longer texts are cut to this many tokens; `Tokens.truncated` says so.
    """

    def __init__(self, tokenizer: bytes, max_tokens: int) -> None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingExtraError("text input needs the package tokenizers: pip install 'cfedge[text]'") from error
        try:
            self._tokenizer = Tokenizer.from_str(tokenizer.decode("utf-8"))
        except Exception as error:  # tokenizers raises plain Exception
            raise IncompatibleError(f"tokenizer: expected a tokenizer.json, found {error}; export the bundle again") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)

    def __call__(self, text: str, position: int = 0) -> Tokens:
        """Tokenize one text.

        Raises
        ------
        InputError
            It is not a text, is empty, or holds lone surrogates (its bytes were not valid UTF-8).
        """
        if not isinstance(text, str):
            raise InputError(f"input {position}: expected a text, found {type(text).__name__}; pass a string")
        if not text.strip():
            raise InputError(
                f"input {position}: expected a text, found {'an empty one' if not text else 'white space only'}; leave it out"
            )
        try:
            encoding = self._tokenizer.encode(text)
        except TypeError as error:  # what tokenizers makes of a surrogate
            raise InputError(
                f"input {position}: expected valid Unicode, found a lone surrogate; decode the bytes with their right encoding first"
            ) from error
        return Tokens(np.array(encoding.ids, np.int64)[None], bool(encoding.overflowing))
