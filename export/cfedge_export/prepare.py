"""Prepare a workspace's backbone, once: export, cut, slots, quantise, freeze.

The depth of the cut is given, the backbone's default, or measured: the deepest whose held-out class retrieval is within
one standard error of the best, as a deep cut makes adapters small and learning fast. Two blocks at least are left to
adapt where there are more than three: one alone generalised worse (docs/decisions/split-and-slots.md).

Letters: B batch, D width, L depth.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper

from cfedge.bundle.files import reference
from cfedge.bundle.manifest import Backbone, Slot
from cfedge.errors import BackboneError, UsageError
from cfedge.lookup import Lookup
from cfedge.progress import Progress, Quiet
from cfedge.runtime.preprocess import TextPreprocessor
from cfedge.runtime.session import open_session
from cfedge.train.backbones import BACKBONES, find
from cfedge.train.data import Examples, split_held_out
from cfedge.train.signature import signature
from cfedge.train.workspace import Workspace
from cfedge_export.adapters import IR_VERSION
from cfedge_export.encoder import add_pooling_axis, pooling, to_onnx
from cfedge_export.graph import add_slots, blocks, cut, without_mask
from cfedge_export.quantize import SCHEMES

__all__ = ["DEFAULT_PARTS", "measure_split", "prepare"]

#: Products of each tail block that get a slot (docs/decisions/split-and-slots.md).
DEFAULT_PARTS = ("qkv", "fc1")


def prepare(
    target: Path,
    name: str,
    *,
    folder: Path | None = None,
    split: int | None = None,
    sample: Examples | None = None,
    parts: tuple[str, ...] = DEFAULT_PARTS,
    scheme: str = "int8-row",
    like: Backbone | None = None,
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
        A key of `cfedge_export.quantize.SCHEMES`.
    like
        The backbone to come to, bit for bit, so that this workspace's tasks run beside those that were learned elsewhere; its
        split, slots and scheme are taken.

    Raises
    ------
    BackboneError, UsageError, StorageError
        Nothing was written.
    """
    if like is not None:
        split, sample, scheme = like.split, None, like.scheme
        parts = tuple(dict.fromkeys(slot.name.partition(".")[2] for slot in like.slots))
    progress = progress or Quiet()
    if scheme not in SCHEMES:
        raise UsageError(f"scheme: expected one of {', '.join(SCHEMES)}, found {scheme!r}")
    if not parts or set(parts) - {"qkv", "o", "fc1", "fc2"}:
        raise UsageError(f"slots: expected some of qkv, o, fc1, fc2, found {', '.join(parts) or 'none'}")
    if target.exists():
        raise UsageError(f"{target}: expected a new name for the workspace, found something there; choose another or remove it")
    with progress.track("backbone", 4) as advance:
        found = find(name, folder)
        tokenizer_path = found.folder / "tokenizer.json"
        if not tokenizer_path.is_file():
            raise BackboneError(
                f"{found.folder}: expected tokenizer.json, found none; save the tokenizer with transformers >= 4.56 first"
            )
        tokenizer = tokenizer_path.read_bytes()
        advance(1)
        encoder = to_onnx(found.folder)
        depths = len(blocks(encoder)) - 1
        advance(1)
        config = json.loads((found.folder / "config.json").read_text("utf-8"))
        max_tokens = min(BACKBONES[name].max_tokens, config["max_position_embeddings"])
        if split is None and sample is not None:
            split = measure_split(encoder, TextPreprocessor(tokenizer, max_tokens), sample)
        if split is None:
            split = BACKBONES[name].split or depths // 2
        trunk, tail = cut(encoder, split)
        slots = add_slots(tail, parts)
        as_trained = SCHEMES[scheme](tail)[1]  # learning pads its batches, answering does not
        trunk, tail = without_mask(trunk), without_mask(tail)
        advance(1)
        files = {
            "trunk.onnx": _bytes(SCHEMES[scheme](trunk)[0]),
            "tail.onnx": _bytes(SCHEMES[scheme](tail)[0]),
            "train_tail.onnx": _bytes(as_trained),
            "float_trunk.onnx": _bytes(trunk),
            "float_tail.onnx": _bytes(tail),
            "tokenizer.json": tokenizer,
        }
        backbone = Backbone(
            name=name,
            source_sha256=found.sha256,
            scheme=scheme,
            blocks=depths,
            split=split,
            width=config["hidden_size"],
            max_tokens=max_tokens,
            slots=tuple(Slot(site.name, site.rows, site.columns) for site in slots),
            trunk=reference(files["trunk.onnx"]),
            tail=reference(files["tail.onnx"]),
            tokenizer=reference(tokenizer),
        )
        if like is not None and backbone.digest != like.digest:
            raise BackboneError(
                f"backbone {name!r}: expected digest {like.digest[:12]}, found {backbone.digest[:12]} from these weights and package "
                f"versions; install the versions of the other workshop, or copy its workspace"
            )
        workspace = Workspace.create(target, backbone, files)
        advance(1)
    return workspace


def measure_split(encoder: ModelProto, preprocess: TextPreprocessor, sample: Examples) -> int:
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
    encoder: ModelProto, preprocess: TextPreprocessor, examples: Examples
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Features after each block but the last: float32 [B, L - 1, D]."""
    probe = ModelProto()
    probe.CopyFrom(encoder)
    names: list[str] = []
    for depth, entry in enumerate(blocks(encoder)[1:-1], start=1):
        nodes = pooling(entry, f"depth{depth}")
        nodes[-1].output[0] = f"features{depth}"
        probe.graph.node.extend(nodes)
        probe.graph.output.append(helper.make_tensor_value_info(f"features{depth}", TensorProto.FLOAT, None))
        names.append(f"features{depth}")
    add_pooling_axis(probe)
    session = open_session(_bytes(probe), "encoder")
    rows = []
    for position, text in enumerate(examples.texts):
        ids = preprocess(text, position).ids
        rows.append(np.concatenate(session.run(names, {"input_ids": ids, "attention_mask": np.ones_like(ids)})))
    return np.stack(rows)


def _bytes(model: ModelProto) -> bytes:
    model.ir_version = max(IR_VERSION, 8)
    data: bytes = model.SerializeToString(deterministic=True)
    return data
