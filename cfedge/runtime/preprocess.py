"""Text -> token ids, with the bundle's own tokenizer. Nothing is padded: texts of one length share
a run.

Letters: S sequence.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import sys
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import IncompatibleError, InputError, MissingExtraError
from cfedge.runtime.wordpiece import PLAIN, read_wordpiece

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["TextPreprocessor", "Tokens", "tokenizers_version"]

_WORDS = re.compile(r"[a-z0-9]+|['.,?!-]").findall
#: One or two megabytes.
_WORDS_KEPT = 4096


class Tokens(NamedTuple):
    """The ids of one text, int64 [1, S], and whether it was longer than the backbone reads."""

    ids: NDArray[np.int64]
    truncated: bool


class TextPreprocessor:
    """The tokenizer of a bundle.

    Of short plain texts each word is tokenized once and remembered, which gives the same ids in
    half the time (docs/decisions/0007-latency.md); everything else goes through the package tokenizers.

    Parameters
    ----------
    tokenizer
        Bytes of a Hugging Face ``tokenizer.json``.
    max_tokens
        Longer texts are cut to this many tokens; `Tokens.truncated` says so.
    passed
        This machine has read these bytes with the package before: it reads them again for the first
        text that is not plain. Otherwise it does so now.

    Raises
    ------
    IncompatibleError
        The package cannot read them.
    """

    def __init__(self, tokenizer: bytes, max_tokens: int, *, passed: bool = False) -> None:
        self._bytes, self._max_tokens = tokenizer, max_tokens
        words = read_wordpiece(tokenizer)
        #: Of texts that are tokenized word by word: so short that nothing is truncated and no word
        #: too long.
        self._short = 0
        if words is not None:
            self._before, self._after = words.before, words.after
            self._short = min(words.longest, max_tokens - len(words.before) - len(words.after))
            self._pieces = lru_cache(_WORDS_KEPT)(words.pieces)
        if words is None or not passed:
            _ = self._tokenizer

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        try:
            tokenizer: Tokenizer = _package().Tokenizer.from_str(self._bytes.decode("utf-8"))
        except Exception as error:  # tokenizers raises plain Exception
            raise IncompatibleError(
                f"tokenizer: expected a tokenizer.json, found {error}; export the bundle again"
            ) from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(self._max_tokens)
        return tokenizer

    def __call__(self, text: str, position: int = 0) -> Tokens:
        """Tokenize one text.

        Raises
        ------
        InputError
            It is not a text, is empty, or holds lone surrogates (its bytes were not valid UTF-8).
        """
        if isinstance(text, str) and len(text) <= self._short and PLAIN(text):
            ids = [one for word in _WORDS(text.lower()) for one in self._pieces(word)]
            if ids:
                return Tokens(
                    np.array([[*self._before, *ids, *self._after]], np.int64), truncated=False
                )
        if not isinstance(text, str):
            raise InputError(
                f"input {position}: expected a text, found {type(text).__name__}; pass a string"
            )
        if not text.strip():
            raise InputError(
                f"input {position}: expected a text, found"
                f" {'an empty one' if not text else 'white space only'}; leave it out"
            )
        try:
            encoding = self._tokenizer.encode(text)
        except TypeError as error:  # what tokenizers makes of a surrogate
            raise InputError(
                f"input {position}: expected valid Unicode, found a lone surrogate; decode the"
                " bytes with their right encoding first"
            ) from error
        return Tokens(np.array(encoding.ids, np.int64)[None], bool(encoding.overflowing))


def tokenizers_version() -> str:
    """Return the version of the package tokenizers, which is not imported for that where its
    installer left it beside.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    spec = None if "tokenizers" in sys.modules else importlib.util.find_spec("tokenizers")
    if spec is not None and spec.origin is not None:
        with contextlib.suppress(OSError):
            names = os.listdir(Path(spec.origin).parent.parent)  # noqa: PTH208 - a tenth of Path.glob's time
            found = [
                name
                for name in names
                if name.startswith("tokenizers-") and name.endswith(".dist-info")
            ]
            if len(found) == 1:
                return found[0].removeprefix("tokenizers-").removesuffix(".dist-info")
    version: str = _package().__version__
    return version


def _package() -> Any:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import tokenizers
    except ImportError as error:
        raise MissingExtraError(
            "text input needs the package tokenizers: pip install 'cfedge[text]'"
        ) from error
    return tokenizers
