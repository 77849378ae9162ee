"""What the sign of stored weights does on this processor: MiniLM-L6 (`int8-row`) and
EfficientNet-Lite0 (`int8-static`) with signed and with unsigned weights of the same numbers, against
float32, interleaved, one thread.

Writes ``results/unsigned_weights.json``, or the result of ``--name``. On a processor with VNNI both must agree to the bit; on x86
without it signed weights overflow (docs/decisions/0052-unsigned-weights.md).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import record
from onnx import ModelProto, numpy_helper

from cfedge import inputs
from cfedge.runtime.session import open_session
from cfedge_export.schemes import SCHEMES
from cfedge_export.source import load_source

TEXTS, PICTURES, ROUNDS = 300, 30, 3
#: Of the operators with stored weights: the weight's place among the inputs, and its zero point's.
_INTEGER = {"MatMulIntegerToFloat": (1, 5), "DequantizeLinear": (0, 2)}


def signed(model: ModelProto) -> ModelProto:
    """Return a graph whose unsigned weights are the same numbers stored as int8."""
    made = ModelProto()
    made.CopyFrom(model)
    stored = {tensor.name: tensor for tensor in made.graph.initializer}
    for node in made.graph.node:
        weight, zero = _INTEGER.get(node.op_type, (0, 0))
        if zero == 0 or len(node.input) <= zero or node.input[weight] not in stored:
            continue
        tensor = stored[node.input[weight]]
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.uint8:
            around = (array.astype(np.int16) - 128).astype(np.int8)
            tensor.CopyFrom(numpy_helper.from_array(around, tensor.name))
            del node.input[zero:]
    return made


def measured(graphs: dict[str, ModelProto], feeds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Cosine with float32 of every output, and times over float32's for the same input."""
    sessions = {
        name: open_session(graph.SerializeToString(), name) for name, graph in graphs.items()
    }
    answers = {
        name: [np.concatenate([part.ravel() for part in run.run(None, feed)[:1]]) for feed in feeds]
        for name, run in sessions.items()
    }
    times: dict[str, list[float]] = {name: [] for name in sessions}
    rng = np.random.default_rng(0)
    for _ in range(ROUNDS):
        for feed in feeds:
            for name in rng.permutation(list(sessions)):
                start = time.perf_counter()
                sessions[name].run(None, feed)
                times[name].append(time.perf_counter() - start)
    found = {}
    for name, rows in answers.items():
        cosines = [
            float(row @ exact / np.linalg.norm(row) / np.linalg.norm(exact))
            for row, exact in zip(rows, answers["float32"], strict=True)
        ]
        ratios = np.array(times[name]) / np.array(times["float32"])
        found[name] = {
            "mean_cosine": float(np.mean(cosines)),
            "least_cosine": float(np.min(cosines)),
            "time_ratio": {
                "median": float(np.median(ratios)),
                "quarters": np.quantile(ratios, [0.25, 0.75]).tolist(),
            },
            "ms": float(np.median(times[name]) * 1e3),
            "bits_as_unsigned": bool(
                all(np.array_equal(a, b) for a, b in zip(rows, answers["unsigned"], strict=True))
            ),
        }
    return found


def texts() -> dict[str, Any]:
    """MiniLM-L6 on test utterances of CLINC150."""
    source = load_source("minilm-l6")
    whole = source.deployed()
    prepare = inputs.of(source.input, source.files).prepare
    test = [text for text, _ in record.clinc150()[0]["test"]]
    rows = np.random.default_rng(0).permutation(len(test))[:TEXTS]
    feeds = [{"input_ids": prepare(test[row]).feeds["input_ids"]} for row in rows]
    unsigned = SCHEMES["int8-row"].ship(whole)
    graphs = {
        "float32": whole,
        "unsigned": unsigned,
        "signed": signed(unsigned),
        "signed, 7 bits": SCHEMES["int8-row-7bit"].ship(whole),
    }
    return measured(graphs, feeds)


def pictures() -> dict[str, Any]:
    """EfficientNet-Lite0 at 160 pixels on cut photographs of scikit-learn's."""
    from sklearn.datasets import load_sample_images

    source = load_source("lite0")
    whole = source.deployed()
    name = whole.graph.input[0].name
    rng, feeds = np.random.default_rng(0), []
    images = load_sample_images().images
    for number in range(PICTURES):
        image = images[number % len(images)]
        top, left = (int(rng.integers(0, size - 160)) for size in image.shape[:2])
        cut = image[top : top + 160, left : left + 160]
        feeds.append({name: np.ascontiguousarray(cut.transpose(2, 0, 1)[None])})
    unsigned = SCHEMES["int8-static"].ship(whole)
    return measured({"float32": whole, "unsigned": unsigned, "signed": signed(unsigned)}, feeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="unsigned_weights", help="of the result")
    chosen = parser.parse_args()
    found = {"minilm-l6": texts(), "lite0": pictures()}
    for model, rows in found.items():
        for name, row in rows.items():
            print(model, name, row)
    record.write(chosen.name, {**found, "texts": TEXTS, "pictures": PICTURES}, threads=1)


if __name__ == "__main__":
    main()
