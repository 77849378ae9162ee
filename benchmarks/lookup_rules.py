"""Which lookups may be shipped? The share of inputs whose task is found against the bytes that a task
adds: CLINC150 (ten tasks) and BANKING77 (seven tasks), frozen int8 features of MiniLM-L6.

Every rule counts the training examples and is scored on held-out ones, by which it is chosen; then
it counts both and is scored on test, which is reported. Writes ``results/lookup_rules.json``, anew
after every rule.

Beside the lookups of `cfedge.lookups` stand RanPAC (`cfedge.study.random_features`) at several
widths, with its Gram matrix whole (upper triangle, float32) or as its leading directions (int8) and
a diagonal, and kernel ridge regression (arc-cosine kernel of order 1), which keeps every example's
features (int8) and solves one system of all examples.
"""

from __future__ import annotations

import argparse
import pickle
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import record
import study
from numpy.typing import NDArray

from cfedge.bundle.arrays import dump_arrays
from cfedge.lookup import Features
from cfedge.lookup.rules import DEFAULT, RULES
from cfedge.study.baselines import RULES as BASELINES
from cfedge.study.random_features import RandomFeatures
from cfedge.train.features.signature import learn_signature
from cfedge.train.measures.margins import route

Floats = NDArray[np.float32]


class Part(NamedTuple):
    """Features behind trunk (its first view) and frozen tail, and classes."""

    trunk: Floats
    tail: Floats
    classes: NDArray[np.int64]


Tasks = Mapping[str, Part]
Measure = Callable[[Tasks, Tasks], tuple[float, int]]
#: Of RanPAC: features, and leading directions of the Gram matrix (None: all of it).
SIZES = ((500, None), (1000, None), (2000, None), (2000, 128), (5000, 128), (5000, None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="Folder that keeps the features between runs.")
    chosen = parser.parse_args()
    found: dict[str, dict[str, object]] = {}
    for name in ("banking77", "clinc150"):
        parts = _features(name, chosen.cache)
        train, held_out = parts["train"], parts["held_out"]
        both = {
            task: Part(*map(np.concatenate, zip(train[task], held_out[task], strict=True)))
            for task in train
        }
        found[name] = {}
        for rule, measure in _rules().items():
            start = time.perf_counter()
            chosen_by, _ = measure(train, held_out)
            test, size = measure(both, parts["test"])
            found[name][rule] = {
                "held_out": chosen_by, "test": test, "task_bytes": size,
                "seconds": time.perf_counter() - start,
            }  # fmt: skip
            print(name, rule, found[name][rule], flush=True)
            record.write("lookup_rules", {"task_found": found}, threads=1)


def _features(name: str, cache: Path | None) -> dict[str, Tasks]:
    kept = cache / f"{name}.pkl" if cache else None
    if kept and kept.exists():
        stored = pickle.loads(kept.read_bytes())
        return {
            split: {task: Part(*one) for task, one in tasks.items()}
            for split, tasks in stored.items()
        }
    stream = study.clinc150() if name == "clinc150" else study.banking77(0)
    parts: dict[str, dict[str, Part]] = {"train": {}, "held_out": {}, "test": {}}
    with tempfile.TemporaryDirectory() as scratch:
        workspace = record.backbone(Path(scratch) / "ws", "minilm-l6")
        encoder, width = workspace.encoder(), workspace.backbone.views[0]
        for task, splits in stream.items():
            classes = sorted(set(splits.train.labels))
            for split, of in parts.items():
                examples = getattr(splits, split)
                features = encoder.features(encoder(examples.inputs))
                labels = np.array([classes.index(label) for label in examples.labels])
                of[task] = Part(features.trunk[:, :width].copy(), features.tail, labels)
            print(name, task, flush=True)
    if kept:
        plain = {
            split: {task: tuple(one) for task, one in tasks.items()}
            for split, tasks in parts.items()
        }
        kept.write_bytes(pickle.dumps(plain))
    return parts


def _rules() -> dict[str, Measure]:
    rules: dict[str, Measure] = {
        name: lambda known, asked, name=name: _lookup(name, known, asked) for name in RULES
    }
    rules["LDA, exact scatter"] = _exact
    for width, rank in SIZES:
        title = f"RanPAC {width}" + (f", {rank} directions" if rank else "")
        rules[title] = lambda known, asked, width=width, rank=rank: _ranpac(
            known, asked, width, rank
        )
    rules["kernel ridge"] = _kernel
    return rules


def _lookup(name: str, known: Tasks, asked: Tasks) -> tuple[float, int]:
    """As it ships; the default with margins that were set on the inputs asked, without labels."""
    rule = RULES[name]
    whole = {
        task: learn_signature(Features(one.trunk, one.tail), one.classes)
        for task, one in known.items()
    }
    inputs = {task: Features(one.trunk, one.tail) for task, one in asked.items()}
    left = {task: rule.signature(one) for task, one in whole.items()}
    router = route(whole, inputs)[0] if name == DEFAULT else rule.router(left)
    right = sum(
        int((router(inputs[task]).task == place).sum()) for place, task in enumerate(sorted(asked))
    )
    size = max(len(dump_arrays(one.arrays())) for one in left.values())
    return right / sum(len(one.classes) for one in asked.values()), size


def _exact(known: Tasks, asked: Tasks) -> tuple[float, int]:
    rule = BASELINES["LDA"]
    left = {task: rule.statistics(one.tail, one.classes) for task, one in known.items()}
    width = next(iter(known.values())).tail.shape[1]
    classes = max(len(arrays["counts"]) for arrays in left.values())
    return _share(rule.scorer(left), known, asked), 2 * width * (width + 1) + 4 * classes * width


def _ranpac(known: Tasks, asked: Tasks, width: int, rank: int | None) -> tuple[float, int]:
    rule = RandomFeatures(width=width)
    left, size = {}, 0
    for task, one in known.items():
        arrays = rule.statistics(one.tail, one.classes)
        kept = width * (width + 1) // 2 * 4
        if rank is not None:
            lifted = rule._lift(one.tail)  # of fewer rows than columns: their products decide
            rows = np.linalg.eigh(lifted @ lifted.T)[1][:, -rank:].T @ lifted
            steps = np.abs(rows).max(axis=1, keepdims=True) / 127
            rows = np.round(rows / steps) * steps
            rest = np.maximum(arrays["gram"].diagonal() - (rows**2).sum(axis=0), 0)
            arrays["gram"] = rows.T @ rows
            arrays["gram"][np.diag_indices(width)] += rest
            kept = rank * width + 4 * width
        left[task] = arrays
        size = max(size, kept + arrays["sums"].size * 4)
    return _share(rule.scorer(left), known, asked), size


def _arc_cosine(x: Floats, y: Floats) -> Floats:
    """Order 1 (Cho and Saul 2009), of unit-length rows."""
    cosine = np.clip(x @ y.T, -1, 1)
    angle = np.arccos(cosine)
    return ((np.sin(angle) + (np.pi - angle) * cosine) / np.pi).astype(np.float32)


def _kernel(known: Tasks, asked: Tasks) -> tuple[float, int]:
    """Of all examples, with one strength of the ridge."""
    names = sorted(known)
    x = np.concatenate([known[name].tail for name in names])
    starts = np.cumsum([0, *(int(known[name].classes.max()) + 1 for name in names)])
    y = np.concatenate(
        [known[name].classes + start for name, start in zip(names, starts, strict=False)]
    )
    gram = _arc_cosine(x, x)
    gram[np.diag_indices(len(gram))] += 0.3
    weight = np.linalg.solve(gram, np.eye(int(starts[-1]), dtype=np.float32)[y])
    del gram
    size = max(known[name].tail.size for name in names)
    return _share(lambda rows: _arc_cosine(rows, x) @ weight, known, asked), size


def _share(scorer: Callable[[Floats], NDArray[np.floating]], known: Tasks, asked: Tasks) -> float:
    names = sorted(known)
    counts = [int(known[name].classes.max()) + 1 for name in names]
    owner, right = np.repeat(np.arange(len(names)), counts), 0
    for place, name in enumerate(names):
        right += int((owner[scorer(asked[name].tail).argmax(axis=1)] == place).sum())
    return right / sum(len(one.classes) for one in asked.values())


if __name__ == "__main__":
    main()
