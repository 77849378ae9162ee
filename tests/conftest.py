"""A backbone small enough to export, train and attack in seconds, and what is made from it, once a session."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

#: Words by label: two tasks of three classes each and one of two, all of them in the tiny tokenizer.
WORDS = {
    "colors": {"red": "crimson scarlet ruby", "green": "emerald lime olive", "blue": "navy azure cobalt"},
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
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A cache of the session's own, for child processes too."""
    os.environ["CFEDGE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


def make_encoder(folder: Path) -> Path:
    """A BERT of 3 blocks, width 32, random weights, with a word-level tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = sorted(
        {word for classes in WORDS.values() for label, more in classes.items() for word in [label, *more.split()]} | set(FILLERS)
    )
    vocabulary = {word: index for index, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
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
    from cfedge.train.data import load_file
    from cfedge.train.learner import Settings, learn
    from cfedge_export.prepare import prepare

    workspace = prepare(root / "ws", "local", folder=encoder, split=2, parts=("qkv", "o", "fc1", "fc2"))
    for task in ("colors", "animals"):
        data = write_csv(root / f"{task}.csv", make_texts(task, 24, seed=0))
        learn(workspace, task, load_file(data), settings=Settings(rank=2, epochs=2, min_steps=60, threads=1))
        data.unlink()
    return root / "ws"


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def _tiny_workspace(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workspace(tiny_folder, tmp_path_factory.mktemp("session"))


@pytest.fixture(scope="session")
def _tiny_bundle(_tiny_workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from cfedge.train.workspace import Workspace
    from cfedge_export.pack import export

    target = tmp_path_factory.mktemp("bundle") / "bundle"
    export(Workspace(_tiny_workspace), target)
    return target


@pytest.fixture
def tiny_workspace(_tiny_workspace: Path, tmp_path: Path) -> Path:
    """A copy of the tiny workspace, free to change."""
    return Path(shutil.copytree(_tiny_workspace, tmp_path / "ws"))


@pytest.fixture
def tiny_bundle(_tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle, free to change."""
    return Path(shutil.copytree(_tiny_bundle, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def _tiny_site(_tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from channels import NOW

    from cfedge.publish.channel import publish
    from cfedge.publish.keys import Keys

    site = tmp_path_factory.mktemp("site") / "site"
    keys = Keys.create(site / "keys", site="hq", root_keys=2, root_threshold=1)
    publish(_tiny_bundle, site / "repo", keys, now=NOW)
    return site


@pytest.fixture
def tiny_site(_tiny_site: Path, tmp_path: Path) -> Path:
    """A copy of a site that published the tiny bundle: ``keys`` and ``repo``."""
    return Path(shutil.copytree(_tiny_site, tmp_path / "site"))


@pytest.fixture(scope="session")
def clinc150() -> dict[str, object]:
    """CLINC150 as its source file holds it; skips where the data are not there."""
    root = Path(os.environ.get("CFEDGE_DATA", Path(__file__).parents[2] / "shared" / "data")) / "clinc150"
    if not (root / "data_full.json").is_file():
        pytest.skip(f"{root} is not there; set CFEDGE_DATA to the folder that holds clinc150/")
    return {
        "data": json.loads((root / "data_full.json").read_text("utf-8")),
        "domains": json.loads((root / "domains.json").read_text("utf-8")),
    }
