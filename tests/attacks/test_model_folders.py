"""Folders of text encoders that are written from their weights: what is missing, torn or not known is
refused by name, in one line.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from every import cases
from safetensors.numpy import load_file, save_file

from cfedge.errors import BackboneError
from cfedge.inputs.text.spec import Text
from cfedge_export.architectures import find
from cfedge_export.source import load_source

SIZES = {
    "vocab_size": 40,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "pad_token_id": 1,
}
KINDS = {
    "mpnet": ("MPNetConfig", "encoder.layer.1.attention.attn.o.weight"),
    "modernbert": ("ModernBertConfig", "layers.1.mlp.Wi.weight"),
}


@cache
def weights(kind: str) -> dict[str, np.ndarray]:
    """A tiny model's, by its library's names."""
    import transformers

    config = getattr(transformers, KINDS[kind][0])(**SIZES, max_position_embeddings=24)
    model = transformers.AutoModel.from_config(config)
    return {name: value.numpy() for name, value in model.state_dict().items()}


def made(folder: Path, kind: str, **changed: object) -> Path:
    config = {"model_type": kind, **SIZES, "max_position_embeddings": 24, **changed}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    save_file(weights(kind), folder / "model.safetensors")
    return folder


def _gone(folder: Path, kind: str) -> None:
    (folder / "model.safetensors").unlink()


def _pickled(folder: Path, kind: str) -> None:
    """What older libraries wrote, which can run code: it is never opened."""
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _torn(folder: Path, kind: str) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def _garbage(folder: Path, kind: str) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 64)


def _without_one(folder: Path, kind: str) -> None:
    found = load_file(folder / "model.safetensors")
    del found[KINDS[kind][1]]
    save_file(found, folder / "model.safetensors")


HOSTILE: dict[str, tuple[Callable[[Path, str], None], str]] = {
    "no weights": (_gone, "model.safetensors: expected weights, found"),
    "pickled weights": (_pickled, "model.safetensors: expected weights, found"),
    "weights cut short": (_torn, "model.safetensors: expected weights, found"),
    "garbage": (_garbage, "model.safetensors: expected weights, found"),
    "a layer that is not there": (_without_one, "expected the weights '"),
}


@cases("name", HOSTILE)
@cases("kind", KINDS)
def test_a_folder_that_is_no_such_model_is_refused(name: str, kind: str, tmp_path: Path) -> None:
    hurt, said = HOSTILE[name]
    folder = tmp_path / f"{kind} {name}"
    folder.mkdir()
    hurt(made(folder, kind), kind)
    _refused(folder, kind, said)


def test_a_local_model_that_is_damaged_is_named_by_its_folder(tmp_path: Path) -> None:
    """Whatever the library raises that finds it."""
    import transformers

    config = transformers.BertConfig(**SIZES, max_position_embeddings=24)
    transformers.BertModel(config).save_pretrained(tmp_path)
    stated = json.loads((tmp_path / "config.json").read_text("utf-8"))
    whole = (tmp_path / "model.safetensors").read_bytes()
    tokenizer = '{"version":"1.0","added_tokens":[],"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}'
    sound = {
        "config.json": json.dumps(stated),
        "tokenizer.json": tokenizer,
        "model.safetensors": whole,
    }
    for name, content, said in (
        ("config.json", "[" * 100_000, "model"),
        ("config.json", json.dumps({**stated, "hidden_size": "x"}), "model"),
        ("config.json", json.dumps({**stated, "hidden_size": 33}), "model"),
        ("tokenizer.json", "{", "tokenizer"),
        ("tokenizer.json", "{}", "tokenizer"),
        ("model.safetensors", b"\xff" * 64, "model"),
        ("model.safetensors", whole[:-100], "model"),
    ):  # fmt: skip
        for file, bytes_ in {**sound, name: content}.items():
            (tmp_path / file).write_bytes(bytes_ if isinstance(bytes_, bytes) else bytes_.encode())
        with pytest.raises(
            BackboneError, match=rf"{tmp_path}.*: expected .*{said}.*, found"
        ) as told:
            load_source("local", tmp_path)
        assert "\n" not in str(told.value)


def test_what_the_machine_lacks_is_not_called_a_damaged_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).write_bytes(b"{}")
    for lacks in (OSError(errno.ENOSPC, "No space left on device"), ImportError("no such package")):

        def refuse(folder: Path, lacks: Exception = lacks) -> None:
            raise lacks

        monkeypatch.setattr("cfedge_export.source.architectures.config_of", refuse)
        with pytest.raises(type(lacks)) as told:
            load_source("local", tmp_path)
        assert told.value is lacks


def test_what_a_graph_cannot_be_written_for_is_refused_by_name(tmp_path: Path) -> None:
    scaled = {"rope_type": "linear", "factor": 2.0}
    for number, (kind, changed, said) in enumerate(
        [
            ("modernbert", {"rope_scaling": scaled}, "found rope_scaling"),
            ("modernbert", {"hidden_activation": "silu"}, "expected an activation of gelu"),
            ("mpnet", {"hidden_act": "relu"}, "expected an activation of gelu"),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        _refused(made(folder, kind, **changed), kind, said)


def _refused(folder: Path, kind: str, said: str) -> None:
    with pytest.raises(BackboneError) as refusal:
        find(kind, folder).to_onnx(folder, Text("text", 16, None))  # type: ignore[arg-type]
    message = str(refusal.value)
    assert said in message
    assert "\n" not in message
