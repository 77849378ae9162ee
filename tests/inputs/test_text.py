"""Ids are those of the tokenizer, whichever way they are found."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from every import cases
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import (
    AddedToken,
    Encoding,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from cfedge.errors import IncompatibleError, InputError
from cfedge.inputs.text.device import TextInputs, versions

MAX_TOKENS = 24
WORDS = [
    "a",
    "the",
    "is",
    "light",
    "lights",
    "on",
    "turn",
    "5",
    "23",
    "'",
    ".",
    ",",
    "?",
    "!",
    "-",
    "s",
    "##s",
    "##ing",
    "##2",
    "caf",
    "x" * 30,
]


def bert(
    *,
    lowercase: bool = True,
    words: tuple[str, ...] = (),
    longest: int = 20,
    pre_tokenizer: pre_tokenizers.PreTokenizer | None = None,
    frame: str = "[CLS] $A [SEP]",
    added: tuple[str, ...] = (),
) -> Tokenizer:
    vocabulary = {
        word: index
        for index, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *words])
    }
    tokenizer = Tokenizer(
        models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=longest)
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizer or pre_tokenizers.BertPreTokenizer()
    special = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]", "a") if name in frame]
    tokenizer.post_processor = processors.TemplateProcessing(single=frame, special_tokens=special)
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer.add_tokens([AddedToken(word, normalized=not word.isascii()) for word in added])
    return tokenizer


TOKENIZERS = {
    "bert": bert(),
    "cased": bert(lowercase=False, words=("A", "Light")),
    "split at white space": bert(pre_tokenizer=pre_tokenizers.WhitespaceSplit()),
    "a word added": bert(added=("light on",)),
    "a word added that is normalized": bert(added=("Li\u0301ght",)),
    "only before": bert(frame="[CLS] $A"),
    "a word as a frame": bert(frame="a $A [SEP]"),
}
plain = st.lists(
    st.sampled_from(
        [*WORDS, "lighting", "A", "Light", "light on", "[SEP]", "café", "2", " ", "\t", "\u3000"]
    )
).map(" ".join)


def reference(tokenizer: Tokenizer, text: str) -> list[int]:
    whole = Tokenizer.from_str(tokenizer.to_str())
    whole.enable_truncation(MAX_TOKENS)
    ids: list[int] = whole.encode(text).ids
    return ids


@pytest.mark.parametrize("passed", [False, True])
@pytest.mark.parametrize("kind", TOKENIZERS)
@given(text=st.one_of(plain, st.text("aAlight on5'.?!-[]é\t", max_size=40)).filter(str.strip))
def test_ids_are_those_of_the_tokenizer(kind: str, text: str, passed: bool) -> None:
    tokens = TextInputs(TOKENIZERS[kind].to_str().encode(), MAX_TOKENS, verified=passed).prepare(
        text
    )
    assert tokens.feeds["input_ids"].dtype == np.int64
    assert tokens.feeds["input_ids"][0].tolist() == reference(TOKENIZERS[kind], text)


@cases(
    ("text", "apart"),
    [
        ("Turn the lights on!", True),
        ("lighting is on", True),
        ("a " * 12, False),
        ("light [SEP]", False),
    ],
)
def test_words_of_short_plain_texts_are_tokenized_once(text: str, apart: bool) -> None:
    preprocess = TextInputs(TOKENIZERS["bert"].to_str().encode(), MAX_TOKENS)
    expected = preprocess.prepare(text).feeds["input_ids"]
    preprocess._tokenizer = None
    if apart:
        assert preprocess.prepare(text).feeds["input_ids"].tolist() == expected.tolist()
    else:
        with pytest.raises(AttributeError):
            preprocess.prepare(text)


@cases(
    "kind",
    [kind for kind in TOKENIZERS if kind not in ("bert", "only before", "a word as a frame")],
)
def test_other_tokenizers_are_always_asked(kind: str) -> None:
    preprocess = TextInputs(TOKENIZERS[kind].to_str().encode(), MAX_TOKENS)
    preprocess.prepare("the light")
    preprocess._tokenizer = None
    with pytest.raises(AttributeError):
        preprocess.prepare("the light")


def test_a_word_too_long_for_wordpiece_is_unknown() -> None:
    preprocess = TextInputs(TOKENIZERS["bert"].to_str().encode(), MAX_TOKENS)
    assert preprocess.prepare("x" * 30).feeds["input_ids"][0].tolist() == [2, 1, 3]


class Counted:
    """A tokenizer, and the lengths of the texts that it was given."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.lengths = tokenizer, []

    def encode(self, text: str) -> Encoding:
        self.lengths.append(len(text))
        return self.tokenizer.encode(text)


@cases("kind", TOKENIZERS)
def test_of_a_long_text_as_much_is_read_as_fills_the_encoder(kind: str) -> None:
    preprocess = TextInputs(TOKENIZERS[kind].to_str().encode(), MAX_TOKENS)
    for text in ("Light on. " * 500, "a " * 2000 + "z" * 9000, "é\u0301a \u3000 " * 900):
        found = preprocess.prepare(text)
        assert found.feeds["input_ids"][0].tolist() == reference(TOKENIZERS[kind], text)
        assert found.truncated
        assert preprocess.legibility(text).truncated
    asked = preprocess._tokenizer = Counted(preprocess._tokenizer)
    preprocess.prepare("a light " * 1_000_000)
    with pytest.raises(InputError, match="input 4: expected a text whose first 196,608"):
        preprocess.prepare("light " + "x" * 9_000_000, 4)
    assert sum(asked.lengths) < 10_000


def test_what_is_left_out_is_said() -> None:
    preprocess = TextInputs(TOKENIZERS["bert"].to_str().encode(), MAX_TOKENS)
    assert [preprocess.prepare("a " * count).truncated for count in (10, 22, 23)] == [
        False,
        False,
        True,
    ]


@cases("text", ["", "   ", " \t"])
def test_nothing_to_read_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="input 3: expected a text"):
        TextInputs(TOKENIZERS["bert"].to_str().encode(), MAX_TOKENS).prepare(text, 3)


@cases("passed", [False, True])
def test_what_is_no_tokenizer_is_refused_when_it_is_opened(passed: bool) -> None:
    with pytest.raises(
        IncompatibleError,
        match=r"^tokenizer: expected a tokenizer\.json, found .*; export the bundle again$",
    ):
        TextInputs(b"{}", MAX_TOKENS, verified=passed)


def test_a_vocabulary_that_is_damaged_is_refused_when_it_is_opened_or_where_another_passed_by_name_when_it_is_needed() -> (
    None
):
    damaged = TOKENIZERS["bert"].to_str().encode().replace(b'"light":', b'"light";')
    with pytest.raises(IncompatibleError, match=r"^tokenizer: expected a tokenizer\.json, found"):
        TextInputs(damaged, MAX_TOKENS)
    preprocess = TextInputs(damaged, MAX_TOKENS, verified=True)
    assert (
        preprocess.prepare("turn on").feeds["input_ids"].tolist()
        == TextInputs(TOKENIZERS["bert"].to_str().encode(), MAX_TOKENS)
        .prepare("turn on")
        .feeds["input_ids"]
        .tolist()
    )
    with pytest.raises(IncompatibleError, match=r"^tokenizer: expected a tokenizer\.json, found"):
        preprocess.prepare("café")


_LAZY = """
import sys
from cfedge.inputs.text.device import TextInputs, versions
print(versions()["tokenizers"])
preprocess = TextInputs(sys.stdin.buffer.read(), 24, verified=True)
preprocess.prepare("Turn the lights on!")
print("tokenizers" in sys.modules)
preprocess.prepare("caf\u00e9")
print("tokenizers" in sys.modules)
"""


def test_the_package_is_imported_for_the_first_text_that_is_not_plain_and_not_for_its_version() -> (
    None
):
    content = TOKENIZERS["bert"].to_str().encode()
    done = subprocess.run(
        [sys.executable, "-c", _LAZY], input=content, capture_output=True, check=True
    )
    assert done.stdout.decode().split() == [versions()["tokenizers"], "False", "True"]
