"""One utterance of CLINC150's test set, one thread: `Engine.predict` against OpenVINO on the same
encoder.

    pip install openvino==2026.4.1 nncf==3.4.0
    taskset -c 1 python benchmarks/against_openvino.py

Theirs are `FORMS` of MiniLM-L6 with mean pooling, without mask, fed with token ids that are ready;
ours are the engine with ten tasks, tokenising and all, and `bare`: the int8-row encoder unsplit and
without mask, in one session with the engine's settings.

A form counts if it passes the gate: mean cosine of its features with float32's at least .995, and
of 150 intents at most one point fewer recognised than with float32's features, by the nearest class
mean and by linear discriminant analysis. What happens to a text in a batch or with padding is
reported, not required. The best form is the fastest that passes; there are two, as forms that are
compiled anew for every length of text are faster and hold the weights once for each.

As in latency.py, each pair is interleaved in processes of its own and the median process is the
figure. OpenVINO's telemetry is off. The file cannot be called openvino.py: the package would no
longer be found beside it.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import record
import torch
from latency import interleaved, ten_tasks
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import NearestCentroid

from cfedge import Engine
from cfedge.bundle.files import write
from cfedge.inputs.text.device import TextInputs
from cfedge.runtime.session import open_session
from cfedge.train.workspace.backbones import BACKBONES, find
from cfedge_export.names import FEATURES, IDS, MASK
from cfedge_export.pooling import without_mask
from cfedge_export.quiet import quiet
from cfedge_export.schemes import SCHEMES
from cfedge_export.source import load_source

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # both packages then send nothing and write no id
try:
    import nncf
    import openvino
except ImportError as missing:
    raise SystemExit(
        f"OpenVINO's side needs {missing.name}: pip install openvino==2026.4.1 nncf==3.4.0"
    ) from missing

LEAST_COSINE, MOST_LOST = 0.995, 0.01
CALIBRATION, PER_CLASS, TEST_PER_CLASS, BATCH = 300, 15, 10, 8
#: The float32 features that all else is compared with: ours, by ONNX Runtime.
REFERENCE = "reference"


@dataclass(frozen=True)
class Form:
    """One way to run the encoder in OpenVINO.

    Attributes
    ----------
    graph
        ``torch``: converted from PyTorch by OpenVINO itself; else a scheme's ONNX graph as cfedge
        ships it, its contrib operators read by OpenVINO.
    nncf
        ``weights``: symmetric int8 weights; ``static``: activations too, calibrated on training
        texts; None: as the graph is.
    group
        Of activations that are quantised with one scale as the model runs, where weights are int8;
        None: the default (32).
    precision
        Of what stays floating; None: the default of this CPU.
    per_length
        Compiled for every number of tokens; else once for all.
    """

    graph: str = "torch"
    nncf: str | None = None
    group: int | None = None
    precision: str | None = "f32"
    per_length: bool = False

    def settings(self) -> dict[str, object]:
        chosen = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": self.group,
        }
        fixed = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1}
        return {**fixed, **{name: value for name, value in chosen.items() if value is not None}}


FORMS = {
    "float32": Form(),
    "default": Form(precision=None),
    "default, fused": Form("float32", precision=None),
    "int8-weights": Form(nncf="weights"),
    "int8-weights, groups of 128": Form(nncf="weights", group=128),
    "int8-weights, groups of 384": Form(nncf="weights", group=384),
    "int8-weights, groups of 128, fused": Form("float32", "weights", group=128),
    "int8-static": Form(nncf="static"),
    "cfedge int8-row": Form("int8-row"),
    "cfedge int8-dynamic": Form("int8-dynamic"),
    "int8-weights, groups of 128, per length": Form(nncf="weights", group=128, per_length=True),
    "int8-weights, groups of 384, per length": Form(nncf="weights", group=384, per_length=True),
    "int8-weights, groups of 128, fused, per length": Form(
        "float32", "weights", group=128, per_length=True
    ),
    "int8-static, per length": Form(nncf="static", per_length=True),
}


class _Pooled(torch.nn.Module):
    def __init__(self, folder: Path, *, masked: bool) -> None:
        from transformers import AutoModel  # slow to import, and not every process needs it

        super().__init__()
        self.encoder, self.masked = AutoModel.from_pretrained(folder).eval(), masked

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        hidden = self.encoder(input_ids=input_ids, attention_mask=mask).last_hidden_state
        total = (
            hidden.mean(dim=1) if attention_mask is None else (hidden * mask[..., None]).sum(dim=1)
        )
        return torch.nn.functional.normalize(total, dim=-1)


def _feed(ids: np.ndarray, *, masked: bool) -> dict[str, np.ndarray]:
    return {IDS: ids, **({MASK: np.ones_like(ids)} if masked else {})}


def _source(graph: str, folder: Path, *, masked: bool) -> openvino.Model:
    if graph != "torch":
        return openvino.Core().read_model(folder / f"{graph}{'.masked' if masked else ''}.onnx")
    example = {
        name: torch.from_numpy(array)
        for name, array in _feed(np.ones((2, 9), np.int64), masked=masked).items()
    }
    with quiet():
        model = openvino.convert_model(
            _Pooled(find("minilm-l6").folder, masked=masked), example_input=example
        )
    model.reshape({name: [-1, -1] for name in example})
    return model


def _compressed(
    model: openvino.Model, how: str, calibration: list[np.ndarray], *, masked: bool
) -> openvino.Model:
    if how == "weights":
        return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
    return nncf.quantize(
        model,
        nncf.Dataset(calibration, lambda ids: _feed(ids, masked=masked)),
        preset=nncf.QuantizationPreset.PERFORMANCE,
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(calibration),
    )


def _some(rows: list[list[str]], each: int) -> list[list[str]]:
    """So many of every class, in random order."""
    taken: dict[str, int] = {}
    chosen = []
    for row in np.random.default_rng(0).permutation(len(rows)):
        label = rows[row][1]
        taken[label] = taken.get(label, 0) + 1
        if taken[label] <= each:
            chosen.append(rows[row])
    return chosen


class _Texts:
    """CLINC150 as token ids, or a part of it."""

    def __init__(self) -> None:
        preprocess = TextInputs(
            (find("minilm-l6").folder / "tokenizer.json").read_bytes(),
            BACKBONES["minilm-l6"].input_size,
        )
        data = record.clinc150()[0]
        train, test = (
            _some(data[split], each)
            for split, each in (("train", PER_CLASS), ("test", TEST_PER_CLASS))
        )
        self.train, self.train_labels = (
            [preprocess.prepare(text).feeds["input_ids"] for text, _ in train],
            [label for _, label in train],
        )
        self.test, self.test_labels = (
            [preprocess.prepare(text).feeds["input_ids"] for text, _ in test],
            [label for _, label in test],
        )
        self.test_texts = [text for text, _ in test]


def prepare(folder: Path) -> None:
    """Write the bundle, our graphs, and OpenVINO's model of every form, with and without mask."""
    write(ten_tasks(folder / "ws"), folder / "bundle")
    exported = load_source("minilm-l6").encoder
    for scheme in sorted({form.graph for form in FORMS.values()} - {"torch"} | {"int8-row"}):
        for end, graph in (("", without_mask(exported)), (".masked", exported)):
            (folder / f"{scheme}{end}.onnx").write_bytes(
                SCHEMES[scheme].ship(graph).SerializeToString()
            )
    nncf.set_log_level(logging.ERROR)
    calibration = _Texts().train[:CALIBRATION]
    for graph in sorted({form.graph for form in FORMS.values()}):
        for masked in (False, True):
            plain = _model(folder, Form(graph), masked=masked)
            openvino.save_model(
                _source(graph, folder, masked=masked), plain, compress_to_fp16=False
            )
            for how in sorted(
                {form.nncf for form in FORMS.values() if form.graph == graph and form.nncf}
            ):
                model = openvino.Core().read_model(
                    plain
                )  # as it was converted, NNCF loses track of nodes that have no names yet
                compressed = _compressed(model, how, calibration, masked=masked)
                openvino.save_model(
                    compressed,
                    _model(folder, Form(graph, how), masked=masked),
                    compress_to_fp16=False,
                )


def _model(folder: Path, form: Form, *, masked: bool = False) -> Path:
    return folder / f"{form.graph}-{form.nncf}{'.masked' if masked else ''}.xml"


@dataclass
class Runner:
    """Runs a form as cheaply as its Python interface can: one request, input and output shared."""

    model: openvino.Model
    form: Form
    compiled: dict[int, openvino.CompiledModel] = field(default_factory=dict)
    requests: dict[int, openvino.InferRequest] = field(default_factory=dict)

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        request = self.requests.get(ids.shape[1] if self.form.per_length else 0) or self._open(
            ids.shape[1]
        )
        request.set_input_tensor(openvino.Tensor(ids, shared_memory=True))
        request.infer()
        return request.get_output_tensor().data

    def _open(self, tokens: int) -> openvino.InferRequest:
        model, key = self.model, 0
        if self.form.per_length:
            model, key = self.model.clone(), tokens
            model.reshape([1, tokens])
        self.compiled[key] = openvino.Core().compile_model(model, "CPU", self.form.settings())
        self.requests[key] = self.compiled[key].create_infer_request()
        return self.requests[key]


def open_runner(folder: Path, name: str) -> Callable[[np.ndarray], np.ndarray]:
    """A form of theirs, or a graph of ours."""
    if name in FORMS:
        return Runner(openvino.Core().read_model(_model(folder, FORMS[name])), FORMS[name])
    scheme = {"bare": "int8-row", REFERENCE: "float32"}[name]
    session = open_session((folder / f"{scheme}.onnx").read_bytes(), name)
    return lambda ids: session.run([FEATURES], {IDS: ids})[0]


def gate(folder: Path, name: str) -> dict[str, object]:
    """What a form's features are worth, and what they depend on."""
    texts = _Texts()
    before = _resident_bytes()
    run = open_runner(folder, name)
    test = np.concatenate([run(ids).copy() for ids in texts.test])
    grown = _resident_bytes() - before
    train = np.concatenate([run(ids).copy() for ids in texts.train])
    if name == REFERENCE:
        np.save(folder / "reference.npy", test)
    reference = np.load(folder / "reference.npy")
    cosines = (
        (test * reference).sum(axis=1)
        / np.linalg.norm(test, axis=1)
        / np.linalg.norm(reference, axis=1)
    )
    lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    found: dict[str, object] = {
        "mean_cosine": float(cosines.mean()),
        "least_cosine": float(cosines.min()),
        "class_means": float(
            NearestCentroid().fit(train, texts.train_labels).score(test, texts.test_labels)
        ),
        "lda": float(lda.fit(train, texts.train_labels).score(test, texts.test_labels)),
        "memory_bytes": grown,
        "lengths": len({ids.shape[1] for ids in texts.test}),
    }
    if name not in FORMS or FORMS[name].per_length:
        return found
    form = FORMS[name]
    same = [ids for ids in texts.test if ids.shape[1] == 11][:BATCH]
    alone = np.concatenate([run(ids).copy() for ids in same])
    masked = openvino.Core().compile_model(
        _model(folder, form, masked=True), "CPU", form.settings()
    )
    padded = {
        IDS: np.pad(np.concatenate(same), ((0, 0), (0, 8))),
        MASK: np.pad(np.ones((BATCH, 11), np.int64), ((0, 0), (0, 8))),
    }
    bare = np.concatenate([masked(_feed(ids, masked=True))[0] for ids in same])
    rows = [
        masked({key: array[row : row + 1] for key, array in padded.items()})[0]
        for row in range(BATCH)
    ]
    compiled = next(iter(run.compiled.values()))  # type: ignore[attr-defined]
    return found | {
        "largest_change_in_a_batch_of_8": float(np.abs(run(np.concatenate(same)) - alone).max()),
        "largest_change_with_8_tokens_of_padding": float(np.abs(np.concatenate(rows) - bare).max()),
        "settings_found": {key: str(compiled.get_property(key)) for key in _REPORTED},
    }


_REPORTED = (
    "INFERENCE_PRECISION_HINT", "DYNAMIC_QUANTIZATION_GROUP_SIZE", "INFERENCE_NUM_THREADS", "NUM_STREAMS", "PERFORMANCE_HINT",
)  # fmt: skip


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def passes(one: dict[str, object], exact: dict[str, object]) -> bool:
    lost = max(float(exact[how]) - float(one[how]) for how in ("class_means", "lda"))  # type: ignore[arg-type]
    return float(one["mean_cosine"]) >= LEAST_COSINE and lost <= MOST_LOST  # type: ignore[arg-type]


def pair(folder: Path, ours: str, theirs: str, seed: int, rounds: int) -> dict[str, list[float]]:
    """Open one of ours and one of theirs anew and measure them."""
    texts = _Texts()
    rows = np.random.default_rng(seed).permutation(len(texts.test))[:rounds]
    ids, words = [texts.test[row] for row in rows], [texts.test_texts[row] for row in rows]
    if ours == "engine":
        engine = Engine.open(folder / "bundle")
        first: Callable[[int], object] = lambda row: engine.predict([words[row]])  # noqa: E731
    else:
        session = open_runner(folder, ours)
        first = lambda row: session(ids[row])  # noqa: E731
    other = open_runner(folder, theirs)
    for one in ids:  # every length is compiled, and its kernels chosen, before the clock runs
        other(one)
    return interleaved({ours: first, theirs: lambda row: other(ids[row])}, rounds, seed)


def _child(*arguments: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def _measure(folder: str, ours: str, theirs: str, processes: int, rounds: int) -> dict[str, object]:
    times = [
        _child("--pair", folder, ours, theirs, str(seed), str(rounds)) for seed in range(processes)
    ]
    ratios = [float(np.median(one[ours]) / np.median(one[theirs])) for one in times]
    print(
        f"{ours} / {theirs}: {np.median(ratios):.3f}",
        [round(one, 3) for one in sorted(ratios)],
        flush=True,
    )
    pooled = {
        name: record.quantiles([value for one in times for value in one[name]])
        for name in (ours, theirs)
    }
    return {
        "ratio_of_p50": {
            "median": float(np.median(ratios)),
            "min": min(ratios),
            "max": max(ratios),
            "processes": processes,
        },
        "latency_ms": {"ours": pooled[ours], "theirs": pooled[theirs]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--screen", type=int, default=3, help="processes for each form")
    parser.add_argument(
        "--processes", type=int, default=11, help="processes for each of the best two"
    )
    parser.add_argument(
        "--folder", type=Path, help="keep graphs and bundle here, and use them where they are"
    )
    parser.add_argument("--gate", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--pair", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.gate:
        print(json.dumps(gate(Path(options.gate[0]), options.gate[1])))
        return
    if options.pair:
        folder, ours, theirs, seed, rounds = options.pair
        print(json.dumps(pair(Path(folder), ours, theirs, int(seed), int(rounds))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        scratch = str(options.folder or temporary)
        if not (Path(scratch) / "prepared").exists():
            prepare(Path(scratch))
            (Path(scratch) / "prepared").touch()
        exact = _child("--gate", scratch, REFERENCE)
        bare = _child("--gate", scratch, "bare")
        print(REFERENCE, exact, "\nbare", bare, flush=True)
        forms: dict[str, dict[str, object]] = {}
        for name in FORMS:
            one = _child("--gate", scratch, name)
            forms[name] = {**one, "passes": passes(one, exact)}
            print(name, forms[name], flush=True)
        for name, one in forms.items():
            one["engine"] = _measure(scratch, "engine", name, options.screen, options.rounds)
        best = {}
        for what, per_length in (("one_model", False), ("a_model_per_length", True)):
            able = [
                name
                for name, one in forms.items()
                if one["passes"] and FORMS[name].per_length == per_length
            ]
            fastest = max(able, key=lambda name: forms[name]["engine"]["ratio_of_p50"]["median"])  # type: ignore[index]
            measured = {
                ours: _measure(scratch, ours, fastest, options.processes, options.rounds)
                for ours in ("engine", "bare")
            }
            best[what] = {"form": fastest, **measured}
    figures = {
        "gate": {"least_mean_cosine": LEAST_COSINE, "most_accuracy_lost": MOST_LOST, "texts_per_class": {"train": PER_CLASS, "test": TEST_PER_CLASS}},
        "best": best, "ours": {REFERENCE: exact, "bare": {**bare, "passes": passes(bare, exact)}}, "forms": forms,
        "affinity": len(os.sched_getaffinity(0)), "rounds": options.rounds, "tasks": 10,
    }  # fmt: skip
    record.write("openvino", figures, threads=1)


if __name__ == "__main__":
    main()
