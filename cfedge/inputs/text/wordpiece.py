"""What BERT's lower-casing tokenizer makes of plain words, read from ``tokenizer.json`` without the
package tokenizers.

The package takes 20 ms and 16 MB to be imported and to read the file; a first answer needs some
words of it. So these are looked for in the file's text, and the vocabulary is parsed, by Python's
own reader, once there are more. Known is only what plain words need: WordPiece, and the ids around
a text. What is of another form, or damaged, is for the package.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import Any, NamedTuple

__all__ = ["PLAIN", "Vocabulary", "WordPiece", "read_wordpiece"]

#: Texts that BERT's rules split in an obvious way: runs of letters and digits, and marks that stand
#: alone.
PLAIN = re.compile(r"[A-Za-z0-9 '.,?!-]+").fullmatch
#: Searches, of 0.1 ms, in place of parsing 30,000 pieces in 7 ms.
_SEARCHES = 24
_VOCABULARY, _END = re.compile(rb'"vocab"\s*:\s*\{'), re.compile(rb"\}\s*\}\s*\}\s*\Z")
#: In whose presence a piece might be written otherwise than it is looked for: escapes of plain
#: characters, space after a name.
_ODD = (b"\\u00", b"\\/", b'" ', b'"\t', b'"\n', b'"\r')
#: Parts of pieces that JSON writes in one way.
_AS_WRITTEN = re.compile(r"[ !#-.0-\[\]-~]*").fullmatch
_BRACE, _NUMBER = re.compile(rb'\}[^"]'), re.compile(rb"\s*(\d+)")


class Vocabulary:
    """Ids by piece, from the text of a flat JSON object.

    Parameters
    ----------
    data
        A ``tokenizer.json``.
    start, end
        Where in it the object's members are. None of their letters, digits and marks is escaped.
    """

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self._data, self._start, self._end, self._asked = data, start, end, 0

    @cached_property
    def _ids(self) -> dict[str, int]:
        ids: dict[str, int] = json.loads(b"{%b}" % self._data[self._start : self._end])
        return ids

    def get(self, piece: str) -> int | None:
        """Return the id of a piece that needs no escapes, None where there is none."""
        self._asked += 1
        return (
            self._found(b'"%b":' % piece.encode())
            if self._asked <= _SEARCHES
            else self._ids.get(piece)
        )

    def _found(self, member: bytes) -> int | None:
        at = self._data.rfind(
            member, self._start, self._end
        )  # of two members with one name the last one counts
        while at > 0 and self._data[at - 1] == ord(
            "\\"
        ):  # the end of a longer name with a quote in it
            at = self._data.rfind(member, self._start, at)
        number = None if at < 0 else _NUMBER.match(self._data, at + len(member))
        return None if number is None else int(number[1])


class WordPiece(NamedTuple):
    """A vocabulary and how it is used.

    Attributes
    ----------
    ids
        By piece; those inside a word begin with `inside`.
    inside, unknown
        That beginning, and the id of a word of which a part is in no piece.
    longest
        Characters of a word; longer ones are unknown.
    before, after
        The ids around a text.
    """

    ids: dict[str, int] | Vocabulary
    inside: str
    unknown: int
    longest: int
    before: list[int]
    after: list[int]

    def pieces(self, word: str) -> list[int]:
        """Return the ids of one plain word in lower case: the longest pieces from its start on."""
        whole = self.ids.get(word)
        if whole is not None:
            return [whole]
        found, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = self.ids.get(f"{self.inside if start else ''}{word[start:end]}")
                if piece is not None:
                    found.append(piece)
                    start = end
                    break
            else:
                return [self.unknown]
        return found


def read_wordpiece(tokenizer: bytes) -> WordPiece | None:
    """Read a ``tokenizer.json``; None where its plain words cannot be tokenized apart from each
    other, or it is of another form.
    """
    place = _place(tokenizer)
    try:
        if place is not None:
            found = json.loads(tokenizer[: place[0]] + b"}}}")
            if all(
                _AS_WRITTEN(found["model"][name])
                for name in ("continuing_subword_prefix", "unk_token")
            ):
                return _wordpiece(found, Vocabulary(tokenizer, *place))
        found = json.loads(tokenizer.decode("utf-8"))
        return _wordpiece(found, found["model"]["vocab"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):  # another form
        return None


def _place(tokenizer: bytes) -> tuple[int, int] | None:
    """Where the vocabulary's members are, if it comes last, as the package writes it, and holds no
    object and no needless escape.

    A brace that is followed by a quote is part of a name, since nothing else lets a quote follow
    one.
    """
    begin, last = (
        _VOCABULARY.search(tokenizer),
        _END.search(tokenizer, max(0, len(tokenizer) - 100)),
    )
    if begin is None or last is None:
        return None
    start, end = begin.end(), last.start()
    if _BRACE.search(tokenizer, start, end) or any(
        tokenizer.find(odd, start, end) >= 0 for odd in _ODD
    ):
        return None
    return start, end


def _wordpiece(found: dict[str, Any], ids: dict[str, int] | Vocabulary) -> WordPiece | None:
    model, normalizer = found["model"], found["normalizer"]
    kinds = (model["type"], normalizer["type"], found["pre_tokenizer"]["type"])
    if (
        kinds != ("WordPiece", "BertNormalizer", "BertPreTokenizer")
        or normalizer["lowercase"] is not True
    ):
        return None
    if not all(_stands_out(token) for token in found["added_tokens"]):
        return None
    before, after = _around(found["post_processor"])
    unknown, longest = ids.get(model["unk_token"]), model["max_input_chars_per_word"]
    if unknown is None or not isinstance(longest, int):
        return None
    return WordPiece(ids, model["continuing_subword_prefix"], unknown, longest, before, after)


def _stands_out(token: dict[str, Any]) -> bool:
    """Whether no plain text holds an added token: it has a character that is not plain, and stays
    so if it is normalized first.
    """
    odd = [one for one in token["content"] if not PLAIN(one)]
    return any("!" <= one <= "~" for one in odd) if token["normalized"] else bool(odd)


def _around(processor: dict[str, Any] | None) -> tuple[list[int], list[int]]:
    """The ids before and after a text."""
    if processor is None:
        return [], []
    if processor["type"] == "BertProcessing":
        return [processor["cls"][1]], [processor["sep"][1]]
    if processor["type"] != "TemplateProcessing":
        raise ValueError(processor["type"])
    at = processor["single"].index({"Sequence": {"id": "A", "type_id": 0}})
    parts = processor["single"][:at], processor["single"][at + 1 :]
    before, after = (
        [
            one
            for part in side
            for one in processor["special_tokens"][part["SpecialToken"]["id"]]["ids"]
        ]
        for side in parts
    )
    return before, after
