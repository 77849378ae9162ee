"""Hostile bundles, one for each refusal: what is attacked, which error it is, and what the message
names.

Whoever made them knows the format: but for those that say otherwise their digests are right. Most
are opened in this process, by what the child runs (`verify_here`); those that would fill the memory
or never end in the child itself, with little time and memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import safetensors.numpy
from every import cases, every
from onnx import TensorProto, helper, numpy_helper

from cfedge import Engine
from cfedge.bundle.arrays import dump_arrays, load_arrays, load_note
from cfedge.bundle.canonical import canonical_json
from cfedge.bundle.files import Bundle, read, read_manifest, reference, write
from cfedge.bundle.limits import LIMITS as MANIFEST_LIMITS
from cfedge.errors import BundleError, DamagedError, IncompatibleError, SchemaError
from cfedge.inputs.text.spec import MOST_TOKENS
from cfedge.runtime.child import LIMITS, MARK, Limits
from cfedge.runtime.verification import verify
from cfedge.runtime.verify_here import verify_here

pytestmark = pytest.mark.usefixtures("verified_by_a_child")

Change = Callable[[Path], None]


@dataclass(frozen=True)
class Attack:
    """A change of the tiny bundle, and how it is refused; of what would take all time or memory,
    the seconds that a child gets.
    """

    change: Change
    error: type[BundleError]
    found: str
    child_s: float | None = None


# Changes of the folder


def object_of(folder: Path, role: str) -> Path:
    return folder / "objects" / read_manifest(folder).files()[role].sha256


def on_object(change: Callable[[Path], object], role: str = "tail") -> Change:
    return lambda folder: _done(change(object_of(folder, role)))


def instead(make: Callable[[Path], object], role: str = "tail") -> Change:
    """Something else under the name of an object."""

    def change(folder: Path) -> None:
        path = object_of(folder, role)
        path.unlink()
        make(path)

    return change


def rewritten(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(change(path.read_bytes()))


def sparse(size: int) -> Callable[[Path], object]:
    def grow(path: Path) -> None:
        with path.open("r+b") as file:
            file.truncate(size)

    return grow


def swapped(folder: Path) -> None:
    one, other = object_of(folder, "trunk"), object_of(folder, "tail")
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)


def _done(result: object) -> None:
    """Nothing more is wanted of it."""


# Changes of the manifest


def sealed(text: bytes) -> bytes:
    """Manifest bytes without their own digest, with it: as it is reckoned, where they can be read
    at all.
    """
    digest = hashlib.sha256(text).hexdigest().encode()
    at = text.index(b',"tasks"')  # sha256 sorts before tasks
    return text[:at] + b',"sha256":"' + digest + b'"' + text[at:]


def body(change: Callable[[dict[str, Any]], object]) -> Change:
    """Change the manifest's fields."""

    def apply(folder: Path) -> None:
        fields = json.loads((folder / "manifest.json").read_bytes())
        del fields["sha256"]
        change(fields)
        text = json.dumps(
            fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
        digest = hashlib.sha256(text).hexdigest()
        whole = json.dumps(
            {**fields, "sha256": digest}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        (folder / "manifest.json").write_bytes(whole.encode())

    return apply


def put(path: str, value: Any) -> Change:
    """Set one field, by its path."""

    def change(fields: Any) -> None:
        *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))
        for step in steps:
            fields = fields[step]
        fields[last] = value

    return body(change)


def text(old: str, new: str) -> Change:
    """Change the manifest's text, and seal it again."""

    def apply(folder: Path) -> None:
        fields = json.loads((folder / "manifest.json").read_bytes())
        del fields["sha256"]
        data = canonical_json(fields)
        assert data.count(old.encode()) >= 1
        (folder / "manifest.json").write_bytes(
            sealed(data.replace(old.encode(), new.encode("utf-8", "surrogatepass"), 1))
        )

    return apply


def manifest_bytes(change: Callable[[bytes], bytes]) -> Change:
    return lambda folder: _done(
        (folder / "manifest.json").write_bytes(change((folder / "manifest.json").read_bytes()))
    )


def named(name: str) -> Change:
    return put("tasks.0.golden.sha256", name)


# Changes of files, with digests that fit


def part(role: str, change: Callable[[bytes], bytes]) -> Change:
    """Change a file: of the backbone, or of the first task. Adapters are made to fit the backbone
    that comes of it.
    """

    def apply(folder: Path) -> None:
        bundle = read(folder)
        backbone = bundle.manifest.backbone
        if role in backbone.files():
            data = change(bundle[backbone.files()[role]])
            if role in ("trunk", "tail"):
                backbone = replace(backbone, **{role: reference(data)})
            else:
                spec = replace(backbone.input, **{role: reference(data)})
                backbone = replace(backbone, input=spec)
            bundle = rebased(
                Bundle(
                    replace(bundle.manifest, backbone=backbone),
                    {**bundle.objects, reference(data).sha256: data},
                )
            )
        else:
            first, *rest = bundle.manifest.tasks
            data = change(bundle[getattr(first, role)])
            tasks = (replace(first, **{role: reference(data)}), *rest)
            bundle = Bundle(
                replace(bundle.manifest, tasks=tasks),
                {**bundle.objects, reference(data).sha256: data},
            )
        stored(bundle, folder)

    return apply


def stored(bundle: Bundle, folder: Path) -> None:
    kept = {ref.sha256: bundle[ref] for ref in bundle.manifest.files().values()}
    write(Bundle(bundle.manifest, kept), folder, replace=True)


def rebased(bundle: Bundle) -> Bundle:
    objects, tasks = dict(bundle.objects), []
    for task in bundle.manifest.tasks:
        model = onnx.load_from_string(bundle[task.adapter])
        metadata = {one.key: one.value for one in model.metadata_props}
        helper.set_model_props(model, {**metadata, "cfedge.base": bundle.manifest.backbone.digest})
        data = model.SerializeToString()
        objects[reference(data).sha256] = data
        tasks.append(replace(task, adapter=reference(data)))
    return Bundle(replace(bundle.manifest, tasks=tuple(tasks)), objects)


def with_backbone(**fields: Any) -> Change:
    """Other fields of the backbone, which its adapters are made to fit."""

    def apply(folder: Path) -> None:
        bundle = read(folder)
        backbone = replace(
            bundle.manifest.backbone,
            **{name: value(bundle.manifest.backbone) for name, value in fields.items()},
        )
        stored(rebased(Bundle(replace(bundle.manifest, backbone=backbone), bundle.objects)), folder)

    return apply


def graph(role: str, change: Callable[[onnx.ModelProto], object]) -> Change:
    """Change a file that is a graph."""

    def changed(data: bytes) -> bytes:
        model = onnx.load_from_string(data)
        change(model)
        return bytes(model.SerializeToString())

    return part(role, changed)


def external(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].external_data.add(key="location", value="../../../../etc/passwd")


def located(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL


def empty_graph(name: str, *, inputs: int) -> onnx.GraphProto:
    """A body that hands on its condition for ever."""
    scalar = [
        helper.make_tensor_value_info(f"{name}{at}", TensorProto.BOOL, []) for at in range(inputs)
    ]
    done = helper.make_tensor_value_info(f"{name}-out", TensorProto.BOOL, [])
    node = helper.make_node("Identity", [f"{name}1"] if inputs else ["always"], [f"{name}-out"])
    return helper.make_graph([node], name, scalar, [done])


def looping(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "always"))
    body = empty_graph("body", inputs=2)
    body.input[0].type.tensor_type.elem_type = TensorProto.INT64
    model.graph.node.append(helper.make_node("Loop", ["", "always"], [], body=body))


def branching(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "always"))
    branch = empty_graph("branch", inputs=0)
    model.graph.node.append(
        helper.make_node("If", ["always"], ["unused"], then_branch=branch, else_branch=branch)
    )


def scanning(model: onnx.ModelProto) -> None:
    node = helper.make_node("Scan", ["hidden"], ["unused"], num_scan_inputs=1)
    node.attribute.append(helper.make_attribute("bodies", [empty_graph("body", inputs=2)]))
    model.graph.node.append(node)


def with_function(model: onnx.ModelProto) -> None:
    node = helper.make_node("Identity", ["a"], ["b"])
    model.functions.append(
        helper.make_function("mine", "F", ["a"], ["b"], [node], [helper.make_opsetid("", 18)])
    )


def sparse_weights(model: onnx.ModelProto) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "sparse")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "indices")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [2**40]))


def ort_format(data: bytes) -> bytes:
    return data[:4] + b"ORTM" + data[8:]


def output(model: onnx.ModelProto, name: str) -> onnx.ValueInfoProto:
    return next(one for one in model.graph.output if one.name == name)


def replaced_output(
    name: str,
    nodes: list[onnx.NodeProto],
    constants: dict[str, np.ndarray],
    kind: int = TensorProto.FLOAT,
) -> Callable[[onnx.ModelProto], object]:
    """Let other operators make one of a graph's outputs."""

    def change(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            for at, one in enumerate(node.output):
                if one == name:
                    node.output[at] = f"{name}-before"
        model.graph.initializer.extend(
            numpy_helper.from_array(array, key) for key, array in constants.items()
        )
        model.graph.node.extend(nodes)
        output(model, name).CopyFrom(helper.make_tensor_value_info(name, kind, None))

    return change


def poisoned(value: float) -> Callable[[onnx.ModelProto], object]:
    return replaced_output(
        "head.bias",
        [helper.make_node("Identity", ["poison"], ["head.bias"])],
        {"poison": np.full(3, value, np.float32)},
    )


def doubling(name: str, times: int) -> Callable[[onnx.ModelProto], object]:
    nodes = [
        helper.make_node("Concat", [f"x{at}", f"x{at}"], [f"x{at + 1}"], axis=0)
        for at in range(times)
    ]
    return replaced_output(
        name,
        [*nodes, helper.make_node("Identity", [f"x{times}"], [name])],
        {"x0": np.ones(1, np.float32)},
    )


def toiling(name: str) -> Callable[[onnx.ModelProto], object]:
    """Thousands of products of large matrices."""
    nodes = [helper.make_node("Expand", ["one", "large"], ["m0"])]
    nodes += [helper.make_node("MatMul", [f"m{at}", "m0"], [f"m{at + 1}"]) for at in range(3000)]
    constants = {"one": np.ones((1, 1), np.float32), "large": np.array([2048, 2048], np.int64)}
    return replaced_output(
        name, [*nodes, helper.make_node("ReduceMax", ["m3000"], [name])], constants
    )


def filled(name: str, *sizes: int) -> Callable[[onnx.ModelProto], object]:
    return replaced_output(
        name,
        [helper.make_node("ConstantOfShape", ["sizes"], [name])],
        {"sizes": np.array(sizes, np.int64)},
    )


def growing(model: onnx.ModelProto) -> None:
    """Features of some 2**33 numbers, which only the input says."""
    nodes = [
        helper.make_node("Shape", ["input_ids"], ["size"]),
        helper.make_node("Mul", ["size", "times"], ["larger"]),
        helper.make_node("ConstantOfShape", ["larger"], ["features"]),
    ]
    replaced_output("features", nodes, {"times": np.array([2**21, 2**12], np.int64)})(model)
    output(model, "features").CopyFrom(
        helper.make_tensor_value_info("features", TensorProto.FLOAT, ["b", "d"])
    )


def giant_weights(model: onnx.ModelProto) -> None:
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend([2**40, 2**20])


def negative_sizes(model: onnx.ModelProto) -> None:
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend([-1, -4])


def renamed_input(old: str, new: str) -> Callable[[onnx.ModelProto], object]:
    def change(model: onnx.ModelProto) -> None:
        for one in model.graph.input:
            one.name = new if one.name == old else one.name
        for node in model.graph.node:
            for at, one in enumerate(node.input):
                node.input[at] = new if one == old else one

    return change


def retyped_input(name: str, kind: int, sizes: list[Any]) -> Callable[[onnx.ModelProto], object]:
    """Another type of an input, which is cast before it is used."""

    def change(model: onnx.ModelProto) -> None:
        given = next(one for one in model.graph.input if one.name == name)
        renamed_input(name, "cast")(model)
        given.CopyFrom(helper.make_tensor_value_info(name, kind, sizes))
        before = TensorProto.INT64 if name == "input_ids" else TensorProto.FLOAT
        model.graph.node.insert(0, helper.make_node("Cast", [name], ["cast"], to=before))

    return change


def without_output(name: str) -> Callable[[onnx.ModelProto], object]:
    return lambda model: model.graph.output.remove(output(model, name))


def one_more_output(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.ones((1, 32, 2), np.float32), "more"))
    model.graph.node.append(helper.make_node("Identity", ["more"], ["a.l9.o"]))
    model.graph.output.append(
        helper.make_tensor_value_info("a.l9.o", TensorProto.FLOAT, [1, 32, 2])
    )


def stated(key: str, value: str) -> Callable[[onnx.ModelProto], object]:
    return lambda model: helper.set_model_props(
        model, {**{one.key: one.value for one in model.metadata_props}, key: value}
    )


def of_opset(version: int) -> Callable[[onnx.ModelProto], object]:
    return lambda model: setattr(
        next(one for one in model.opset_import if not one.domain), "version", version
    )


def domain(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.example"


def spoiled_weights(model: onnx.ModelProto) -> None:
    """NaN in every float weight."""
    for one in model.graph.initializer:
        if one.data_type == TensorProto.FLOAT:
            one.CopyFrom(
                numpy_helper.from_array(np.full_like(numpy_helper.to_array(one), np.nan), one.name)
            )


def other_weights(model: onnx.ModelProto) -> None:
    """Weights in good form, of another sign here and there."""
    for one in model.graph.initializer:
        array = numpy_helper.to_array(one)
        if array.dtype == np.float32 and array.ndim == 1 and len(array) > 8:
            one.CopyFrom(numpy_helper.from_array(-array[::-1], one.name))


def arrays(change: Callable[[dict[str, np.ndarray]], object]) -> Change:
    """Change the first task's signature."""

    def changed(data: bytes) -> bytes:
        found = dict(load_arrays(data, "signature"))
        change(found)
        return dump_arrays(found)

    return part("signature", changed)


def array(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    return arrays(lambda found: found.update({name: change(found[name].copy())}))


def first(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(one: np.ndarray) -> np.ndarray:
        one.flat[0] = value
        return one

    return change


def one_more_row(found: dict[str, Any], rows: int = 33) -> None:
    """So many rows of the factor, all of one class."""
    found["tail.factor"] = np.repeat(found["tail.factor"][:, :1], rows, axis=1)
    found["tail.factor_scale"] = np.repeat(found["tail.factor_scale"][:1], rows)
    found["tail.factor_classes"] = np.zeros(rows, np.int64)


def header(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    """Change the header of safetensors."""

    def changed(data: bytes) -> bytes:
        size = int.from_bytes(data[:8], "little")
        fields = json.loads(data[8 : 8 + size])
        change(fields)
        new = json.dumps(fields).encode()
        return len(new).to_bytes(8, "little") + new + data[8 + size :]

    return changed


def twice(data: bytes) -> bytes:
    """A name given twice in the header of safetensors."""
    size = int.from_bytes(data[:8], "little")
    text = data[8 : 8 + size].rstrip()
    inner = json.loads(text)["tail.quartic"]
    new = text[:-1] + b',"tail.quartic":' + json.dumps(inner).encode() + b"}"
    return len(new).to_bytes(8, "little") + new + data[8 + size :]


def golden(change: Callable[[dict[str, np.ndarray], dict[str, Any]], object]) -> Change:
    """Change the first task's golden vectors."""

    def changed(data: bytes) -> bytes:
        found, note = dict(load_arrays(data, "golden")), load_note(data)
        change(found, note)
        return safetensors.numpy.save(found, {"cfedge": json.dumps(note)})

    return part("golden", changed)


def tokenizer(change: Callable[[dict[str, Any]], object]) -> Change:
    def changed(data: bytes) -> bytes:
        fields = json.loads(data)
        change(fields)
        return json.dumps(fields).encode()

    return part("tokenizer", changed)


def outnumbered(fields: dict[str, Any]) -> None:
    for word in fields["model"]["vocab"]:
        fields["model"]["vocab"][word] += 100_000


def shuffled(fields: dict[str, Any]) -> None:
    vocabulary = fields["model"]["vocab"]
    words = [word for word in vocabulary if not word.startswith("[")]
    fields["model"]["vocab"] = {
        **vocabulary,
        **dict(zip(words, (vocabulary[word] for word in reversed(words)), strict=True)),
    }


def catastrophic(fields: dict[str, Any]) -> None:
    pattern = {"Regex": r"^(([a-z ])+.)+[0-9]$"}
    fields["pre_tokenizer"] = {
        "type": "Split",
        "pattern": pattern,
        "behavior": "Isolated",
        "invert": False,
    }


RIVAL = {"errors": 1, "rival_errors": 1, "wrong_task_at_most": 1.0}


ATTACKS: dict[str, Attack] = {
    # The folder
    "no manifest": Attack(lambda folder: (folder / "manifest.json").unlink(), DamagedError, "expected a bundle with manifest.json, found a folder without it"),
    "a missing file": Attack(on_object(Path.unlink), DamagedError, r"\(tail\): expected a file, found none"),
    "one file more": Attack(lambda folder: _done((folder / "objects" / "x").write_bytes(b"")), DamagedError, "objects/x: expected 9 files that the manifest names"),
    "a hidden file": Attack(lambda folder: _done((folder / "objects" / ".x").write_bytes(b"")), DamagedError, r"objects/\.x: expected 9 files"),
    "a file beside": Attack(lambda folder: _done((folder / "run.py").write_bytes(b"")), DamagedError, r"run\.py: expected only manifest\.json and objects/ here"),
    "a folder for a file": Attack(instead(Path.mkdir), DamagedError, r"\(tail\): expected a file, found a folder"),
    "a pipe for a file": Attack(instead(lambda path: os.mkfifo(path)), DamagedError, r"\(tail\): expected a file, found a folder or device"),
    "a device for a file": Attack(instead(lambda path: path.symlink_to("/dev/zero")), DamagedError, r"\(tail\): expected a file, found a folder or device"),
    "a link to itself": Attack(instead(lambda path: path.symlink_to(path.name)), DamagedError, r"\(tail\): expected a file"),
    "a link out of the bundle": Attack(instead(lambda path: path.symlink_to("/etc/hostname")), DamagedError, r"\(tail\): expected"),
    "a file cut short": Attack(on_object(rewritten(lambda data: data[:-1])), DamagedError, r"\(tail\): expected \d+ bytes, found \d+"),
    "a byte more": Attack(on_object(rewritten(lambda data: data + b"\0")), DamagedError, r"\(tail\): expected \d+ bytes, found more"),
    "a byte changed": Attack(on_object(rewritten(lambda data: data[:-1] + bytes([data[-1] ^ 1]))), DamagedError, r"\(tail\): expected SHA-256"),
    "a terabyte of nothing": Attack(on_object(sparse(1 << 40)), DamagedError, r"\(tail\): expected \d+ bytes, found more"),
    "two files swapped": Attack(swapped, DamagedError, r"\(trunk\): expected"),
    "a digest in upper case on the disk": Attack(on_object(lambda path: path.rename(path.with_name(path.name.upper()))), DamagedError, r"\(tail\): expected a file, found none"),
    # The manifest's bytes
    "a manifest larger than any": Attack(lambda folder: _done(sparse(1 << 40)(folder / "manifest.json")), SchemaError, f"expected at most {MANIFEST_LIMITS.manifest_bytes} bytes"),
    "a manifest cut short": Attack(manifest_bytes(lambda data: data[:-9]), SchemaError, "expected canonical JSON"),
    "a manifest changed": Attack(manifest_bytes(lambda data: data.replace(b"colors", b"colour")), SchemaError, "it was changed or cut"),
    "other spacing": Attack(manifest_bytes(lambda data: data.replace(b'":', b'": ')), SchemaError, "expected canonical JSON, found other spacing"),
    "not UTF-8": Attack(manifest_bytes(lambda data: data.replace(b"colors", b"col\xf6rs")), SchemaError, "expected canonical JSON, found bytes that are no UTF-8"),
    "a key twice": Attack(text('"rank":2', '"rank":2,"rank":2'), SchemaError, "expected each key once, found a key twice"),
    "NaN": Attack(text('"margins":', '"margins":NaN,"x":'), SchemaError, "expected finite numbers, found NaN"),
    "a number beyond floats": Attack(text('"margins":', '"margins":1e400,"x":'), SchemaError, "expected canonical JSON, found Out of range"),
    "a number of 5,000 digits": Attack(text('"rank":2', f'"rank":{"9" * 5000}'), SchemaError, "expected canonical JSON, found a number of thousands of digits"),
    "deep nesting": Attack(text('"rank":2', f'"rank":{"[" * 100_000}{"]" * 100_000}'), SchemaError, "expected canonical JSON"),
    "a lone surrogate": Attack(text('"name":"colors"', '"name":"\\ud800"'), SchemaError, "expected canonical JSON"),
    # Its fields
    "the format of the future": Attack(put("schema", 2), SchemaError, "expected schema <= 1, found 2; install a newer cfedge"),
    "no format": Attack(put("schema", "1"), SchemaError, "expected schema 1, found '1'"),
    "an unknown field": Attack(put("backbone.run", "rm"), SchemaError, "manifest.backbone: expected fields .* found .*'run'"),
    "a missing field": Attack(body(lambda fields: fields["tasks"][0].pop("threshold")), SchemaError, r"manifest.tasks\[0\]: expected fields"),
    "a truth for a number": Attack(put("tasks.0.rank", True), SchemaError, r"tasks\[0\].rank: expected int, found True"),
    "a float for a number": Attack(put("tasks.0.rank", 2.0), SchemaError, r"tasks\[0\].rank: expected int, found 2.0"),
    "a text for a list": Attack(put("tasks.0.classes", "ab"), SchemaError, r"classes: expected a list, found str"),
    "a list for an object": Attack(put("tasks.0.certificate", []), SchemaError, r"certificate: expected fields .* found list"),
    "a number of 2**60": Attack(put("backbone.width", 2**60), SchemaError, "backbone.width: expected at most"),
    "no rank": Attack(put("tasks.0.rank", 0), SchemaError, "task 'animals': expected .* rank >= 1"),
    "a negative rank": Attack(put("tasks.0.rank", -2), SchemaError, "task 'animals': expected .* rank >= 1"),
    "no classes": Attack(put("tasks.0.classes", []), SchemaError, "task 'animals': expected >= 1 class"),
    "a class twice": Attack(put("tasks.0.classes", ["cat", "dog", "cat"]), SchemaError, "labels: expected each once, found 'cat' twice"),
    "a task twice": Attack(put("tasks.0.name", "colors"), SchemaError, "task names: expected each once, found 'colors' twice"),
    "a task without a name": Attack(put("tasks.0.name", ""), SchemaError, "task names: expected 1..200 characters"),
    "a name without end": Attack(put("tasks.0.name", "n" * 10_000), SchemaError, "task names: expected 1..200 characters"),
    "an upper bound above 1": Attack(put("tasks.0.certificate.wrong_task_at_most", 1.5), SchemaError, "certificate of task 'animals': expected"),
    "an upper bound below 0": Attack(put("tasks.0.certificate.wrong_task_at_most", -0.5), SchemaError, "certificate of task 'animals': expected"),
    "more errors than examples": Attack(put("tasks.0.certificate.errors", 10**6), SchemaError, "certificate of task 'animals': expected"),
    "no alpha": Attack(put("tasks.0.certificate.alpha", 0.0), SchemaError, "certificate of task 'animals': expected"),
    "a rate of 1": Attack(put("tasks.0.false_reject_rate", 1.0), SchemaError, "task 'animals': expected .* a rate in"),
    "second looks at more than all": Attack(put("margins.second_share", 1.5), SchemaError, "manifest.margins.second_share: expected <= 1"),
    "second looks at fewer than none": Attack(put("margins.second_share", -0.1), SchemaError, "manifest.margins.second_share: expected >= 0"),
    "a look below 0": Attack(put("margins.second", -1.0), SchemaError, "manifest.margins.second: expected >= 0"),
    "a rival that took nothing": Attack(body(lambda fields: fields["tasks"][0]["certificate"].update(rival="colors", rival_errors=0)), SchemaError, "certificate of task 'animals': expected another task as rival where it took some"),
    "a rival with an escape": Attack(body(lambda fields: fields["tasks"][0]["certificate"].update(RIVAL, rival="\x1b[2J")), SchemaError, "rival of task 'animals': expected printable characters"),
    "a rival without end": Attack(body(lambda fields: fields["tasks"][0]["certificate"].update(RIVAL, rival="x" * 10_000)), SchemaError, "rival of task 'animals': expected 1..200 characters"),
    "a task that is its own rival": Attack(body(lambda fields: fields["tasks"][0]["certificate"].update(RIVAL, rival="animals")), SchemaError, "expected another task as rival"),
    "a source with an escape": Attack(put("backbone.source_sha256", "\x1b[2J"), SchemaError, "backbone.source_sha256: expected 64 hexadecimal digits"),
    "a source without end": Attack(put("backbone.source_sha256", "0" * 10_000), SchemaError, "backbone.source_sha256: expected 64 hexadecimal digits"),
    "a task that looks like another": Attack(put("tasks.0.name", "Colors "), SchemaError, "task names: expected each once, found 'Colors ' and 'colors', which look alike"),
    "a task that joiners tell apart": Attack(put("tasks.0.name", "col\u200cors"), SchemaError, "task names: .* which look alike"),
    "labels of one look": Attack(put("tasks.0.classes", ["\u00e9", "dog", "e\u0301"]), SchemaError, r"labels: expected each once, found '\\xe9' and 'e\\u0301', which look alike"),
    "another lookup": Attack(put("lookup", "oracle"), SchemaError, "manifest.lookup: expected one of nearest-mean, lda, class-clusters, found 'oracle'"),
    "a split behind the end": Attack(put("backbone.split", 3), SchemaError, "manifest.backbone: expected 1 <= split < blocks"),
    "no width": Attack(put("backbone.width", 0), SchemaError, "manifest.backbone: expected .* each and width of 1 to"),
    "texts of 2**40 tokens": Attack(put("backbone.input.max_tokens", 2**40), SchemaError, f"expected max_tokens of 1 to {MOST_TOKENS}"),
    "an empty file": Attack(put("backbone.tail.size", 0), SchemaError, r"tail: expected 1\.\.\d+ bytes, found 0"),
    "a file of negative size": Attack(put("backbone.tail.size", -1), SchemaError, r"tail: expected 1\.\.\d+ bytes, found -1"),
    "a file of a terabyte": Attack(put("backbone.tail.size", 2**40), SchemaError, r"tail: expected 1\.\.\d+ bytes"),
    "no tasks": Attack(body(lambda fields: fields.update(tasks=[])), DamagedError, "expected 3 files that the manifest names"),
    # Paths in the place of a digest
    "a path upwards": Attack(named("../../../../../../../etc/passwd"), SchemaError, "golden of task 'animals': expected 64 hexadecimal digits"),
    "an absolute path": Attack(named("/etc/passwd"), SchemaError, "expected 64 hexadecimal digits, found '/etc/passwd'"),
    "a path of 64 characters": Attack(named("../" * 21 + "x"), SchemaError, "golden of task 'animals': expected 64 hexadecimal digits"),
    "a drive letter": Attack(named("C:\\windows\\system32"), SchemaError, "expected 64 hexadecimal digits"),
    "a name with NUL": Attack(named("a" * 63 + "\0"), SchemaError, "expected 64 hexadecimal digits"),
    "digits that look alike": Attack(named("\uff11" * 64), SchemaError, "expected 64 hexadecimal digits"),
    "a digest in upper case": Attack(named("A" * 64), SchemaError, "expected 64 hexadecimal digits"),
    "a digest of nothing here": Attack(named("a" * 64), DamagedError, r"\(golden of task 'animals'\): expected a file, found none"),
    # Slots and shapes that the manifest states
    "a slot left out": Attack(with_backbone(slots=lambda one: one.slots[:-1]), IncompatibleError, "tail: expected 7 inputs, found a difference at 'a.l2.fc2'"),
    "a slot more": Attack(with_backbone(slots=lambda one: (*one.slots, replace(one.slots[0], name="l9.o"))), IncompatibleError, "tail: expected 11 inputs, found a difference at 'a.l9.o'"),
    "a slot of another name": Attack(with_backbone(slots=lambda one: (replace(one.slots[0], name="x"), *one.slots[1:])), IncompatibleError, "tail: expected 9 inputs, found a difference at"),
    "a slot of other rows": Attack(with_backbone(slots=lambda one: (replace(one.slots[0], rows=31), *one.slots[1:])), IncompatibleError, r"tail: expected input a\.\S+ float \[any, 31, any\], found tensor\(float\)"),
    "a slot of 2**40 rows": Attack(with_backbone(slots=lambda one: (replace(one.slots[0], rows=2**40), *one.slots[1:])), IncompatibleError, rf"tail: expected input a\.\S+ float \[any, {2**40}, any\]"),
    "another width": Attack(with_backbone(width=lambda one: 33), IncompatibleError, r"tail: expected output features float \[any, 33\]"),
    "a width of 2**40": Attack(put("backbone.width", 2**40), SchemaError, "each and width of 1 to"),
    "hidden states of another width": Attack(with_backbone(hidden=lambda one: (None, 33)), IncompatibleError, r"trunk: expected output hidden float \[any, any, 33\]"),
    "hidden states of more axes": Attack(with_backbone(hidden=lambda one: (None, None, 32)), IncompatibleError, r"trunk: expected output hidden float \[any, any, any, 32\]"),
    "hidden states of no axis": Attack(put("backbone.hidden", []), SchemaError, "1 to 8 sizes of hidden states and of views"),
    "views of another width": Attack(with_backbone(views=lambda one: (32, 32, 33)), IncompatibleError, r"trunk: expected output features float \[any, 97\]"),
    "no view": Attack(put("backbone.views", []), SchemaError, "1 to 8 sizes of hidden states and of views"),
    "inputs of a kind that is not": Attack(put("backbone.input.kind", "smell"), SchemaError, "backbone.input.*'smell'"),
    "a backbone of an earlier cfedge": Attack(put("backbone.max_tokens", 32), SchemaError, "manifest.backbone: expected fields"),
    "more tokens than positions": Attack(with_backbone(input=lambda one: replace(one.input, max_tokens=4096)), IncompatibleError, "could not run trunk: "),
    "a rank of 2**40": Attack(put("tasks.0.rank", 2**40), IncompatibleError, r"adapter of task 'animals': expected cfedge\.rank"),
    # Graphs: what is in them
    "external data": Attack(graph("adapter", external), IncompatibleError, "adapter of task 'animals': .* found external data"),
    "external data of the trunk": Attack(graph("trunk", external), IncompatibleError, "trunk: .* found external data"),
    "data said to be elsewhere": Attack(graph("tail", located), IncompatibleError, "tail: .* found external data"),
    "an endless loop": Attack(graph("tail", looping), IncompatibleError, "tail: .* found a subgraph, as loops"),
    "an endless loop in an adapter": Attack(graph("adapter", looping), IncompatibleError, "adapter of task 'animals': .* found a subgraph, as loops"),
    "a branch": Attack(graph("trunk", branching), IncompatibleError, "trunk: .* found a subgraph, as loops and branches"),
    "subgraphs in a list": Attack(graph("tail", scanning), IncompatibleError, "tail: .* found subgraphs, as loops"),
    "a function of its own": Attack(graph("tail", with_function), IncompatibleError, "tail: .* found functions of its own"),
    "an operator of its own": Attack(graph("tail", domain), IncompatibleError, "tail: .* found the operator 'com.example.Shape'"),
    "sparse weights of a terabyte": Attack(graph("tail", sparse_weights), IncompatibleError, "tail: .* found sparse initialisers"),
    "training information": Attack(graph("tail", lambda model: model.training_info.add()), IncompatibleError, "tail: .* found training information"),
    "ONNX Runtime's own format": Attack(part("tail", ort_format), IncompatibleError, "tail: .* found ONNX Runtime's own file format"),
    "an unknown field in a graph": Attack(part("tail", lambda data: data + b"\xf8\x01\x01"), IncompatibleError, "tail: .* found field 31 in a model"),
    "no graph": Attack(part("adapter", lambda data: b"\xff" * 100), IncompatibleError, "adapter of task 'animals': expected a graph in ONNX"),
    "a graph cut short": Attack(part("tail", lambda data: data[:-100]), IncompatibleError, "tail: expected a graph in ONNX"),
    "operators of the future": Attack(graph("tail", of_opset(99)), IncompatibleError, "tail: expected a graph that ONNX Runtime .* loads"),
    "weights of 2**60 numbers": Attack(graph("adapter", giant_weights), IncompatibleError, "adapter of task 'animals': expected a graph that ONNX Runtime .* loads"),
    "weights of negative sizes": Attack(graph("adapter", negative_sizes), IncompatibleError, "adapter of task 'animals': expected a graph that ONNX Runtime .* loads"),
    # Graphs: whether they fit
    "an adapter of another backbone": Attack(graph("adapter", stated("cfedge.base", "0" * 64)), IncompatibleError, r"adapter of task 'animals': expected cfedge\.base = .* found 0000"),
    "an adapter of another task": Attack(graph("adapter", stated("cfedge.task", "colors")), IncompatibleError, r"adapter of task 'animals': expected cfedge\.task = animals, found colors"),
    "an adapter of another rank": Attack(graph("adapter", stated("cfedge.rank", "7")), IncompatibleError, r"adapter of task 'animals': expected cfedge\.rank = 2, found 7"),
    "an adapter without a slot": Attack(graph("adapter", without_output("a.l2.qkv")), IncompatibleError, "adapter of task 'animals': .* found a difference at 'a.l2.qkv'"),
    "an adapter with a slot more": Attack(graph("adapter", one_more_output), IncompatibleError, "adapter of task 'animals': .* found a difference at 'a.l9.o'"),
    "an adapter of another type": Attack(graph("adapter", replaced_output("head.bias", [helper.make_node("Identity", ["d"], ["head.bias"])], {"d": np.zeros(3)}, TensorProto.DOUBLE)), IncompatibleError, r"expected head\.bias float32 \(3,\), found float64"),
    "an adapter of another shape": Attack(graph("adapter", replaced_output("head.bias", [helper.make_node("Identity", ["d"], ["head.bias"])], {"d": np.zeros(7, np.float32)})), IncompatibleError, r"expected head\.bias float32 \(3,\), found float32 \(7,\)"),
    "NaN in an adapter": Attack(graph("adapter", poisoned(np.nan)), IncompatibleError, "adapter of task 'animals': expected finite numbers in head.bias"),
    "infinity in an adapter": Attack(graph("adapter", poisoned(np.inf)), IncompatibleError, "adapter of task 'animals': expected finite numbers in head.bias"),
    "a tail for an adapter": Attack(lambda folder: part("adapter", lambda data: read(folder)[read_manifest(folder).backbone.tail])(folder), IncompatibleError, "adapter of task 'animals': .* found the operator 'Shape'"),
    "an input of another name": Attack(graph("trunk", renamed_input("input_ids", "ids")), IncompatibleError, "trunk: expected 1 inputs, found a difference at 'ids'"),
    "an input of another type": Attack(graph("trunk", retyped_input("input_ids", TensorProto.INT32, ["b", "s"])), IncompatibleError, r"trunk: expected input input_ids int64 \[any, any\], found tensor\(int32\)"),
    "an output left out": Attack(graph("trunk", without_output("features")), IncompatibleError, "trunk: expected 2 outputs, found a difference at 'features'"),
    "features of another shape": Attack(graph("tail", filled("features", 1, 32, 1)), IncompatibleError, "tail: expected output features float"),
    "a tail that never varies": Attack(graph("tail", filled("features", 1, 32)), IncompatibleError, r"tail: expected results of the backbone's shapes for 5 rows, found \[1, 32\]"),
    "NaN in the trunk": Attack(graph("trunk", spoiled_weights), IncompatibleError, "could not answer the golden vectors: features of input 0: expected finite numbers"),
    "NaN in the tail": Attack(graph("tail", spoiled_weights), IncompatibleError, "golden vectors.*(cosine|finite)"),
    "other weights in the trunk": Attack(graph("trunk", other_weights), IncompatibleError, "golden vectors of task '.*this machine computes differently"),
    # Graphs that take too much
    "an adapter of 2**40 numbers": Attack(graph("adapter", filled("head.bias", 2**40)), IncompatibleError, "adapter of task 'animals': .* found the operator 'ConstantOfShape'"),
    "a trunk of 2**33 numbers": Attack(graph("trunk", growing), IncompatibleError, "trunk: .* found ConstantOfShape with a size that follows from data"),
    "an adapter that doubles 40 times": Attack(graph("adapter", doubling("head.bias", 40)), IncompatibleError, "adapter of task 'animals': .* found the operator 'Concat'"),
    "a trunk that doubles while it is loaded": Attack(graph("trunk", doubling("features", 40)), IncompatibleError, "trunk: expected|no answer in|MemoryError", child_s=120),
    "a trunk that toils for hours": Attack(graph("trunk", toiling("features")), IncompatibleError, "no answer in|bad_alloc", child_s=3),
    # Tokenizers
    "a tokenizer that is none": Attack(part("tokenizer", lambda data: b"{"), IncompatibleError, "tokenizer: expected a tokenizer.json, found"),
    "a tokenizer without a model": Attack(tokenizer(lambda fields: fields.pop("model")), IncompatibleError, "tokenizer: expected a tokenizer.json, found"),
    "a tokenizer of bytes": Attack(part("tokenizer", lambda data: b"\xff\xfe" + data), IncompatibleError, "tokenizer: expected a tokenizer.json, found"),
    "ids beyond the embedding": Attack(tokenizer(outnumbered), IncompatibleError, "could not run trunk: "),
    "other ids": Attack(tokenizer(shuffled), IncompatibleError, "golden vectors of task '.*this machine computes differently"),
    "a pattern that never ends": Attack(tokenizer(catastrophic), IncompatibleError, "tokenizer: expected no regular expression"),
    # Arrays
    "an archive for arrays": Attack(part("signature", lambda data: b"PK\x03\x04" + data), IncompatibleError, "signature of task 'animals': expected safetensors"),
    "a pickle for arrays": Attack(part("signature", lambda data: b"\x80\x04cos\nsystem\n"), IncompatibleError, "signature of task 'animals': expected safetensors"),
    "a header larger than the file": Attack(part("signature", lambda data: struct.pack("<Q", len(data)) + data[8:]), IncompatibleError, "signature of task 'animals': expected safetensors"),
    "a header of 2**62 bytes": Attack(part("signature", lambda data: struct.pack("<Q", 2**62) + data[8:]), IncompatibleError, "signature of task 'animals': expected safetensors"),
    "arrays that overlap": Attack(part("signature", header(lambda fields: fields["tail.means"].update(data_offsets=fields["tail.factor"]["data_offsets"]))), IncompatibleError, "signature of task 'animals': expected safetensors"),
    "an array beyond the end": Attack(part("signature", header(lambda fields: fields["tail.quartic"].update(data_offsets=[10**9, 10**9 + 8]))), IncompatibleError, "signature of task 'animals': expected safetensors"),
    "an array of 2**124 numbers": Attack(part("signature", header(lambda fields: fields["tail.means"].update(shape=[2**62, 2**62]))), IncompatibleError, "signature of task 'animals': expected safetensors"),
    "an array of negative size": Attack(part("signature", header(lambda fields: fields["tail.means"].update(shape=[-3, -32]))), IncompatibleError, "signature of task 'animals': expected safetensors"),
    "an array of an unknown type": Attack(part("signature", header(lambda fields: fields["tail.means"].update(dtype="O"))), IncompatibleError, "signature of task 'animals': expected safetensors"),
    "an array twice": Attack(part("signature", twice), IncompatibleError, "signature of task 'animals': expected each name once"),
    "bytes behind the arrays": Attack(part("signature", lambda data: data + b"\0" * 8), IncompatibleError, "signature of task 'animals': expected safetensors"),
    "an array left out": Attack(arrays(lambda found: found.pop("tail.factor")), IncompatibleError, "tail's part of the signature of task 'animals': expected arrays"),
    "an array more": Attack(arrays(lambda found: found.update({"tail.x": np.zeros(1)})), IncompatibleError, "tail's part of the signature of task 'animals': expected arrays"),
    "arrays of another look": Attack(arrays(lambda found: found.update({"x.means": np.zeros(1)})), IncompatibleError, "signature of task 'animals': expected arrays of trunk and tail, found 'x.means'"),
    "means of another type": Attack(array("tail.means", lambda one: one.astype(np.float64)), IncompatibleError, r"expected means \S+ .* found float64"),
    "means of another width": Attack(array("tail.means", lambda one: one[:, :, :2]), IncompatibleError, r"expected means \S+ \(6, 3, 4\), found \S+ \(6, 3, 2\)"),
    "NaN in the means": Attack(part("signature", lambda data: dump_arrays({**safetensors.numpy.load(data), "tail.means": np.full((3, 32), np.nan, np.float16)})), IncompatibleError, "signature of task 'animals': expected finite numbers in 'tail.means'"),
    "infinity in the scatter": Attack(part("signature", lambda data: dump_arrays({**safetensors.numpy.load(data), "trunk.diagonal": np.full(32, np.inf, np.float32)})), IncompatibleError, "expected finite numbers in 'trunk.diagonal'"),
    "a number without a negative": Attack(array("tail.factor", lambda one: np.concatenate([one[:-1] * 0, np.full_like(one[-1:], 255)])), IncompatibleError, r"expected factor in -15\.\.15"),
    "a scale whose products overflow": Attack(array("tail.means_scale", lambda one: np.full_like(one, 2.0**127)), IncompatibleError, "tail's part of the signature of task 'animals': expected means in"),
    "a scatter below 0": Attack(array("trunk.diagonal", first(-1)), IncompatibleError, "trunk's part of the signature of task 'animals': expected counts .* and a diagonal >= 0"),
    "a fourth moment below 0": Attack(array("trunk.quartic", first(-1)), IncompatibleError, "trunk's part of the signature of task 'animals': expected counts .* a quartic and a diagonal >= 0"),
    "more rows of one class than features": Attack(arrays(one_more_row), IncompatibleError, "tail's part of the signature of task 'animals': expected at most 32 rows of the factor for each class, found 33"),
    "a class of which the square takes 300 GB": Attack(arrays(lambda found: one_more_row(found, 200_000)), IncompatibleError, "expected at most 32 rows of the factor for each class, found 200000"),
    "means beyond all directions": Attack(array("tail.means_scale", lambda one: one * 2.0**40), IncompatibleError, "tail's part of the signature of task 'animals': expected means and a scatter of features that are directions"),
    "a scatter beyond all directions": Attack(array("trunk.factor_scale", lambda one: one * 2.0**40), IncompatibleError, "expected means and a scatter of features that are directions"),
    "a diagonal beyond all directions": Attack(array("trunk.diagonal", lambda one: one * 0 + np.float32(3e38)), IncompatibleError, "expected means and a scatter of features that are directions"),
    "a count of 0": Attack(array("tail.counts", first(0)), IncompatibleError, "tail's part of the signature of task 'animals': expected counts in 1.."),
    "a negative count": Attack(array("trunk.counts", first(-5)), IncompatibleError, "trunk's part of the signature of task 'animals': expected counts in 1.."),
    "counts whose sum overflows": Attack(array("tail.counts", lambda one: np.full_like(one, 2**62)), IncompatibleError, "tail's part of the signature of task 'animals': expected counts in 1.."),
    "counts that differ between the stages": Attack(array("tail.counts", lambda one: one + 1), IncompatibleError, "signature of task 'animals': expected equal counts of trunk and tail"),
    "factor_classes that descend": Attack(array("trunk.factor_classes", lambda one: one[::-1].copy()), IncompatibleError, "signature of task 'animals': expected factor_classes ascending"),
    "factor_classes beyond the classes": Attack(array("trunk.factor_classes", lambda one: one + 10**9), IncompatibleError, "signature of task 'animals': expected factor_classes ascending"),
    "factor_classes below 0": Attack(array("tail.factor_classes", lambda one: one - 1), IncompatibleError, "signature of task 'animals': expected factor_classes ascending"),
    "factor_classes of another type": Attack(array("trunk.factor_classes", lambda one: one.astype(np.int32)), IncompatibleError, "signature of task 'animals': expected factor_classes int64"),
    "a signature of other classes": Attack(lambda folder: part("signature", lambda data: fewer_classes(data))(folder), IncompatibleError, "signature of task 'animals': expected one of 3 classes, found 2"),
    # Golden vectors
    "another label expected": Attack(golden(lambda found, note: note.update(labels=[*note["labels"][1:], note["labels"][0]])), IncompatibleError, "golden vectors of task 'animals': expected .* for vector"),
    "a label that no task has": Attack(golden(lambda found, note: note["labels"].__setitem__(0, "unicorn")), IncompatibleError, "golden vectors of task 'animals': expected 'unicorn'"),
    "another task expected": Attack(golden(lambda found, note: note.update(tasks=["colors"] * len(note["tasks"]))), IncompatibleError, "golden vectors of task 'animals': expected .* of task 'colors'"),
    "fewer labels than texts": Attack(golden(lambda found, note: note["labels"].pop()), IncompatibleError, "golden vectors of task 'animals': expected as many inputs, labels"),
    "embeddings of zeros": Attack(golden(lambda found, note: found.update(embeddings=np.zeros_like(found["embeddings"]))), IncompatibleError, "golden vectors of task 'animals': .* and 0.0000"),
    "embeddings of another width": Attack(golden(lambda found, note: found.update(embeddings=found["embeddings"][:, :31])), IncompatibleError, "golden vectors of task 'animals': expected as many"),
    "NaN in the embeddings": Attack(golden(lambda found, note: found.update(embeddings=np.full_like(found["embeddings"], np.nan))), IncompatibleError, "golden vectors of task 'animals': expected finite numbers in 'embeddings'"),
    "another array for the embeddings": Attack(golden(lambda found, note: found.update(x=found.pop("embeddings"))), IncompatibleError, "golden vectors of task 'animals': expected the array embeddings"),
    "embeddings of float64": Attack(golden(lambda found, note: found.update(embeddings=found["embeddings"].astype(np.float64))), IncompatibleError, "golden vectors of task 'animals': expected embeddings float16, found float64"),
    "embeddings of float32": Attack(golden(lambda found, note: found.update(embeddings=found["embeddings"].astype(np.float32))), IncompatibleError, "golden vectors of task 'animals': expected embeddings float16, found float32"),
    "embeddings of whole numbers": Attack(golden(lambda found, note: found.update(embeddings=found["embeddings"].astype(np.int8))), IncompatibleError, "golden vectors of task 'animals': expected"),
    "no golden vectors": Attack(golden(lambda found, note: (note.update(inputs=[], labels=[], tasks=[]), found.update(embeddings=found["embeddings"][:0]))), IncompatibleError, "golden vectors of task 'animals': expected .* at least one"),
    "texts that are none": Attack(golden(lambda found, note: note.update(inputs=[3] * len(note["inputs"]))), IncompatibleError, "golden vectors of task 'animals': expected texts as inputs, found others"),
    "an empty text": Attack(golden(lambda found, note: note["inputs"].__setitem__(0, "")), IncompatibleError, "could not answer the golden vectors: input 0"),
    "a note that is no JSON": Attack(part("golden", lambda data: safetensors.numpy.save(safetensors.numpy.load(data), {"cfedge": "{"})), IncompatibleError, "golden vectors of task 'animals': expected a note in JSON"),
    "a note that is a list": Attack(part("golden", lambda data: safetensors.numpy.save(safetensors.numpy.load(data), {"cfedge": "[]"})), IncompatibleError, "golden vectors of task 'animals': expected a JSON object as note"),
}  # fmt: skip


def fewer_classes(data: bytes) -> bytes:
    """A signature in good order, of the first two of three classes."""
    found = dict(safetensors.numpy.load(data))
    for look in ("trunk", "tail"):
        classes = np.arange(len(found[f"{look}.counts"])) < 2
        rows = found[f"{look}.factor_classes"] < 2
        for name in (f"{look}.counts", f"{look}.means_scale"):
            found[name] = found[name][classes]
        for name in (f"{look}.factor_classes", f"{look}.factor_scale"):
            found[name] = found[name][rows]
        found[f"{look}.means"] = found[f"{look}.means"][:, classes]
        found[f"{look}.factor"] = found[f"{look}.factor"][:, rows]
    return dump_arrays(found)


GREEDY = [name for name, attack in ATTACKS.items() if attack.child_s]
PLAIN = [name for name, attack in ATTACKS.items() if not attack.child_s]


def attacked(folder: Path, name: str) -> Attack:
    attack = ATTACKS[name]
    attack.change(folder)
    return attack


def check(caught: pytest.ExceptionInfo[BundleError], attack: Attack) -> None:
    assert caught.type is attack.error
    assert "\n" not in str(caught.value)
    assert "; " in str(caught.value)  # the next step
    assert len(str(caught.value)) < 1500


def test_there_are_sixty_and_the_bundle_is_good_before(tiny_bundle: Path) -> None:
    assert len(ATTACKS) >= 60
    verify_here(read(tiny_bundle))


@cases("name", PLAIN)
def test_a_hostile_bundle_is_refused_by_name(tiny_bundle: Path, tmp_path: Path, name: str) -> None:
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "changed"))
    attack = attacked(bundle, name)
    with pytest.raises(BundleError, match=attack.found) as caught:
        verify_here(read(bundle))
    check(caught, attack)


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems do not hold a process to a limit of memory"
)
@pytest.mark.parametrize("name", GREEDY)
def test_what_would_take_all_time_or_memory_takes_a_childs(tiny_bundle: Path, name: str) -> None:
    attack = attacked(tiny_bundle, name)
    with pytest.raises(BundleError, match=attack.found) as caught:
        verify(
            tiny_bundle,
            read_manifest(tiny_bundle),
            limits=Limits(start_s=attack.child_s or 0, task_s=0, room_bytes=512 << 20),
        )
    check(caught, attack)


#: Refused before a child is started, and by what the child says: each error that there is.
BEFORE = ("no manifest", "NaN", "the format of the future")
IN_THE_CHILD = ("a missing file", "an adapter of another shape", "another label expected")


@pytest.mark.parametrize("name", [*BEFORE, *IN_THE_CHILD])
def test_opening_refuses_it_alike_and_notes_nothing(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    attack = attacked(tiny_bundle, name)
    monkeypatch.setenv("CFEDGE_CACHE", str(tmp_path / "cache"))
    started, run = [], subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: started.append(a) or run(*a, **k))
    with pytest.raises(BundleError, match=attack.found) as caught:
        Engine.open(tiny_bundle)
    check(caught, attack)
    assert len(started) == (name in IN_THE_CHILD)
    assert not (tmp_path / "cache").exists()


#: The child's own program, for one bundle after another: the limits of the first hold for all.
_ONE_AFTER_ANOTHER = """
import io, sys
from cfedge.runtime import child, verify_here
lines = sys.stdin.readlines()
for line in lines:
    sys.stdin = io.StringIO(line)
    verify_here.main()
    child.limit_process = lambda limit_s, limit_bytes: None
"""


def test_the_child_refuses_every_one_under_its_limits_in_the_same_words(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    asked: dict[str, str] = {}
    for at, (name, attack) in enumerate((name, ATTACKS[name]) for name in PLAIN):
        folder = Path(shutil.copytree(tiny_bundle, tmp_path / str(at), symlinks=True))
        attack.change(folder)
        try:
            digest = read_manifest(folder).digest
        except BundleError:
            continue  # refused before a child is started
        asked[name] = json.dumps(
            {
                "folder": str(folder), "digest": digest, "threads": 1, "generation": None,
                "vectors": None, "limit_s": 300, "limit_bytes": LIMITS.room_bytes,
            }
        )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", _ONE_AFTER_ANOTHER],
        input="\n".join(asked.values()), capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    said = [json.loads(line.removeprefix(MARK)) for line in lines]

    def refused(case: tuple[str, dict[str, str]]) -> None:
        name, found = case
        assert found.get("refused") == ATTACKS[name].error.__name__, found
        assert re.search(ATTACKS[name].found, found["message"]), found
        assert "\n" not in found["message"]

    assert len(asked) > 100
    every(((name, (name, found)) for name, found in zip(asked, said, strict=True)), refused)
