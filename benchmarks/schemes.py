"""Every scheme on MiniLM beside float32: bytes, cosine, company, time. And the forms of the int8
weights that were not taken.

The whole encoder in one session with the engine's settings, one thread, one input at a time; all
interleaved in random order, and the ratio is the median over rounds of the same input's times. The
machine is shared: times themselves say nothing.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import record
from onnx import ModelProto, NodeProto

from cfedge import inputs
from cfedge.runtime.session import open_session
from cfedge_export import quantize, rounding
from cfedge_export.make_backbone import make_backbone
from cfedge_export.schemes import SCHEMES
from cfedge_export.size_by_part import shipped_bytes
from cfedge_export.source import load_source

TEXTS, ROUNDS, BATCH = 300, 200, 8


class _Dequantize(quantize._Rewriter):
    """DequantizeLinear before each product: what it becomes is up to the release of ONNX Runtime."""

    def product(self, node: NodeProto) -> None:
        name, _, _ = self.weight(node)
        weight = self.emit(
            "DequantizeLinear", [f"{name}.q", f"{name}.scale"], f"{name}.float", axis=1
        )
        self.emit("MatMul", [node.input[0], weight], node.output[0])


class _Blocks(quantize._Rewriter):
    """MatMulNBits: unsigned weights with a scale for every `block` inputs; activations too are
    quantised by blocks.
    """

    def __init__(self, model: ModelProto, block: int) -> None:
        super().__init__(model)
        self.block = block

    def product(self, node: NodeProto) -> None:
        name, block = node.input[1], self.block
        rows, columns = self.arrays[name].shape
        assert rows % block == 0
        quantized, scale = rounding.quantize_columns(
            self.arrays[name].T.reshape(columns, rows // block, block), axis=2
        )
        self.replaced.add(name)
        self.constant(f"{name}.q", (quantized.astype(np.int16) + 128).astype(np.uint8))
        self.constant(f"{name}.scale", scale)
        self.emit(
            "MatMulNBits", [node.input[0], f"{name}.q", f"{name}.scale"], node.output[0], domain="com.microsoft",
            K=rows, N=columns, bits=8, block_size=block, accuracy_level=4,
        )  # fmt: skip


#: ONNX Runtime's own of the same float graph, as it comes: what int8-row is held against.
PLAIN = "int8-dynamic with layer norms"
RIVALS: dict[str, Callable[[ModelProto], ModelProto]] = {
    PLAIN: SCHEMES["int8-dynamic"].quantized,
    "DequantizeLinear": lambda model: _Dequantize(model).run(),
    "MatMulNBits, blocks of 64": lambda model: _Blocks(model, 64).run(),
    "MatMulNBits, blocks of 128": lambda model: _Blocks(model, 128).run(),
}


def main() -> None:
    source = load_source("minilm-l6")
    whole = source.deployed()
    forms = {name: scheme.ship for name, scheme in SCHEMES.items()} | RIVALS
    graphs = {name: form(whole) for name, form in forms.items()}
    sessions = {
        name: open_session(graph.SerializeToString(), name) for name, graph in graphs.items()
    }
    preprocess = inputs.of(source.input, source.files)
    rng = np.random.default_rng(0)
    test = [text for text, _ in record.clinc150()[0]["test"]]
    short = [
        preprocess.prepare(test[row]).feeds["input_ids"]
        for row in rng.permutation(len(test))[:TEXTS]
    ]
    long = [
        np.concatenate([short[row] for row in rng.permutation(TEXTS)[:16]], axis=1)[:, :64]
        for _ in range(ROUNDS)
    ]
    features = {
        name: np.concatenate([run.run(None, {"input_ids": ids})[0] for ids in short])
        for name, run in sessions.items()
    }
    times = {
        where: _interleaved(sessions, inputs, rng)
        for where, inputs in (("short", short), ("64_tokens", long))
    }
    batch = np.concatenate([ids[:, :11] for ids in long[:BATCH]])
    figures = {}
    for name, session in sessions.items():
        cosines = (features[name] * features["float32"]).sum(axis=1)
        alone = np.concatenate([session.run(None, {"input_ids": row[None]})[0] for row in batch])
        together = session.run(None, {"input_ids": batch})[0]
        figures[name] = {
            "encoder_bytes": graphs[name].ByteSize(), "with_tokenizer_bytes": graphs[name].ByteSize() + len(source.tokenizer),
            "mean_cosine": float(cosines.mean()), "least_cosine": float(cosines.min()),
            "largest_change_in_a_batch_of_8": float(np.abs(alone - together).max()),
            "time_ratio": {where: _ratio(found[name], found["float32"]) for where, found in times.items()},
        }  # fmt: skip
        print(name, figures[name])
    tokens = [ids.shape[1] for ids in short]
    with tempfile.TemporaryDirectory() as folder:
        parts = shipped_bytes(make_backbone(Path(folder) / "ws", "minilm-l6", source=source))
    print(parts, sum(parts.values()))
    record.write(
        "schemes",
        {
            "schemes": {name: figures[name] for name in SCHEMES}, "not_taken": {name: figures[name] for name in RIVALS},
            "shipped_bytes_by_part": parts, "texts": TEXTS, "rounds": ROUNDS,
            "tokens_short": {"median": float(np.median(tokens)), "max": max(tokens)},
        },
        threads=1,
    )  # fmt: skip


def _interleaved(
    sessions: dict[str, object], inputs: list[np.ndarray], rng: np.random.Generator
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(-5, ROUNDS):
        for name in rng.permutation(list(sessions)):
            start = time.perf_counter()
            sessions[name].run(None, {"input_ids": inputs[turn % len(inputs)]})  # type: ignore[attr-defined]
            if turn >= 0:
                times[name].append(time.perf_counter() - start)
    return times


def _ratio(found: list[float], exact: list[float]) -> dict[str, float]:
    low, median, high = np.quantile(np.array(found) / np.array(exact), [0.25, 0.5, 0.75])
    return {"median": float(median), "quarter": float(low), "three_quarters": float(high)}


if __name__ == "__main__":
    main()
