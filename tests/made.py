"""Texts of a few words, and an encoder and a workspace that learn them in seconds: for fixtures and
tests alike.
"""

from __future__ import annotations

import random
from pathlib import Path

#: Words by label: two tasks of three classes each and one of two, all of them in the tiny
#: tokenizer.
WORDS = {
    "colors": {
        "red": "crimson scarlet ruby",
        "green": "emerald lime olive",
        "blue": "navy azure cobalt",
    },
    "animals": {"cat": "kitten tabby purr", "dog": "puppy hound bark", "bird": "sparrow wing nest"},
    "food": {"soup": "broth ladle bowl", "cake": "icing sponge slice"},
}
FILLERS = ["the", "a", "some", "my", "please", "now", "here", "very", "one", "of"]


def make_texts(task: str, count: int, seed: int) -> list[tuple[str, str]]:
    """`count` distinct (text, label) rows a class, drawn from the words of its label and fillers."""
    rng = random.Random(f"{task}-{seed}")
    rows: list[tuple[str, str]] = []
    for label, words in WORDS[task].items():
        seen: set[str] = set()
        while len(seen) < count:
            chosen = [rng.choice([label, *words.split()]) for _ in range(rng.randint(1, 3))]
            text = [*chosen, *rng.sample(FILLERS, rng.randint(1, 4))]
            seen.add(" ".join(rng.sample(text, len(text))))
        rows += [(text, label) for text in sorted(seen)]
    return rows


def write_csv(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.write_text(
        "text,label\n" + "".join(f"{text},{label}\n" for text, label in rows), encoding="utf-8"
    )
    return path


def make_encoder(folder: Path) -> Path:
    """A BERT of 3 blocks, width 32, random weights, with a word-level tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = sorted(
        {
            word
            for classes in WORDS.values()
            for label, more in classes.items()
            for word in [label, *more.split()]
        }
        | set(FILLERS)
    )
    vocabulary = {
        word: index for index, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])
    }
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=24, initializer_range=0.15, attn_implementation="eager",
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).eval().save_pretrained(folder)
    return folder


def make_workspace(encoder: Path, root: Path) -> Path:
    """Workspace with the tasks animals and colors."""
    from cfedge.train.examples.data import load_file
    from cfedge.train.settings import Settings
    from cfedge.train.teach import learn
    from cfedge_export.make_backbone import make_backbone

    workspace = make_backbone(
        root / "ws", "local", folder=encoder, split=2, target_modules=("qkv", "o", "fc1", "fc2")
    )
    for task in ("colors", "animals"):
        data = write_csv(root / f"{task}.csv", make_texts(task, 24, seed=0))
        learn(
            workspace,
            task,
            load_file(data),
            settings=Settings(rank=2, epochs=2, min_steps=60, threads=1),
        )
        data.unlink()
    return root / "ws"
