"""Ranges of a graph's activations over some inputs: what a static scheme needs to be told.

They stand in a graph's metadata, under `RANGES`, as JSON: each tensor's name with its least and its
largest value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from cfedge.runtime.session import open_session

__all__ = ["RANGES", "dump_table", "measure_ranges", "ranges_of", "state_ranges", "table"]

#: Key of the metadata.
RANGES = "cfedge.ranges"

Ranges = Mapping[str, tuple[float, float]]


def measure_ranges(
    model: ModelProto, feeds: Sequence[Mapping[str, NDArray[np.generic]]], *, share: float = 1.0
) -> dict[str, tuple[float, float]]:
    """Return the range of each map that a convolution, an activation or a sum puts out.

    Parameters
    ----------
    share
        Of each input's values that the range holds: 1 is all of them. Ranges are the widest of all
        inputs'.
    """
    probe = ModelProto()
    probe.CopyFrom(model)
    clipped = {node.input[0] for node in model.graph.node if node.op_type == "Clip"}
    names = [
        node.output[0]
        for node in model.graph.node
        if node.op_type in ("Conv", "Clip", "Add") and node.output[0] not in clipped
    ]
    probe.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
    )
    session = open_session(probe.SerializeToString(), "calibration")
    cut = (1 - share) / 2
    least, most = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for each in feeds:
        for place, values in enumerate(session.run(names, dict(each))):
            low, high = np.quantile(values, [cut, 1 - cut])
            least[place], most[place] = min(least[place], low), max(most[place], high)
    return {
        name: (float(low), float(high)) for name, low, high in zip(names, least, most, strict=True)
    }


def table(weights: str, model: ModelProto) -> dict[str, tuple[float, float]]:
    """Return the committed ranges for weights of that SHA-256 and the sizes of the graph's input;
    nothing where there are none.
    """
    path = _path(weights, model)
    if not path.is_file():
        return {}
    return {
        name: (low, high) for name, (low, high) in json.loads(path.read_text())["ranges"].items()
    }


def dump_table(
    weights: str, model: ModelProto, ranges: Ranges, about: Mapping[str, object]
) -> Path:
    """Write the table that `table` reads; `about` says how it was made."""
    path = _path(weights, model)
    path.parent.mkdir(exist_ok=True)
    rounded = {name: [float(f"{end:.6g}") for end in pair] for name, pair in ranges.items()}
    content = {"weights": weights, **about, "ranges": rounded}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def _path(weights: str, model: ModelProto) -> Path:
    sizes = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim][1:]
    folder = Path(__file__).parent / "ranges"
    return folder / f"{weights[:16]}-{'x'.join(str(size) for size in sizes)}.json"


def state_ranges(model: ModelProto, ranges: Ranges) -> None:
    """Write the ranges into a graph's metadata."""
    value = json.dumps({name: list(pair) for name, pair in ranges.items()}, sort_keys=True)
    model.metadata_props.add(key=RANGES, value=value)


def ranges_of(model: ModelProto) -> dict[str, tuple[float, float]]:
    """Return what `state_ranges` wrote; nothing where it did not."""
    stated = [entry.value for entry in model.metadata_props if entry.key == RANGES]
    found = json.loads(stated[0]) if stated else {}
    return {name: (float(low), float(high)) for name, (low, high) in found.items()}
