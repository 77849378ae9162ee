"""Prepare a workspace's backbone, once: export, cut, slots, quantise, freeze.

The depth of the cut is given, the backbone's default, or measured: the deepest whose held-out class
retrieval is within one standard error of the best, as a deep cut makes adapters small and learning
fast. Two blocks at least are left to adapt where there are more than three: one alone generalised
worse (docs/decisions/0002-split-and-slots.md).

Letters: B batch, D width, L depth.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from onnx import ModelProto, TensorProto, helper

from cfedge.bundle.files import reference
from cfedge.bundle.manifest import Backbone, Slot
from cfedge.errors import BackboneError, UsageError
from cfedge.inputs.text.device import TextInputs
from cfedge.inputs.text.spec import Text
from cfedge.lookup import VIEWS, Lookup
from cfedge.progress import Progress, Quiet
from cfedge.runtime.session import open_session
from cfedge.train.backbones import BACKBONES
from cfedge.train.backbones import find as find_weights
from cfedge.train.examples import Examples, split_held_out
from cfedge.train.signature import signature
from cfedge.train.workspace import Workspace
from cfedge_export.adapters import IR_VERSION
from cfedge_export.encoder import add_pooling_axis, keep_positions, pooling, to_onnx
from cfedge_export.graph import add_slots, blocks, cut, layers, with_views, without_mask
from cfedge_export.schemes import DEFAULT, find
from cfedge_export.sensitivity import state

__all__ = [
    "DEFAULT_PARTS",
    "Draft",
    "Source",
    "check_parts",
    "check_target",
    "choose_split",
    "draft",
    "load_source",
    "make_backbone",
    "measure_split",
    "slot_parts",
]

#: Products of each tail block that get a slot (docs/decisions/0002-split-and-slots.md).
DEFAULT_PARTS = ("qkv", "fc1")


@dataclass(frozen=True)
class Source:
    """An encoder before it is cut: `name`, the weights' SHA-256, the float32 graph with mask, and
    what it reads.
    """

    name: str
    sha256: str
    encoder: ModelProto
    width: int
    max_tokens: int
    tokenizer: bytes


class Draft(NamedTuple):
    """A backbone's record and its files, before they are a workspace."""

    backbone: Backbone
    files: dict[str, bytes]


def load_source(name: str, folder: Path | None = None) -> Source:
    """Find an encoder's weights and export them to ONNX; for `name` and `folder` see `make_backbone`.

    Raises
    ------
    BackboneError
    """
    found = find_weights(name, folder)
    tokenizer = found.folder / "tokenizer.json"
    if not tokenizer.is_file():
        raise BackboneError(
            f"{found.folder}: expected tokenizer.json, found none; save the tokenizer with"
            " transformers >= 4.56 first"
        )
    encoder = to_onnx(found.folder)
    config = json.loads((found.folder / "config.json").read_text("utf-8"))
    max_tokens = min(BACKBONES[name].max_tokens, config["max_position_embeddings"])
    keep_positions(encoder, max_tokens)
    return Source(
        name, found.sha256, encoder, config["hidden_size"], max_tokens, tokenizer.read_bytes()
    )


def check_target(target: Path) -> None:
    """Refuse the name of a workspace that is taken.

    Raises
    ------
    UsageError
    """
    if target.exists():
        raise UsageError(
            f"{target}: expected a new name for the workspace, found something there; choose"
            " another or remove it"
        )


def make_backbone(
    target: Path,
    name: str,
    *,
    folder: Path | None = None,
    split: int | None = None,
    sample: Examples | None = None,
    parts: tuple[str, ...] = DEFAULT_PARTS,
    scheme: str = DEFAULT,
    float_layers: Collection[str] = (),
    like: Backbone | None = None,
    source: Source | None = None,
    progress: Progress | None = None,
) -> Workspace:
    """Make a workspace.

    Parameters
    ----------
    target
        A folder that does not exist yet.
    name
        A key of `cfedge.train.backbones.BACKBONES`.
    folder
        Where the weights are; None: found.
    split
        Blocks in the trunk; None: measured on `sample`, or else the backbone's default.
    sample
        Labelled texts to measure the split on.
    parts
        Products that get a slot: of ``qkv``, ``o``, ``fc1``, ``fc2``.
    scheme
        A key of `cfedge_export.schemes.SCHEMES`.
    float_layers
        Left in float32 (`cfedge_export.sensitivity`), whatever the scheme.
    like
        The backbone to come to, bit for bit, so that this workspace's tasks run beside those that
        were learned elsewhere; its split, slots and scheme are taken; `float_layers` must be its
        own.
    source
        What `load_source` gave for `name` and `folder`, where that was needed before.

    Raises
    ------
    BackboneError, UsageError, StorageError
        Nothing was written.
    """
    if like is not None:
        split, sample, scheme = like.split, None, like.scheme
        parts = slot_parts(like)
    progress = progress or Quiet()
    check_parts(parts)
    find(scheme)
    check_target(target)
    with progress.track("backbone", 3) as advance:
        source = source or load_source(name, folder)
        advance(1)
        split = choose_split(source, sample) if split is None else split
        made = draft(source, split, parts=parts, scheme=scheme, float_layers=float_layers)
        advance(1)
        if like is not None and made.backbone.digest != like.digest:
            raise BackboneError(
                f"backbone {name!r}: expected digest {like.digest[:12]}, found"
                f" {made.backbone.digest[:12]} from these weights and package versions; install the"
                " versions of the other workshop, or copy its workspace"
            )
        workspace = Workspace.written(target, made.backbone, made.files)
        advance(1)
    return workspace


def slot_parts(backbone: Backbone) -> tuple[str, ...]:
    """Return the products that have a slot, as `make_backbone` takes them."""
    return tuple(dict.fromkeys(slot.name.partition(".")[2] for slot in backbone.slots))


def check_parts(parts: Collection[str]) -> None:
    """Refuse slots that there are not.

    Raises
    ------
    UsageError
    """
    if not parts or set(parts) - {"qkv", "o", "fc1", "fc2"}:
        raise UsageError(
            f"slots: expected some of qkv, o, fc1, fc2, found {', '.join(parts) or 'none'}"
        )


def choose_split(source: Source, sample: Examples | None = None) -> int:
    """Return the depth to cut at: measured on `sample`, or else the backbone's default."""
    if sample is not None:
        return measure_split(
            source.encoder, TextInputs(source.tokenizer, source.max_tokens), sample
        )
    return BACKBONES[source.name].split or (len(blocks(source.encoder)) - 1) // 2


def draft(
    source: Source,
    split: int,
    *,
    parts: Collection[str],
    scheme: str,
    float_layers: Collection[str] = (),
) -> Draft:
    """Cut, add slots, quantise: all of a backbone, in memory.

    Raises
    ------
    BackboneError, UsageError
        `split`, `scheme` or `float_layers` name what there is not.
    """
    quantised, known = find(scheme), layers(source.encoder)
    odd = [name for name in float_layers if name not in known]
    if odd:
        raise UsageError(
            f"layers left in float32: expected some of {', '.join(known)}, found {odd[0]!r}"
        )
    keep = [known[name] for name in float_layers]
    trunk, tail = cut(source.encoder, split)
    slots = add_slots(tail, tuple(parts))
    as_trained = quantised.train(tail, keep=keep)  # learning pads its batches, answering does not
    trunk, tail = with_views(without_mask(trunk)), without_mask(tail)
    files = {"train_tail.onnx": _bytes(as_trained), "tokenizer.json": source.tokenizer}
    for name, part in (("trunk.onnx", trunk), ("tail.onnx", tail)):
        shipped, there = quantised.ship(part, keep=keep), {node.name for node in part.graph.node}
        state(
            shipped,
            [layer for layer, node in known.items() if layer in float_layers and node in there],
        )
        files |= {name: _bytes(shipped), f"float_{name}": _bytes(part)}
    backbone = Backbone(
        name=source.name,
        source_sha256=source.sha256,
        scheme=scheme,
        blocks=len(blocks(source.encoder)) - 1,
        split=split,
        width=source.width,
        hidden=(None, source.width),
        views=(source.width,) * VIEWS,
        slots=tuple(Slot(site.name, site.rows, site.columns) for site in slots),
        trunk=reference(files["trunk.onnx"]),
        tail=reference(files["tail.onnx"]),
        input=Text("text", source.max_tokens, reference(source.tokenizer)),
    )
    return Draft(backbone, files)


def measure_split(encoder: ModelProto, preprocess: TextInputs, sample: Examples) -> int:
    """Return the depth to cut at by held-out class retrieval of the lookup (see the module's text)."""
    learned, held_out = split_held_out(sample, 0.3, np.random.default_rng(0))
    features = [_features_by_depth(encoder, preprocess, part) for part in (learned, held_out)]
    position = {label: index for index, label in enumerate(learned.classes)}
    classes = np.array([position[label] for label in learned.labels], np.int64)
    truth = np.array([position[label] for label in held_out.labels], np.int64)
    accuracy: list[float] = []
    for depth in range(features[0].shape[1]):
        whole = signature(features[0][:, depth], classes)
        found = Lookup({"all": whole}).cluster_scores(features[1][:, depth]).argmax(axis=1)
        accuracy.append(float((found == truth).mean()))
    if len(accuracy) > 2:
        del accuracy[-1]
    best = max(accuracy)
    tolerance = (best * (1 - best) / len(truth)) ** 0.5
    return 1 + max(depth for depth, value in enumerate(accuracy) if value >= best - tolerance)


def _features_by_depth(
    encoder: ModelProto, preprocess: TextInputs, examples: Examples
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Features after each block but the last: float32 [B, L - 1, D]."""
    probe = ModelProto()
    probe.CopyFrom(encoder)
    names: list[str] = []
    for depth, entry in enumerate(blocks(encoder)[1:-1], start=1):
        nodes = pooling(entry, f"depth{depth}")
        nodes[-1].output[0] = f"features{depth}"
        probe.graph.node.extend(nodes)
        probe.graph.output.append(
            helper.make_tensor_value_info(f"features{depth}", TensorProto.FLOAT, None)
        )
        names.append(f"features{depth}")
    add_pooling_axis(probe)
    session = open_session(_bytes(probe), "encoder")
    rows = []
    for position, text in enumerate(examples.inputs):
        ids = preprocess.prepare(text, position).feeds["input_ids"]
        rows.append(
            np.concatenate(
                session.run(names, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
            )
        )
    return np.stack(rows)


def _bytes(model: ModelProto) -> bytes:
    model.ir_version = max(IR_VERSION, 8)
    data: bytes = model.SerializeToString(deterministic=True)
    return data
