"""One utterance at a time, one thread, interleaved in one process: `Engine.predict` against the bare backbone and PEFT.

- engine: ten tasks, tokenising, trunk, lookup, tail, head, evidence;
- bare: the same encoder unsplit, without slots, same quantisation, in one ONNX Runtime session with its default options but
  the number of threads, fed with token ids that are ready;
- bare tuned: the same, with the engine's session settings (docs/decisions/sessions.md);
- bare dynamic: the same, with ONNX Runtime's own dynamic quantisation (depends on batch and padding);
- peft: the Hugging Face model with a LoRA of the same rank on the same block's products, PyTorch eager mode, ids ready.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import record

from cfedge import Engine
from cfedge.runtime.preprocess import TextPreprocessor
from cfedge.runtime.session import open_session
from cfedge.train.backbones import BACKBONES, find
from cfedge.train.data import Examples
from cfedge.train.learner import Settings, learn
from cfedge_export.encoder import to_onnx
from cfedge_export.pack import build
from cfedge_export.prepare import prepare
from cfedge_export.quantize import SCHEMES


def ten_tasks(workspace_folder: Path) -> Engine:
    """An engine of CLINC150's ten tasks; training is cut short, as its outcome does not change the time of a call."""
    data, domains = record.clinc150()
    workspace = prepare(workspace_folder, "minilm-l6")
    for task, labels in domains.items():
        rows = [(text, label) for text, label in data["train"] if label in set(labels)]
        chosen = [row for position, row in enumerate(rows) if position % 10 == 0]
        examples = Examples(*zip(*chosen, strict=True), "train")
        learn(workspace, task, examples, settings=Settings(epochs=1, min_steps=1))
    return Engine(build(workspace))


def default_session(model: bytes) -> onnxruntime.InferenceSession:
    """ONNX Runtime's own defaults, one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def dynamic_int8(folder: Path, scratch: Path) -> bytes:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    onnx.save(to_onnx(folder), scratch / "float.onnx")
    quantize_dynamic(
        scratch / "float.onnx",
        scratch / "dynamic.onnx",
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    return (scratch / "dynamic.onnx").read_bytes()


def peft_model(folder: Path, rank: int, split: int) -> Callable[[np.ndarray], np.ndarray]:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    torch.set_num_threads(1)
    model = AutoModel.from_pretrained(folder)
    blocks = list(range(split, model.config.num_hidden_layers))
    config = LoraConfig(
        r=rank, target_modules=["query", "key", "value", "dense"], layers_to_transform=blocks, layers_pattern="layer"
    )
    adapted = get_peft_model(model, config).eval()

    def run(ids: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            states = adapted(input_ids=torch.from_numpy(ids), attention_mask=torch.ones(ids.shape, dtype=torch.int64))
            return states.last_hidden_state.mean(dim=1).numpy()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=400)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as scratch:
        engine = ten_tasks(Path(scratch) / "ws")
        folder = find("minilm-l6").folder
        unsplit = SCHEMES["int8-row"](to_onnx(folder))[0].SerializeToString()
        bare, tuned = default_session(unsplit), open_session(unsplit, "bare tuned")
        dynamic = open_session(dynamic_int8(folder, Path(scratch)), "dynamic")
    backbone = engine.manifest.backbone
    peft = peft_model(folder, engine.manifest.tasks[0].rank, backbone.split)
    preprocess = TextPreprocessor((folder / "tokenizer.json").read_bytes(), BACKBONES["minilm-l6"].max_tokens)
    texts = [text for text, _ in record.clinc150()[0]["test"]]
    texts = [texts[index] for index in np.random.default_rng(0).permutation(len(texts))[:rounds]]
    ids = [np.array([preprocess(text).ids], np.int64) for text in texts]
    runs: dict[str, Callable[[int], object]] = {
        "engine": lambda row: engine.predict([texts[row]]),
        "bare": lambda row: bare.run(None, {"input_ids": ids[row], "attention_mask": np.ones_like(ids[row])}),
        "bare_tuned": lambda row: tuned.run(None, {"input_ids": ids[row], "attention_mask": np.ones_like(ids[row])}),
        "bare_dynamic": lambda row: dynamic.run(None, {"input_ids": ids[row], "attention_mask": np.ones_like(ids[row])}),
        "peft": lambda row: peft(ids[row]),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    rng = np.random.default_rng(1)
    for row in range(-20, rounds):
        for name in rng.permutation(list(runs)):  # no path always runs in the wake of the same other
            start = time.perf_counter()
            runs[name](row % rounds)
            if row >= 0:
                times[name].append(1e3 * (time.perf_counter() - start))
    latency = {name: record.quantiles(values) for name, values in times.items()}
    paired = {
        f"{one} / {other}": float(np.median(np.array(times[one]) / np.array(times[other])))
        for one, other in (
            ("engine", "bare"),
            ("engine", "bare_tuned"),
            ("engine", "bare_dynamic"),
            ("peft", "engine"),
            ("bare", "bare_dynamic"),
        )
    }
    ratios = {
        "engine_over_bare_p50": latency["engine"]["p50"] / latency["bare"]["p50"],
        "engine_over_bare_tuned_p50": latency["engine"]["p50"] / latency["bare_tuned"]["p50"],
        "peft_over_engine_p50": latency["peft"]["p50"] / latency["engine"]["p50"],
    }
    for name, one in latency.items():
        print(f"{name:14} p50 {one['p50']:.3f}  p90 {one['p90']:.3f}  p99 {one['p99']:.3f} ms")
    print(ratios, paired)
    tokens = [one.shape[1] for one in ids]
    figures = {
        "latency_ms": latency, "ratios": ratios, "paired_median_ratios": paired, "tasks": len(engine.tasks),
        "tokens": {"median": float(np.median(tokens)), "max": max(tokens)}, "split": backbone.split,
    }  # fmt: skip
    record.write("latency", figures, threads=1)


if __name__ == "__main__":
    main()
