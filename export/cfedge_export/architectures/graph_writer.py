"""A transformer's graph, written node after node from its weights: no exporter stands between.

Letters: B batch, S positions, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, ValueInfoProto, helper, numpy_helper

from cfedge.errors import BackboneError
from cfedge_export.names import OPSET

__all__ = ["Floats", "GraphWriter", "Weights", "read_weights"]

Floats = NDArray[np.float32]
Weights = Mapping[str, NDArray[Any]]


def read_weights(folder: Path, prefixes: tuple[str, ...], sure: str) -> Weights:
    """Return the weights of ``model.safetensors`` by their names without a prefix.

    Parameters
    ----------
    prefixes
        What may stand before every name, as where the model is a part of another one.
    sure
        A name, without a prefix, that every model of the family has.

    Raises
    ------
    BackboneError
        The file is missing or cannot be read.
    """
    from safetensors.numpy import load_file

    path = folder / "model.safetensors"
    try:
        found: dict[str, NDArray[Any]] = load_file(path)
    except Exception as error:  # safetensors' own class, or the disk's
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BackboneError(
            f"{path}: expected weights, found: {reason}; save the model again with transformers"
        ) from error
    for prefix in prefixes:
        if f"{prefix}{sure}" in found:
            return {name.removeprefix(prefix): value for name, value in found.items()}
    return found


class GraphWriter:
    """Collects nodes and constants.

    Parameters
    ----------
    weights
        By the library's names.
    epsilon
        Of the norms.
    where
        Names the model in errors.
    """

    def __init__(self, weights: Weights, epsilon: float, where: str) -> None:
        self.weights, self._epsilon, self._where = weights, epsilon, where
        self._nodes: list[NodeProto] = []
        self._arrays: dict[str, NDArray[Any]] = {}

    def add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Append a node that is named as its output, and return that name."""
        self._nodes.append(helper.make_node(op, inputs, [output], output, **attributes))
        return output

    def split(self, source: str, sizes: list[int], outputs: list[str], name: str) -> None:
        """Append a Split over the last axis."""
        given = [source, self.constant(f"{name}.sizes", np.array(sizes, np.int64))]
        self._nodes.append(helper.make_node("Split", given, outputs, name, axis=-1))

    def constant(self, name: str, array: NDArray[Any]) -> str:
        """Keep a constant, and return its name."""
        self._arrays[name] = array
        return name

    def array(self, name: str) -> NDArray[Any]:
        """Return a constant that was kept."""
        return self._arrays[name]

    def weight(self, name: str) -> NDArray[np.float64]:
        """Return weights by the library's name.

        Raises
        ------
        BackboneError
            There are none of that name.
        """
        if name not in self.weights:
            raise BackboneError(
                f"{self._where}: expected the weights {name!r}, found none; save the model again"
                " with transformers"
            )
        return self.weights[name].astype(np.float64)

    def norm(self, source: str, name: str, output: str, *, biased: bool = True) -> str:
        """Append a layer norm; one that is not `biased` gets zeros."""
        scale = self.weight(f"{name}.weight")
        bias = self.weight(f"{name}.bias") if biased else np.zeros_like(scale)
        given = [source, f"{output}.weight", f"{output}.bias"]
        for constant, value in zip(given[1:], (scale, bias), strict=True):
            self.constant(constant, value.astype(np.float32))
        return self.add("LayerNormalization", given, output, axis=-1, epsilon=self._epsilon)

    def product(
        self,
        source: str,
        name: str,
        output: str,
        scale: NDArray[np.float64] | float = 1.0,
        *,
        biased: bool = True,
    ) -> str:
        """Append a product and, where it is `biased`, its bias, both times a layer scale."""
        weight = self.weight(f"{name}.weight").T * scale
        given = [source, f"{output}.weight"]
        self.constant(given[1], np.ascontiguousarray(weight, np.float32))
        if not biased:
            return self.add("MatMul", given, output)
        bias = self.weight(f"{name}.bias") * scale
        self.constant(f"{output}.bias", bias.astype(np.float32))
        self.add("MatMul", given, f"{output}.product")
        return self.add("Add", [f"{output}.product", f"{output}.bias"], output)

    def built(self, inputs: list[ValueInfoProto], outputs: list[ValueInfoProto]) -> ModelProto:
        """Return the graph."""
        constants = [
            numpy_helper.from_array(np.asarray(a), name) for name, a in self._arrays.items()
        ]
        graph = helper.make_graph(self._nodes, "encoder", inputs, outputs, constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        model: ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        onnx.checker.check_model(model)
        return model
