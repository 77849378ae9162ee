"""Text -> token ids, with the bundle's own tokenizer. Nothing is padded: texts of one length share
a run.

Letters: S sequence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from cfedge.errors import IncompatibleError, InputError, UsageError
from cfedge.inputs.modality import Legibility, Prepared, Tensor
from cfedge.inputs.several import described, json_kind, listed
from cfedge.inputs.text.beginning import encoded
from cfedge.inputs.text.package import not_stopped, open_tokenizer, versions
from cfedge.inputs.text.spec import Text
from cfedge.inputs.text.stored import StoredTexts
from cfedge.inputs.text.wordpiece import PLAIN, read_wordpiece

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["CHARACTERS", "TextInputs", "opened", "stored", "versions"]

#: Of one text in a request: far more than an encoder reads.
CHARACTERS = 8_000

_WORDS = re.compile(r"[a-z0-9]+|['.,?!-]").findall
#: One or two megabytes.
_WORDS_KEPT = 4096
#: Letters a token below which a text is spelled rather than read (of a language that the tokenizer
#: was made for a token has some four), and letters that it takes to say so.
_SPELLED, _LETTERS = 1.5, 5


class TextInputs(StoredTexts):
    """Texts for one backbone: a `cfedge.inputs.modality.Modality` around its tokenizer.

    Of short plain texts each word is tokenized once and remembered, which gives the same ids in
    half the time (docs/decisions/0007-latency.md); everything else goes through the package
    tokenizers.

    Parameters
    ----------
    tokenizer
        Bytes of a Hugging Face ``tokenizer.json``.
    max_tokens
        Longer texts are cut to this many tokens; `Prepared.truncated` says so.
    verified
        This machine has read these bytes with the package before: it reads them again for the first
        text that is not plain. Otherwise it does so now.

    Raises
    ------
    IncompatibleError
        The package cannot read them, or a part is none that is allowed.
    """

    tensors: Mapping[str, Tensor] = {"input_ids": ("int64", (None, None))}
    noun = "text"
    example: object = "can I have some light here"
    golden_vectors = 16
    media: str | None = None
    body_bytes = 1 << 20
    #: The pattern: more than white space, of which Python knows some more than JSON Schema.
    json_schema: Mapping[str, object] = {
        "type": "string", "maxLength": CHARACTERS, "pattern": "[^\\s\\x1c-\\x1f\\x85]",
    }  # fmt: skip

    def __init__(self, tokenizer: bytes, max_tokens: int, *, verified: bool = False) -> None:
        self._bytes, self._max_tokens = tokenizer, max_tokens
        if not verified:
            from cfedge.inputs.text.tokenizer_parts import check_tokenizer

            check_tokenizer(tokenizer, max_tokens)
        words = read_wordpiece(tokenizer)
        #: Of texts that are tokenized word by word: so short that nothing is truncated and no word
        #: too long.
        self._short = 0
        if words is not None:
            self._before, self._after = words.before, words.after
            self._short = min(words.longest, max_tokens - len(words.before) - len(words.after))
            self._pieces = lru_cache(_WORDS_KEPT)(words.pieces)
        if words is None or not verified:
            _ = self._tokenizer

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return open_tokenizer(self._bytes, self._max_tokens)

    def several(self, given: object) -> list[str]:
        """Return texts as a list; a string alone is one of them."""
        return [given] if isinstance(given, str) else listed(given, "text")

    def prepare(self, text: object, position: int = 0) -> Prepared:
        """Tokenize one text: ``input_ids`` int64 [1, S].

        Raises
        ------
        InputError
            It is not a text, is empty, is one word without end, or holds lone surrogates (its bytes
            were not valid UTF-8).
        """
        if isinstance(text, str) and len(text) <= self._short and PLAIN(text):
            ids = [piece for word in _WORDS(text.lower()) for piece in self._pieces(word)]
            if ids:
                return _prepared([*self._before, *ids, *self._after], truncated=False)
        if not isinstance(text, str):
            raise InputError(
                f"input {position}: expected a text, found {described(text)}; pass a string"
            )
        if not text.strip():
            raise InputError(
                f"input {position}: expected a text, found"
                f" {'an empty one' if not text else 'white space only'}; leave it out"
            )
        try:
            _, encoding = encoded(self._tokenizer, text, self._max_tokens, position)
        except InputError:
            raise
        except TypeError as error:  # what tokenizers makes of a surrogate
            raise InputError(
                f"input {position}: expected valid Unicode, found a lone surrogate; decode the"
                " bytes with their right encoding first"
            ) from error
        except BaseException as error:
            if isinstance(error, Exception) and type(error) is not Exception:
                raise
            not_stopped(error)
            raise InputError(
                f"input {position}: expected a text that can be tokenized, found"
                f" {str(error)[:200]!r}; leave it out"
            ) from error
        if len(encoding.ids) > self._max_tokens:
            raise IncompatibleError(
                f"tokenizer: expected at most {self._max_tokens} tokens, found"
                f" {len(encoding.ids)}; export the bundle again"
            )
        return _prepared(encoding.ids, truncated=bool(encoding.overflowing))

    def legibility(self, text: str) -> Legibility:
        """Return what of a text the encoder cannot read."""
        text, encoding = encoded(self._tokenizer, text, self._max_tokens)
        pairs = zip(encoding.ids, encoding.special_tokens_mask, strict=True)
        ids = [piece for piece, special in pairs if not special]
        letters = sum(not character.isspace() for character in text)
        tokens = max(1, len(ids) + sum(len(part.ids) for part in encoding.overflowing))
        unread = 2 * ids.count(self._unknown) >= len(ids)
        return Legibility(
            truncated=bool(encoding.overflowing),
            unread=unread,
            spelled=not unread and letters / tokens < _SPELLED and len(text) >= _LETTERS,
        )

    @cached_property
    def _unknown(self) -> int | None:
        """The id that stands for what the tokenizer does not know."""
        model = json.loads(self._bytes)["model"]
        token = model.get("unk_token")
        number = model.get("unk_id") if token is None else self._tokenizer.token_to_id(token)
        return number if isinstance(number, int) else None

    def largest(self, text: str) -> str:
        """Return a text of as many tokens as the backbone reads, or more."""
        return f"{text} " * self._max_tokens

    def mirrored(self, text: str) -> None:
        """Nothing: a text has no mirror image that anybody reads."""

    def warm_up(self) -> list[str]:
        """Return a plain text, and one for which the whole tokenizer is read, some 20 ms."""
        return ["warm up", "w\u00e4rmer"]

    def made_up(self, rng: np.random.Generator, count: int) -> list[str]:
        """Nothing: words that nobody says would be all unknown to the tokenizer."""
        return []

    def remark(self, inputs: Sequence[str], notes: Sequence[object]) -> str:
        """Nothing decodes a text."""
        return ""

    def parse(self, value: object, where: str, *, local: bool = False) -> str:
        """Read a JSON string.

        Raises
        ------
        UsageError
            It is none.
        InputError
            A client's is longer than `CHARACTERS`.
        """
        if not isinstance(value, str):
            raise UsageError(f"{where}: expected a text, found {json_kind(value)}")
        if len(value) > CHARACTERS and not local:
            raise InputError(
                f"{where}: expected at most {CHARACTERS} characters, found {len(value)}; the"
                " encoder reads far fewer: cut it"
            )
        return value

    def words(self, value: str, where: str) -> list[str]:
        """Return the word: it is the text."""
        return [value]

    def name(self, text: str) -> str:
        """Return the text in quotes, as Python writes it."""
        return repr(str(text))

    def shared(self, group: Sequence[str], others: Sequence[str]) -> str:
        """Return the words that a group's texts share and the others have not."""
        from cfedge.inputs.text.naming import suggested

        return suggested(group, others)

    def picture(self, text: str) -> None:
        """Return nothing: a text is read."""
        return


def opened(spec: Text, files: Mapping[str, bytes], *, verified: bool = False) -> TextInputs:
    """Open a backbone's texts; see `cfedge.inputs.of`."""
    return TextInputs(files["tokenizer"], spec.max_tokens, verified=verified)


def _prepared(ids: list[int], *, truncated: bool) -> Prepared:
    return Prepared({"input_ids": np.array([ids], np.int64)}, len(ids), truncated)


def stored(spec: Text) -> StoredTexts:
    """Return how files hold texts; see `cfedge.inputs.stored`."""
    return StoredTexts()
