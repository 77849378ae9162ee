"""What BERT's lower-casing tokenizer makes of plain words, read from ``tokenizer.json`` without the package tokenizers.

Python's own JSON reader takes a third of the time and half of the memory that the package takes to read the same file. Known is only what
plain words need: WordPiece, and the ids around a text. What is of another form, or damaged, is for the package.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

__all__ = ["PLAIN", "WordPiece", "read_wordpiece"]

#: Texts that BERT's rules split in an obvious way: runs of letters and digits, and marks that stand alone.
PLAIN = re.compile(r"[A-Za-z0-9 '.,?!-]+").fullmatch


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

    ids: dict[str, int]
    inside: str
    unknown: int
    longest: int
    before: list[int]
    after: list[int]

    def __call__(self, word: str) -> list[int]:
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
    """Read a ``tokenizer.json``; None where its plain words cannot be tokenized apart from each other, or it is of another form."""
    try:
        return _wordpiece(json.loads(tokenizer.decode("utf-8")))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):  # another form
        return None


def _wordpiece(found: dict[str, Any]) -> WordPiece | None:
    model, normalizer = found["model"], found["normalizer"]
    kinds = (model["type"], normalizer["type"], found["pre_tokenizer"]["type"])
    if kinds != ("WordPiece", "BertNormalizer", "BertPreTokenizer") or normalizer["lowercase"] is not True:
        return None
    if not all(_stands_out(token) for token in found["added_tokens"]):
        return None
    before, after = _around(found["post_processor"])
    ids: dict[str, int] = model["vocab"]
    return WordPiece(
        ids, model["continuing_subword_prefix"], ids[model["unk_token"]], model["max_input_chars_per_word"], before, after
    )


def _stands_out(token: dict[str, Any]) -> bool:
    """Whether no plain text holds an added token: it has a character that is not plain, and stays so if it is normalized first."""
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
        [one for part in side for one in processor["special_tokens"][part["SpecialToken"]["id"]]["ids"]] for side in parts
    )
    return before, after
