"""Which parts a bundle's tokenizer may have. Pure: the bytes of a ``tokenizer.json`` in.

The rule: the ids of a text take time and memory in proportion to its length, and are the same
always. So there are no regular expressions but those of `_PATTERNS` (a pattern may take time that
is exponential), nothing that puts more characters in the place of few, nothing random, and a bound
on what stands around a text. What the package tokenizers makes of the parts is for
`cfedge.inputs.text.device`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from cfedge.errors import IncompatibleError

__all__ = ["LIMITS", "Limits", "check_tokenizer"]


class Limits(NamedTuple):
    """Bounds on the parts; above all tokenizers of encoders that are in use."""

    parts: int = 64
    added: int = 1 << 16
    characters_of_word: int = 1_000  # WordPiece takes their square
    characters_put: int = 16  # before a text
    bytes_of_character: int = 64  # which a table puts in the place of one


LIMITS = Limits()

#: Regular expressions that take time in proportion to a text: of T5's and XLM-R's normalizers.
_PATTERNS = frozenset({" {2,}"})


def check_tokenizer(tokenizer: bytes, max_tokens: int) -> None:
    """Refuse a tokenizer with parts that are not listed.

    Parameters
    ----------
    tokenizer
        Bytes of a Hugging Face ``tokenizer.json``.
    max_tokens
        That the backbone reads; there must be room for a text beside what stands around it.

    Raises
    ------
    IncompatibleError
        Naming the part.
    """
    try:
        found = json.loads(tokenizer.decode("utf-8"))
        if not isinstance(found, dict):
            raise TypeError(f"a {type(found).__name__}")
        _check(found, max_tokens)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        found = str(error) if isinstance(error, ValueError) else repr(error)
        raise _refused("a tokenizer.json", found[:200]) from error


def _check(found: Mapping[str, Any], max_tokens: int) -> None:
    for stage, allowed in _STAGES.items():
        parts = list(_parts(found.get(stage), stage))
        if len(parts) > LIMITS.parts:
            raise _refused(f"at most {LIMITS.parts} parts of the {stage}", str(len(parts)))
        for part in parts:
            if part["type"] not in allowed:
                raise _refused(f"a {stage} of {', '.join(sorted(allowed))}", repr(part["type"]))
            allowed[part["type"]](part)
    if len(found.get("added_tokens") or ()) > LIMITS.added:
        raise _refused(f"at most {LIMITS.added} added tokens", str(len(found["added_tokens"])))
    around = sum(_around(part) for part in _parts(found.get("post_processor"), "post_processor"))
    if around >= max_tokens:
        raise _refused(f"fewer than {max_tokens} tokens around a text", str(around))


def _parts(part: Any, stage: str) -> Iterator[Mapping[str, Any]]:
    """A stage's parts, those of its sequences in turn."""
    if part is None:
        if stage == "model":
            raise ValueError("no model")
        return
    if part["type"] != "Sequence" or stage == "model":
        yield part
        return
    for name in ("normalizers", "pretokenizers", "processors"):
        for inner in part.get(name, ()):
            yield from _parts(inner, stage)


def _plain(part: Mapping[str, Any]) -> None:
    """All that it may say is harmless."""


def _replace(part: Mapping[str, Any]) -> None:
    ((kind, pattern),) = part["pattern"].items()
    if kind == "Regex" and pattern not in _PATTERNS:
        raise _refused("no regular expression", f"{pattern[:60]!r} in a Replace")
    shortest = len(pattern) if kind == "String" else 2
    if len(part["content"]) > shortest or not pattern:
        raise _refused(
            "a Replace that makes no text longer", f"{part['content'][:40]!r} for {pattern[:40]!r}"
        )


def _prepend(part: Mapping[str, Any]) -> None:
    if len(part["prepend"]) > LIMITS.characters_put:
        raise _refused(
            f"at most {LIMITS.characters_put} characters put before a text",
            str(len(part["prepend"])),
        )


def _precompiled(part: Mapping[str, Any]) -> None:
    """SentencePiece's table: the size of a trie, the trie, and what it puts, each ended by 0."""
    table = base64.b64decode(part["precompiled_charsmap"], validate=True)
    start = 4 + int.from_bytes(table[:4], "little")
    longest = max(map(len, table[start:].split(b"\0")), default=0)
    if longest > LIMITS.bytes_of_character:
        raise _refused(
            f"at most {LIMITS.bytes_of_character} bytes in the place of a character", str(longest)
        )


def _split(part: Mapping[str, Any]) -> None:
    ((kind, pattern),) = part["pattern"].items()
    if kind == "Regex" and pattern not in _PATTERNS:
        raise _refused("no regular expression", f"{pattern[:60]!r} in a Split")


def _wordpiece(part: Mapping[str, Any]) -> None:
    longest = part["max_input_chars_per_word"]
    if not 0 < longest <= LIMITS.characters_of_word:
        raise _refused(f"words of 1..{LIMITS.characters_of_word} characters", str(longest)[:20])


def _bpe(part: Mapping[str, Any]) -> None:
    if part.get("dropout"):
        raise _refused("a BPE without dropout, which is random", str(part["dropout"])[:20])


def _template(part: Mapping[str, Any]) -> None:
    sequences = sum("Sequence" in piece for piece in part["single"])
    if sequences != 1:
        raise _refused("a template with one place for a text", str(sequences))


def _around(part: Mapping[str, Any]) -> int:
    """Tokens that a processor puts around a text."""
    if part["type"] in ("BertProcessing", "RobertaProcessing"):
        return 2
    if part["type"] != "TemplateProcessing":
        return 0
    special = [piece["SpecialToken"]["id"] for piece in part["single"] if "SpecialToken" in piece]
    return sum(len(part["special_tokens"][name]["ids"]) for name in special)


_Check = Callable[[Mapping[str, Any]], None]
_STAGES: dict[str, dict[str, _Check]] = {
    "normalizer": {
        **dict.fromkeys(
            ("BertNormalizer", "ByteLevel", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt",
             "Strip", "StripAccents"),
            _plain,
        ),
        "Precompiled": _precompiled,
        "Prepend": _prepend,
        "Replace": _replace,
    },
    "pre_tokenizer": {
        **dict.fromkeys(
            ("BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "Metaspace",
             "Punctuation", "UnicodeScripts", "Whitespace", "WhitespaceSplit"),
            _plain,
        ),
        "Split": _split,
    },
    "model": {"BPE": _bpe, "Unigram": _plain, "WordLevel": _plain, "WordPiece": _wordpiece},
    "post_processor": {
        "BertProcessing": _plain,
        "ByteLevel": _plain,
        "RobertaProcessing": _plain,
        "TemplateProcessing": _template,
    },
}  # fmt: skip


def _refused(expected: str, found: str) -> IncompatibleError:
    return IncompatibleError(
        f"tokenizer: expected {expected}, found {found}; export the bundle again"
    )
