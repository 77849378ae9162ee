"""A backbone in memory: an encoder cut, given slots, and quantised."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import NamedTuple

from onnx import ModelProto

from cfedge.bundle.files import reference
from cfedge.bundle.manifest import Backbone, Slot
from cfedge.errors import UsageError
from cfedge.train.learn.graph_keys import KEEP_POSITIONS
from cfedge.train.workspace.index import FOREIGN, file_name
from cfedge_export import architectures
from cfedge_export.adapters import IR_VERSION
from cfedge_export.architectures import Architecture
from cfedge_export.background import Made
from cfedge_export.graph import add_slots, cut, layers
from cfedge_export.schemes import find
from cfedge_export.sensitivity import state
from cfedge_export.source import Source

__all__ = [
    "Draft",
    "check_target_modules",
    "draft",
    "family_of",
    "slotted_modules",
    "with_background",
]

#: Key of the metadata of the float32 graphs that the workshop keeps: the encoder's family.
MODEL_TYPE = "cfedge.model_type"


class Draft(NamedTuple):
    """A backbone's record and its files, before they are a workspace."""

    backbone: Backbone
    files: dict[str, bytes]


def draft(
    source: Source,
    split: int,
    *,
    target_modules: Collection[str],
    scheme: str,
    float_layers: Collection[str] = (),
) -> Draft:
    """Cut, add slots, quantise: all of a backbone.

    Raises
    ------
    BackboneError, UsageError
        `split`, `target_modules`, `scheme` or `float_layers` name what there is not.
    """
    family, quantised = source.architecture, find(scheme)
    check_target_modules(source, target_modules)
    known = layers(family, source.encoder)
    odd = [name for name in float_layers if name not in known]
    if odd:
        raise UsageError(
            f"layers left in float32: expected some of {', '.join(known)}, found {odd[0]!r}"
        )
    keep = [known[name] for name in float_layers]
    trunk, tail = cut(family, source.encoder, split)
    slots = add_slots(family, tail, target_modules)
    as_trained = quantised.train(tail, keep=keep)  # learning pads its batches, answering does not
    if family.keep_positions is not None:
        as_trained.metadata_props.add(key=KEEP_POSITIONS, value=str(family.keep_positions))
    joint = family.cuts(source.encoder)[split]
    files = {file_name(role): data for role, data in source.files.items()}
    files["train_tail.onnx"] = _bytes(as_trained)
    for name, part in (("trunk.onnx", trunk), ("tail.onnx", tail)):
        exact = family.deployed(part)
        shipped, there = quantised.ship(exact, keep=keep), {node.name for node in exact.graph.node}
        stated = [layer for layer in known if layer in float_layers and known[layer] in there]
        state(shipped, stated)
        exact.metadata_props.add(key=MODEL_TYPE, value=source.model_type)
        files |= {name: _bytes(shipped), f"float_{name}": _bytes(exact)}
    record = Backbone(
        name=source.name,
        source_sha256=source.sha256,
        scheme=scheme,
        blocks=source.blocks,
        split=split,
        width=source.width,
        hidden=_sizes(source, split),
        views=tuple(family.views(source.encoder, joint)),
        slots=tuple(Slot(module.name, module.rows, module.columns) for module in slots),
        trunk=reference(files["trunk.onnx"]),
        tail=reference(files["tail.onnx"]),
        input=source.input,
        frozen_views=family.frozen_views(source.encoder, joint),
    )
    return Draft(record, files)


def with_background(made: Draft, background: Made | None) -> Draft:
    """Return a draft that ships what inputs of no task look like; the digest stays."""
    if background is None:
        return made
    record = dataclasses.replace(made.backbone, background=reference(background.background))
    files = {file_name("background"): background.background, FOREIGN: background.foreign}
    return Draft(record, {**made.files, **files})


def family_of(exact: ModelProto, where: object) -> Architecture:
    """Return the family of a float32 graph that a workspace keeps; `where` names it in errors."""
    stated = [entry.value for entry in exact.metadata_props if entry.key == MODEL_TYPE]
    return architectures.find(stated[0] if stated else "", where)


def slotted_modules(backbone: Backbone) -> tuple[str, ...]:
    """Return the target modules of a backbone that have a slot, as `draft` takes them."""
    return tuple(dict.fromkeys(slot.name.partition(".")[2] for slot in backbone.slots))


def check_target_modules(source: Source, names: Collection[str]) -> None:
    """Refuse target modules that the encoder has not.

    Raises
    ------
    UsageError
    """
    parts = source.architecture.parts
    if set(names) - set(parts) or (parts and not names):
        raise UsageError(
            f"target modules: expected some of {', '.join(parts)}, found"
            f" {', '.join(names) or 'none'}; name them with --target-modules"
        )


def _sizes(source: Source, split: int) -> tuple[int | None, ...]:
    """Of one input's hidden states; None where inputs differ."""
    family = source.architecture
    sizes = family.hidden(source.encoder, family.cuts(source.encoder)[split])
    return tuple(size if isinstance(size, int) else None for size in sizes)


def _bytes(model: ModelProto) -> bytes:
    model.ir_version = max(IR_VERSION, 8)
    data: bytes = model.SerializeToString(deterministic=True)
    return data
