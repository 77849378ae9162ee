"""Tokenizers that pass golden vectors and do harm later: patterns that take exponential time, texts
that grow, ids that are drawn, and panics.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from bounded import bounded
from every import cases

from cfedge.bundle.files import read, read_manifest
from cfedge.errors import IncompatibleError, InputError
from cfedge.inputs.text.device import TextInputs
from cfedge.inputs.text.tokenizer_parts import LIMITS, check_tokenizer
from cfedge.runtime.verify_here import verify_here

Fields = dict[str, Any]
SLOW = r"^(([a-z ])+.)+[0-9]$"
DIGITS = {"type": "Digits", "individual_digits": True}


def special(name: str) -> Fields:
    return {"SpecialToken": {"id": name, "type_id": 0}}


TEXT = {"Sequence": {"id": "A", "type_id": 0}}


def template(single: list[Fields], ids: int = 1) -> Fields:
    token = {"id": "[CLS]", "ids": [2] * ids, "tokens": ["[CLS]"] * ids}
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [TEXT, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"[CLS]": token},
    }


def table(put: bytes) -> Fields:
    """A table of SentencePiece without a trie."""
    data = (4).to_bytes(4, "little") + b"\0" * 4 + b"x\0" + put + b"\0"
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(data).decode()}


def replace(pattern: Fields, content: str) -> Fields:
    return {"type": "Replace", "pattern": pattern, "content": content}


def split(pattern: Fields) -> Fields:
    return {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}


def several(stage: str, *parts: Fields) -> Fields:
    return {"type": "Sequence", stage: list(parts)}


def nested(depth: int) -> Fields:
    part: Fields = split({"Regex": SLOW})
    for _ in range(depth):
        part = several("pretokenizers", part)
    return part


BPE = {
    "type": "BPE", "dropout": 0.5, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
    "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]],
}  # fmt: skip

#: A part in the place of the tokenizer's own, and what the refusal says.
PARTS: dict[str, tuple[str, Fields, str]] = {
    "a Replace that makes 200 characters 6 GB": ("normalizer", replace({"String": "a"}, "a" * 32_000_000), "no text longer"),
    "a Replace of one character by two": ("normalizer", replace({"String": "a"}, "aa"), "no text longer"),
    "a Replace of nothing": ("normalizer", replace({"String": ""}, ""), "no text longer"),
    "a Replace by a pattern": ("normalizer", replace({"Regex": "a*"}, "b"), "no regular expression, found 'a\\*' in a Replace"),
    "a Replace by a slow pattern": ("normalizer", replace({"Regex": SLOW}, ""), "no regular expression"),
    "a Replace by a pattern that is allowed, of more": ("normalizer", replace({"Regex": " {2,}"}, "xxx"), "no text longer"),
    "a Replace by two patterns": ("normalizer", replace({"Regex": "a", "String": "a"}, ""), "expected a tokenizer.json"),
    "a Replace in a sequence": ("normalizer", several("normalizers", {"type": "Lowercase"}, replace({"String": "a"}, "aaa")), "no text longer"),
    "a Replace in a sequence of sequences": ("normalizer", several("normalizers", several("normalizers", replace({"Regex": "x"}, ""))), "no regular expression"),
    "100 Replaces": ("normalizer", several("normalizers", *[replace({"String": "a"}, "b")] * 100), "at most 64 parts of the normalizer, found 100"),
    "a Prepend of a megabyte": ("normalizer", {"type": "Prepend", "prepend": "x" * 1_000_000}, "at most 16 characters put before a text, found 1000000"),
    "a table that puts a megabyte in the place of a character": ("normalizer", table(b"x" * 1_000_000), "at most 64 bytes in the place of a character, found 1000000"),
    "a table that is none": ("normalizer", {"type": "Precompiled", "precompiled_charsmap": "?"}, "expected a tokenizer.json"),
    "a table whose trie ends behind it": ("normalizer", table(b"x" * 65), "at most 64 bytes"),
    "a normalizer of the future": ("normalizer", {"type": "Future"}, "a normalizer of .*, found 'Future'"),
    "a pre-tokenizer for a normalizer": ("normalizer", {"type": "Whitespace"}, "a normalizer of .*, found 'Whitespace'"),
    "a normalizer without a type": ("normalizer", {}, "expected a tokenizer.json, found KeyError"),
    "a normalizer that is a list": ("normalizer", [], "expected a tokenizer.json"),
    "a Split by a slow pattern": ("pre_tokenizer", split({"Regex": SLOW}), "no regular expression, found .* in a Split"),
    "a Split by any pattern": ("pre_tokenizer", split({"Regex": r"\w+"}), "no regular expression"),
    "a Split that looks behind": ("pre_tokenizer", split({"Regex": r"(?<=a)b"}), "no regular expression"),
    "a Split in a sequence": ("pre_tokenizer", several("pretokenizers", DIGITS, split({"Regex": SLOW})), "no regular expression"),
    "a Split deep in sequences": ("pre_tokenizer", nested(20), "no regular expression"),
    "a Split deeper than can be followed": ("pre_tokenizer", nested(200), "expected a tokenizer.json|no regular expression"),
    "a pre-tokenizer of the future": ("pre_tokenizer", {"type": "Future"}, "a pre_tokenizer of .*, found 'Future'"),
    "a BPE that draws": ("model", BPE, "a BPE without dropout, which is random, found 0.5"),
    "a model of the future": ("model", {"type": "Future"}, "a model of BPE, Unigram, WordLevel, WordPiece, found 'Future'"),
    "a model in a sequence": ("model", several("models"), "a model of .*, found 'Sequence'"),
    "words of a million characters": ("model", {"type": "WordPiece", "max_input_chars_per_word": 10**6}, "words of 1..1000 characters, found 1000000"),
    "words of no characters": ("model", {"type": "WordPiece", "max_input_chars_per_word": 0}, "words of 1..1000 characters, found 0"),
    "words of a text": ("model", {"type": "WordPiece", "max_input_chars_per_word": "x"}, "expected a tokenizer.json"),
    "a template with the text twice": ("post_processor", template([TEXT, TEXT]), "one place for a text, found 2"),
    "a template without the text": ("post_processor", template([special("[CLS]")]), "one place for a text, found 0"),
    "a template of more tokens than there is room": ("post_processor", template([special("[CLS]"), TEXT], ids=24), "fewer than 24 tokens around a text, found 24"),
    "a template of a million tokens": ("post_processor", template([special("[CLS]"), TEXT], ids=1_000_000), "fewer than 24 tokens around a text, found 1000000"),
    "a template of tokens that are not there": ("post_processor", template([special("[X]"), TEXT]), "expected a tokenizer.json"),
    "processors that together leave no room": ("post_processor", several("processors", *[template([special("[CLS]"), TEXT], ids=10)] * 3), "fewer than 24 tokens around a text, found 30"),
    "a processor of the future": ("post_processor", {"type": "Future"}, "a post_processor of .*, found 'Future'"),
    "a hundred thousand added tokens": ("added_tokens", [{}] * 100_000, f"at most {LIMITS.added} added tokens, found 100000"),
}  # fmt: skip


def tiny_tokenizer(bundle: Path) -> tuple[Fields, int]:
    found = read(bundle)
    spec = found.manifest.backbone.input
    return json.loads(found[spec.tokenizer]), spec.max_tokens


@cases("name", PARTS)
def test_a_part_that_is_not_allowed_is_refused(name: str, tiny_bundle: Path) -> None:
    stage, part, found = PARTS[name]
    fields, _ = tiny_tokenizer(tiny_bundle)
    data = json.dumps({**fields, stage: part}).encode()
    with bounded(), pytest.raises(IncompatibleError, match=f"tokenizer: .*{found}") as caught:
        TextInputs(data, 24)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@cases(
    "data",
    [b"", b"{", b"[]", b"3", b"null", b"\xff\xfe", b"[" * 100_000, b'{"model": 3}', b'{"model": null}',
     b'{"model": {}}', b'{"added_tokens": 3, "model": {"type": "Unigram"}}'],
)  # fmt: skip
def test_what_is_no_tokenizer_is_refused(data: bytes) -> None:
    with (
        bounded(),
        pytest.raises(IncompatibleError, match=r"tokenizer: expected a tokenizer\.json"),
    ):
        TextInputs(data, 24)


@pytest.mark.parametrize(
    "part",
    [
        ("normalizer", replace({"String": "``"}, '"')),
        ("normalizer", replace({"Regex": " {2,}"}, " ")),
        ("normalizer", {"type": "Prepend", "prepend": "▁"}),
        ("normalizer", table("㎏".encode())),
        ("pre_tokenizer", split({"String": " "})),
        ("pre_tokenizer", several("pretokenizers", {"type": "WhitespaceSplit"}, DIGITS)),
        ("model", {**BPE, "dropout": None}),
        ("post_processor", template([special("[CLS]"), TEXT, special("[CLS]")])),
        ("post_processor", None),
    ],
)
def test_parts_of_encoders_in_use_are_accepted(part: tuple[str, Any], tiny_bundle: Path) -> None:
    fields, limit = tiny_tokenizer(tiny_bundle)
    with bounded():
        check_tokenizer(json.dumps({**fields, part[0]: part[1]}).encode(), limit)


@pytest.mark.parametrize("most", [1, 2])
def test_max_tokens_that_leave_no_room_for_a_text_are_refused(most: int, tiny_bundle: Path) -> None:
    fields, _ = tiny_tokenizer(tiny_bundle)
    with bounded(), pytest.raises(IncompatibleError, match=f"fewer than {most} tokens around"):
        TextInputs(json.dumps(fields).encode(), most)


@pytest.mark.parametrize("most", [3, 4, 24])
def test_no_text_has_more_tokens_than_the_backbone_reads(most: int, tiny_bundle: Path) -> None:
    fields, _ = tiny_tokenizer(tiny_bundle)
    inputs = TextInputs(json.dumps(fields).encode(), most)
    for text in ("ruby", "ruby " * 100, "é" * 8000, "\u4e00" * 8000, "x" * 8000):
        assert inputs.prepare(text).feeds["input_ids"].shape[1] <= most


def test_a_panic_is_an_error_of_the_input() -> None:
    """A pattern past its limit of retries, as it was before patterns were refused."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split(
        tokenizers.Regex(r"(a+)+$"), "isolated"
    )
    inputs = TextInputs(tokenizer.to_str().encode(), 24, verified=True)  # as noted long ago
    with bounded(), pytest.raises(InputError, match=r"input 3: .* can be tokenized"):
        inputs.prepare("a" * 40 + "!", 3)


def test_an_interrupt_is_none() -> None:
    inputs = TextInputs(
        tokenizers.Tokenizer(tokenizers.models.WordLevel({}, unk_token="x")).to_str().encode(), 24
    )

    class Interrupted:
        def encode(self, text: str) -> None:
            raise KeyboardInterrupt

    inputs.__dict__["_tokenizer"] = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        inputs.prepare("é")


def test_a_bundle_with_such_a_tokenizer_is_refused(tiny_bundle: Path) -> None:
    from test_hostile_bundles import tokenizer

    def grow(fields: Fields) -> None:
        fields["normalizer"] = several(
            "normalizers", fields["normalizer"], replace({"String": "zzz"}, "z" * 1_000_000)
        )

    tokenizer(grow)(tiny_bundle)
    with bounded(), pytest.raises(IncompatibleError, match=r"tokenizer: .* no text longer"):
        verify_here(read(tiny_bundle))
    assert read_manifest(tiny_bundle).tasks


def test_every_part_that_is_allowed_is_known_to_the_package() -> None:
    from cfedge.inputs.text import tokenizer_parts

    stages: dict[str, dict[str, Callable[..., object]]] = tokenizer_parts._STAGES
    modules = {
        "normalizer": tokenizers.normalizers,
        "pre_tokenizer": tokenizers.pre_tokenizers,
        "model": tokenizers.models,
        "post_processor": tokenizers.processors,
    }
    for stage, parts in stages.items():
        for name in parts:
            assert hasattr(modules[stage], name), re.escape(name)
