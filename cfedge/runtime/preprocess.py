"""Text -> token ids, with the bundle's own tokenizer. Nothing is padded: texts of one length share a run.

Letters: S sequence.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError, InputError, MissingExtraError

if TYPE_CHECKING:
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.normalizers import Normalizer

__all__ = ["TextPreprocessor", "Tokens", "tokenizers_version"]

#: Texts that BERT's rules split in an obvious way: runs of letters and digits, and marks that stand alone.
_PLAIN = re.compile(r"[A-Za-z0-9 '.,?!-]+").fullmatch
_WORDS = re.compile(r"[a-z0-9]+|['.,?!-]").findall
#: One or two megabytes.
_WORDS_KEPT = 4096


class Tokens(NamedTuple):
    """The ids of one text, int64 [1, S], and whether it was longer than the backbone reads."""

    ids: NDArray[np.int64]
    truncated: bool


class TextPreprocessor:
    """The tokenizer of a bundle.

    Of short plain texts each word is tokenized once and remembered, which gives the same ids in half the time
    (docs/decisions/latency.md); everything else goes through the tokenizer as it is.

    Parameters
    ----------
    tokenizer
        Bytes of a Hugging Face ``tokenizer.json``.
    max_tokens
        Longer texts are cut to this many tokens; `Tokens.truncated` says so.
    """

    def __init__(self, tokenizer: bytes, max_tokens: int) -> None:
        try:
            self._tokenizer = _package().Tokenizer.from_str(tokenizer.decode("utf-8"))
        except Exception as error:  # tokenizers raises plain Exception
            raise IncompatibleError(f"tokenizer: expected a tokenizer.json, found {error}; export the bundle again") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        self._before, self._after, self._short = _frame(self._tokenizer, max_tokens)
        self._pieces = lru_cache(_WORDS_KEPT)(self._tokenize_word)

    def __call__(self, text: str, position: int = 0) -> Tokens:
        """Tokenize one text.

        Raises
        ------
        InputError
            It is not a text, is empty, or holds lone surrogates (its bytes were not valid UTF-8).
        """
        if isinstance(text, str) and len(text) <= self._short and _PLAIN(text):
            ids = [one for word in _WORDS(text.lower()) for one in self._pieces(word)]
            if ids:
                return Tokens(np.array([[*self._before, *ids, *self._after]], np.int64), truncated=False)
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

    def _tokenize_word(self, word: str) -> list[int]:
        whole: int | None = self._tokenizer.token_to_id(word)
        return self._tokenizer.encode(word, add_special_tokens=False).ids if whole is None else [whole]


def tokenizers_version() -> str:
    """Return the version of the package tokenizers.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    version: str = _package().__version__
    return version


def _package() -> Any:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import tokenizers
    except ImportError as error:
        raise MissingExtraError("text input needs the package tokenizers: pip install 'cfedge[text]'") from error
    return tokenizers


def _frame(tokenizer: Tokenizer, max_tokens: int) -> tuple[list[int], list[int], int]:
    """The ids that `tokenizer` puts before and after a text, and up to how many characters its words can be tokenized apart.

    That number is 0 for any but a lower-casing BERT tokenizer. It is small enough that nothing is truncated and that no word is
    too long for WordPiece.
    """
    from tokenizers import models, normalizers, pre_tokenizers

    model, normalizer = tokenizer.model, tokenizer.normalizer
    word = next((word for word in ("a", "the", "is") if tokenizer.token_to_id(word) is not None), None)
    if (
        word is None
        or not isinstance(model, models.WordPiece)
        or not (isinstance(normalizer, normalizers.BertNormalizer) and normalizer.lowercase)
        or not isinstance(tokenizer.pre_tokenizer, pre_tokenizers.BertPreTokenizer)
        or any(_PLAIN(_as_matched(token, normalizer)) for token in tokenizer.get_added_tokens_decoder().values())
    ):
        return [], [], 0
    own, around = tokenizer.token_to_id(word), tokenizer.encode(word).ids
    if around.count(own) != 1:
        return [], [], 0
    at = around.index(own)
    return around[:at], around[at + 1 :], max(0, min(model.max_input_chars_per_word, max_tokens - len(around) + 1))


def _as_matched(token: AddedToken, normalizer: Normalizer) -> str:
    """The text in which `tokenizers` finds an added token: normalized like the input, or as it is."""
    content: str = normalizer.normalize_str(token.content) if token.normalized else token.content
    return content
