"""Bundles made from the tiny one in milliseconds: other tasks, other weights, other sites. Their
golden vectors are their own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from channels import NOW
from here import publish

from cfedge import Engine
from cfedge.bundle.arrays import dump_arrays, load_arrays, load_note
from cfedge.bundle.files import Bundle, reference, write
from cfedge.bundle.manifest import Task
from cfedge.publish.channel import Published
from cfedge.publish.keys import Keys
from cfedge.publish.repository import Repository
from cfedge.runtime.adapter import Adapter, load_adapter
from cfedge.runtime.golden import golden_arrays, golden_inputs
from cfedge.store import Store
from cfedge.sync.trust import Trust
from cfedge_export.adapters import adapter_onnx


def rebuilt(bundle: Bundle, tasks: Sequence[Task]) -> Bundle:
    """The bundle of these tasks alone, with golden vectors that hold among them."""
    manifest = replace(bundle.manifest, tasks=tuple(sorted(tasks, key=lambda one: one.name)))
    engine = Engine(Bundle(manifest, bundle.objects))
    objects, done = dict(bundle.objects), []
    for task in manifest.tasks:
        inputs = golden_inputs(engine.modality, bundle[task.golden], "golden")
        data = golden_arrays(engine, task.name, inputs)
        objects[reference(data).sha256] = data
        done.append(replace(task, golden=reference(data)))
    manifest = replace(manifest, tasks=tuple(done))
    return Bundle(manifest, {ref.sha256: objects[ref.sha256] for ref in manifest.files().values()})


def only(bundle: Bundle, *names: str) -> Bundle:
    """The bundle of some of its tasks."""
    return rebuilt(bundle, [task for task in bundle.manifest.tasks if task.name in names])


def arrays_of(adapter: Adapter) -> dict[str, np.ndarray]:
    """What `Adapter.from_arrays` took."""
    arrays = {
        **adapter.slots,
        "head.weight": adapter.weight,
        "head.bias": adapter.bias,
        "trunk.weight": adapter.trunk_weight,
        "trunk.bias": adapter.trunk_bias,
        "exit.margin": np.array([adapter.exit_margin], np.float32),
    }
    if adapter.shape_weight.size:
        arrays |= {"shape.weight": adapter.shape_weight, "shape.bias": adapter.shape_bias}
    return arrays


def with_adapters(
    bundle: Bundle, change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]
) -> Bundle:
    """The same tasks with other arrays in their adapters, and golden vectors that fit."""
    backbone, objects, tasks = bundle.manifest.backbone, dict(bundle.objects), []
    for task in bundle.manifest.tasks:
        arrays = change(arrays_of(load_adapter(bundle[task.adapter], task, backbone)))
        data = adapter_onnx(arrays, base=backbone.digest, task=task.name)
        objects[reference(data).sha256] = data
        tasks.append(replace(task, adapter=reference(data)))
    return rebuilt(Bundle(bundle.manifest, objects), tasks)


def relearned(bundle: Bundle, name: str, scale: float = 0.5) -> Bundle:
    """The same tasks, of which one has other weights."""
    more = _with(bundle, name, name, None, scale)
    return rebuilt(more, more.manifest.tasks)


def cloned(bundle: Bundle, name: str, *new: str, classes: Collection[str] | None = None) -> Bundle:
    """More tasks: `name`'s under each `new` name, which nothing tells from it but its labels."""
    old = next(task for task in bundle.manifest.tasks if task.name == name)
    for one in new:
        labels = tuple(classes or (f"{one} {label}" for label in old.classes))
        bundle = _with(bundle, name, one, labels, 1.0)
    return rebuilt(bundle, bundle.manifest.tasks)


def _with(
    bundle: Bundle, name: str, new: str, classes: tuple[str, ...] | None, scale: float
) -> Bundle:
    """The golden vectors are still those of before."""
    backbone = bundle.manifest.backbone
    old = next(task for task in bundle.manifest.tasks if task.name == name)
    adapter = load_adapter(bundle[old.adapter], old, backbone)
    arrays = arrays_of(adapter)
    arrays |= {"head.weight": adapter.weight * scale, "head.bias": adapter.bias * scale}
    data = adapter_onnx(arrays, base=backbone.digest, task=new)
    made = replace(old, name=new, classes=classes or old.classes, adapter=reference(data))
    rest = [task for task in bundle.manifest.tasks if task.name != new]
    return Bundle(
        replace(bundle.manifest, tasks=(*rest, made)),
        {**bundle.objects, reference(data).sha256: data},
    )


def turned(bundle: Bundle, name: str) -> Bundle:
    """A bundle in good order whose golden vectors expect other labels of one task."""
    old = next(task for task in bundle.manifest.tasks if task.name == name)
    arrays, note = load_arrays(bundle[old.golden], "golden"), load_note(bundle[old.golden])
    labels = cast("list[str]", note["labels"])
    note["labels"] = [next(one for one in old.classes if one != label) for label in labels]
    data = dump_arrays(arrays, note)
    tasks = tuple(
        replace(task, golden=reference(data)) if task.name == name else task
        for task in bundle.manifest.tasks
    )
    objects = {key: value for key, value in bundle.objects.items() if key != old.golden.sha256}
    return Bundle(replace(bundle.manifest, tasks=tasks), {**objects, reference(data).sha256: data})


def written(bundle: Bundle, folder: Path) -> Path:
    """The bundle in a folder, in the place of what was there."""
    write(bundle, folder, replace=True)
    return folder


def new_site(folder: Path, name: str, bundle: Bundle) -> Published:
    """A site with keys of its own that published `bundle`; in `folder`, as ``keys`` and ``repo``."""
    keys = Keys.create(folder / "keys", site=name, root_keys=1, root_threshold=1)
    return publish(written(bundle, folder / "bundle"), folder / "repo", keys, now=NOW)


def new_store(site: Path, folder: Path, channel: str = "stable") -> Store:
    """An empty store that trusts the site."""
    made = Store.create(folder, channel)
    Trust.begin(folder / "trust", Repository(site / "repo").root())
    return made
