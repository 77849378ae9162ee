"""One utterance at a time, one thread, interleaved: `Engine.predict` against the bare backbone and
PEFT.

- engine: ten tasks, tokenising, trunk, lookup, tail where the answer does not end before it, head,
  evidence;
- bare: the same encoder unsplit, without slots, same quantisation, in the form that is fastest on
  this processor (`cfedge.runtime.signed_weights`), in one ONNX Runtime session with its default
  options but the number of threads, fed with token ids and a mask that are ready;
- bare tuned: the same, with the engine's session settings (docs/decisions/0006-sessions.md);
- bare dynamic: the same, with ONNX Runtime's own dynamic quantisation (depends on batch and
  padding);
- peft: the Hugging Face model with a LoRA of the same rank on the same block's products, PyTorch
  eager mode, ids ready.

The engine is interleaved with one other at a time. Where memory happens to lie moves a process's
ratio by several per cent: every pair is measured in several processes, and the median process is
the figure.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import record

from cfedge import Engine
from cfedge.bundle.files import Bundle, write
from cfedge.inputs.text.device import TextInputs
from cfedge.runtime.session import open_session
from cfedge.runtime.signed_weights import with_signed_weights
from cfedge.train.examples.examples import Examples
from cfedge.train.teach import learn
from cfedge.train.workspace.backbones import BACKBONES, find
from cfedge_export.build_bundle import build
from cfedge_export.schemes import SCHEMES
from cfedge_export.source import load_source


def ten_tasks(workspace_folder: Path) -> Bundle:
    """A bundle of CLINC150's ten tasks, learned in full: which answers end early depends on it."""
    data, domains = record.clinc150()
    workspace = record.backbone(workspace_folder, "minilm-l6")
    for task, labels in domains.items():
        parts = [
            Examples(
                *zip(*[row for row in data[split] if row[1] in set(labels)], strict=True), split
            )
            for split in ("train", "val")
        ]
        learn(workspace, task, *parts)
    return build(workspace)


def default_session(model: bytes) -> onnxruntime.InferenceSession:
    """ONNX Runtime's own defaults, one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def dynamic_int8(model: onnx.ModelProto, scratch: Path) -> bytes:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    onnx.save(model, scratch / "float.onnx")
    quantize_dynamic(
        scratch / "float.onnx",
        scratch / "quantized.onnx",
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    return (scratch / "quantized.onnx").read_bytes()


def peft_model(folder: Path, rank: int, split: int) -> Callable[[np.ndarray], np.ndarray]:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    torch.set_num_threads(1)
    model = AutoModel.from_pretrained(folder)
    blocks = list(range(split, model.config.num_hidden_layers))
    config = LoraConfig(
        r=rank,
        target_modules=["query", "key", "value", "dense"],
        layers_to_transform=blocks,
        layers_pattern="layer",
    )
    adapted = get_peft_model(model, config).eval()

    def run(ids: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            states = adapted(
                input_ids=torch.from_numpy(ids),
                attention_mask=torch.ones(ids.shape, dtype=torch.int64),
            )
            return states.last_hidden_state.mean(dim=1).numpy()

    return run


def prepare_files(folder: Path) -> Bundle:
    """Write the bundle and the graphs that it is measured against."""
    bundle = ten_tasks(folder / "ws")
    write(bundle, folder / "bundle")
    float_graph = load_source("minilm-l6").encoder
    unsplit = SCHEMES["int8-row"].ship(float_graph).SerializeToString()
    (folder / "unsplit.onnx").write_bytes(with_signed_weights(BytesIO(unsplit), "unsplit"))
    (folder / "dynamic.onnx").write_bytes(dynamic_int8(float_graph, folder))
    return bundle


def interleaved(
    runs: dict[str, Callable[[int], object]], rounds: int, seed: int
) -> dict[str, list[float]]:
    """Milliseconds of every call; no path always runs in the wake of the same other."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    rng = np.random.default_rng(seed)
    for row in range(-20, rounds):
        for name in rng.permutation(list(runs)):
            start = time.perf_counter()
            runs[name](row % rounds)
            if row >= 0:
                times[name].append(1e3 * (time.perf_counter() - start))
    return times


def child(folder: Path, other: str, seed: int, rounds: int) -> dict[str, list[float]]:
    """Open the engine and one other anew and measure them."""
    engine = Engine.open(folder / "bundle")
    weights = find("minilm-l6").folder
    preprocess = TextInputs(
        (weights / "tokenizer.json").read_bytes(), BACKBONES["minilm-l6"].input_size
    )
    texts = [text for text, _ in record.clinc150()[0]["test"]]
    texts = [texts[index] for index in np.random.default_rng(seed).permutation(len(texts))[:rounds]]
    ids = [preprocess.prepare(text).feeds["input_ids"] for text in texts]
    runs: dict[str, Callable[[int], object]] = {"engine": lambda row: engine.predict([texts[row]])}
    if other == "peft":
        peft = peft_model(weights, engine.manifest.tasks[0].rank, engine.manifest.backbone.split)
        runs[other] = lambda row: peft(ids[row])
    else:
        model = (
            folder / ("dynamic.onnx" if other == "bare_dynamic" else "unsplit.onnx")
        ).read_bytes()
        session = open_session(model, other) if other == "bare_tuned" else default_session(model)
        runs[other] = lambda row: session.run(
            None, {"input_ids": ids[row], "attention_mask": np.ones_like(ids[row])}
        )
    return interleaved(runs, rounds, seed)


OTHERS = {"bare": 11, "bare_tuned": 11, "bare_dynamic": 5, "peft": 3}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--child", nargs=3, metavar=("FOLDER", "OTHER", "SEED"))
    options = parser.parse_args()
    if options.child:
        folder, other, seed = options.child
        print(json.dumps(child(Path(folder), other, int(seed), options.rounds)))
        return
    measured: dict[str, list[dict[str, list[float]]]] = {other: [] for other in OTHERS}
    with tempfile.TemporaryDirectory() as scratch:
        bundle = prepare_files(Path(scratch))
        for seed in range(max(OTHERS.values())):
            for other in (name for name, processes in OTHERS.items() if seed < processes):
                command = [
                    sys.executable,
                    __file__,
                    "--rounds",
                    str(options.rounds),
                    "--child",
                    scratch,
                    other,
                    str(seed),
                ]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                measured[other].append(json.loads(done.stdout.splitlines()[-1]))
                print(
                    {
                        name: round(float(np.median(times)), 3)
                        for name, times in measured[other][-1].items()
                    }
                )
    latency = {
        "engine": record.quantiles(
            [value for runs in measured.values() for times in runs for value in times["engine"]]
        )
    }
    ratios: dict[str, dict[str, dict[str, float]]] = {"ratios_of_p50": {}, "ratios_of_means": {}}
    for other, runs in measured.items():
        latency[other] = record.quantiles([value for times in runs for value in times[other]])
        for kind, over in (("ratios_of_p50", np.median), ("ratios_of_means", np.mean)):
            found = [float(over(times["engine"]) / over(times[other])) for times in runs]
            ratios[kind][f"engine_over_{other}"] = {
                "median": float(np.median(found)),
                "min": min(found),
                "max": max(found),
                "processes": len(found),
            }
    for name, one in latency.items():
        print(f"{name:14} p50 {one['p50']:.3f}  p90 {one['p90']:.3f}  p99 {one['p99']:.3f} ms")
    print(json.dumps(ratios, indent=1))
    manifest = bundle.manifest
    figures = {
        "latency_ms": latency,
        **ratios,
        "tasks": len(manifest.tasks),
        "split": manifest.backbone.split,
    }
    record.write("latency", figures, threads=1)


if __name__ == "__main__":
    main()
