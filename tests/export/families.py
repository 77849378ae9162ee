"""A tiny encoder of random weights for each family, and what it is fed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cfedge.bundle.fileref import FileRef
from cfedge.inputs import Spec
from cfedge.inputs.text.spec import Text

Feeds = dict[str, np.ndarray]


@dataclass(frozen=True)
class Family:
    """How to make a model's folder, what it reads, B inputs for its graph, and its own library's
    features of these: float32 [B, D], not yet of length 1.
    """

    make: Callable[[Path], None]
    spec: Spec
    feeds: Callable[[np.random.Generator, int], Feeds]
    reference: Callable[[Path, Feeds], np.ndarray]


def _text(rng: np.random.Generator, batch: int) -> Feeds:
    ids = rng.integers(5, 40, (batch, 9))
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def _mean_of_tokens(folder: Path, feeds: Feeds) -> np.ndarray:
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    ids, mask = (torch.from_numpy(feeds[name]) for name in ("input_ids", "attention_mask"))
    with torch.inference_mode():
        states = model(input_ids=ids, attention_mask=mask).last_hidden_state
    return np.asarray((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))


def _transformer(name: str, **settings: object) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        import torch
        import transformers

        torch.manual_seed(0)
        config = getattr(transformers, f"{name}Config")(
            vocab_size=40, initializer_range=0.15, attn_implementation="eager", **settings
        )
        getattr(transformers, f"{name}Model")(config).eval().save_pretrained(folder)

    return make


_SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
_ROBERTA = {**_SIZES, "max_position_embeddings": 26, "pad_token_id": 1, "type_vocab_size": 1}

_TEXT = Text("text", 24, FileRef("0" * 64, 0))

FAMILIES: dict[str, Family] = {
    "bert": Family(
        _transformer("Bert", max_position_embeddings=24, **_SIZES), _TEXT, _text, _mean_of_tokens
    ),
    "camembert": Family(_transformer("Camembert", **_ROBERTA), _TEXT, _text, _mean_of_tokens),
    "distilbert": Family(
        _transformer(
            "DistilBert", dim=32, n_layers=3, n_heads=4, hidden_dim=64, max_position_embeddings=24
        ),
        _TEXT,
        _text,
        _mean_of_tokens,
    ),
    "roberta": Family(_transformer("Roberta", **_ROBERTA), _TEXT, _text, _mean_of_tokens),
    "xlm-roberta": Family(_transformer("XLMRoberta", **_ROBERTA), _TEXT, _text, _mean_of_tokens),
}
