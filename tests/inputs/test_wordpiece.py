"""What is looked for in a tokenizer's file is what a parser finds there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from every import cases

from cfedge.inputs.text.wordpiece import Vocabulary, read_wordpiece

#: Names that hold what the search could trip over.
NAMES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "a",
    "##a",
    'x"a',
    '"a":7,"b',
    "a\\",
    "}",
    "##}",
    "{",
    ",",
    "b",
    "ab",
    "type",
    "vocab",
]


def made(**changes: Any) -> dict[str, Any]:
    model = {
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 20,
        "vocab": {name: index for index, name in enumerate(NAMES)},
    }  # fmt: skip
    frame = [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ]
    return {
        "added_tokens": [{"id": 0, "content": "[PAD]", "normalized": False}],
        "normalizer": {"type": "BertNormalizer", "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": frame,
            "special_tokens": {"[CLS]": {"ids": [2]}},
        },
        "model": {**model, **changes.pop("model", {})},
        **changes,
    }


def written(content: dict[str, Any], indent: int | None = None) -> bytes:
    separators = (",", ":") if indent is None else None
    return json.dumps(content, ensure_ascii=False, indent=indent, separators=separators).encode()


@cases("indent", [None, 2])
def test_a_piece_is_found_in_the_text_before_it_is_parsed_and_after(indent: int | None) -> None:
    found = read_wordpiece(written(made(), indent))
    assert found is not None
    assert isinstance(found.ids, Vocabulary)
    for _ in range(4):
        assert [found.ids.get(name) for name in ("a", "##a", "b", "ab", "type", "vocab")] == [
            4,
            5,
            13,
            14,
            15,
            16,
        ]
        assert [found.ids.get(name) for name in ("c", "unk_token", "##b")] == [None] * 3
    assert found.pieces("ab") == [14]
    assert found.pieces("aa") == [4, 5]
    assert found.pieces("ac") == [1]
    assert (found.before, found.after) == ([2], [])


def test_of_two_pieces_of_one_name_the_last_one_counts_as_in_a_parser() -> None:
    data = written(made()).replace(b'"vocab":16', b'"vocab":16,"ab":17')
    found = read_wordpiece(data)
    assert found is not None
    assert [found.ids.get("ab") for _ in range(40)] == [17] * 40


@pytest.mark.parametrize(
    "data",
    [
        written({**made(), "decoder": {"type": "WordPiece"}}),
        written(made(model={"vocab": {"[UNK]": 1, "a": 4, "#}#": 5}})),
        written(made()).replace(b'"a":4', b'"\\u0061":4'),
    ],
    ids=["something after the model", "a brace within a name", "a letter that is escaped"],
)
def test_a_vocabulary_that_cannot_be_searched_is_parsed(data: bytes) -> None:
    found = read_wordpiece(data)
    assert found is not None
    assert isinstance(found.ids, dict)
    assert found.pieces("a") == [4]


@cases(
    "content",
    [
        made(model={"type": "BPE"}),
        made(model={"unk_token": "?"}),
        made(model={"max_input_chars_per_word": "20"}),
        made(normalizer={"type": "BertNormalizer", "lowercase": False}),
        made(normalizer=None),
        made(pre_tokenizer={"type": "Whitespace"}),
        made(post_processor={"type": "RobertaProcessing"}),
        made(added_tokens=[{"content": "light on", "normalized": False}]),
        made(added_tokens=[{"content": "Li\u0301ght", "normalized": True}]),
    ],
)
def test_another_form_is_for_the_package(content: dict[str, Any]) -> None:
    assert read_wordpiece(written(content)) is None


@cases(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"model":' * 2000,
        b"\xff",
        b'"vocab":{}}}',
        b'{"model":{"vocab":{}}}',
    ],
)
def test_what_is_no_tokenizer_is_for_the_package_to_refuse(data: bytes) -> None:
    assert read_wordpiece(data) is None


@pytest.mark.parametrize("prefix", ['"', "\\", "/", "\u2581\u2581"])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_prefix_that_may_be_written_in_two_ways_is_parsed(prefix: str, ascii_only: bool) -> None:
    names = ["[UNK]", "[CLS]", "cat", f"{prefix}s"]
    content = made(
        model={
            "continuing_subword_prefix": prefix,
            "vocab": {name: index for index, name in enumerate(names)},
        }
    )
    content["post_processor"]["special_tokens"]["[CLS]"]["ids"] = [1]
    data = (
        json.dumps(content, ensure_ascii=ascii_only, separators=(",", ":"))
        .replace("/", "\\/")
        .encode()
    )
    found = read_wordpiece(data)
    assert found is not None
    for _ in range(30):
        assert found.pieces("cats") == [2, 3]


@cases("space", [" ", "\t", "\n"])
def test_space_before_a_colon_changes_nothing(space: str) -> None:
    data = written(made()).replace(b'"ab":', b'"ab"' + space.encode() + b":")
    found = read_wordpiece(data)
    assert found is not None
    assert found.pieces("ab") == [NAMES.index("ab")]
