"""A second reader of bundles, written from docs/format.md alone: it imports nothing of cfedge.
python independent_reader.py BUNDLE TEXT...

Letters: D width, K clusters, R rank.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import safetensors.numpy
from tokenizers import Tokenizer

MEMBERS = {
    "manifest": "schema sha256 backbone tasks lookup margins versions",
    "backbone": (
        "name source_sha256 scheme blocks split width hidden views slots trunk tail input background"
        " frozen_views"
    ),
    "input": "kind max_tokens tokenizer",
    "task": (
        "name classes rank threshold false_reject_rate calibration certificate adapter signature golden"
        " same_labels"
    ),
    "calibration": "centers scales accepted thresholds odds",
    "odds": "slopes offsets limits",
}
CANDIDATES = 24  # classes at which a further stage is taken


class RefusedError(Exception):
    pass


def expect(condition: bool, what: str) -> None:
    if not condition:
        raise RefusedError(what)


def canonical(value: object) -> bytes:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    expect(len(dict(pairs)) == len(pairs), "a key given twice")
    return dict(pairs)


def _no_constant(name: str) -> float:
    raise RefusedError(name)


def read(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The section "Reading", in its order."""
    data = (folder / "manifest.json").read_bytes()
    expect(len(data) <= 64 << 20, "manifest too long")
    manifest = json.loads(
        data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant
    )
    expect(manifest.get("schema") == 1, "schema")
    body = {name: value for name, value in manifest.items() if name != "sha256"}
    expect(hashlib.sha256(canonical(body)).hexdigest() == manifest["sha256"], "manifest: SHA-256")
    expect(canonical(manifest) == data, "manifest: not canonical")
    parts = [
        ("manifest", manifest),
        ("backbone", manifest["backbone"]),
        ("input", manifest["backbone"]["input"]),
        *(("task", task) for task in manifest["tasks"]),
    ]
    for kind, one in parts:
        expect(set(one) == set(MEMBERS[kind].split()), f"members of {kind}")
    expect(manifest["lookup"] == "class-clusters", "lookup")
    expect(
        manifest["backbone"]["input"]["kind"] == "text", "a kind of input that this reader knows"
    )
    refs = [manifest["backbone"][role] for role in ("trunk", "tail")]
    refs.append(manifest["backbone"]["input"]["tokenizer"])
    refs += [
        task[role] for task in manifest["tasks"] for role in ("adapter", "signature", "golden")
    ]
    objects = {}
    for ref in refs:
        content = (folder / "objects" / ref["sha256"]).read_bytes()
        expect(len(content) == ref["size"], f"length of {ref['sha256']}")
        expect(hashlib.sha256(content).hexdigest() == ref["sha256"], f"SHA-256 of {ref['sha256']}")
        objects[ref["sha256"]] = content
    expect(
        {path.name for path in (folder / "objects").iterdir()} == set(objects),
        "a file that nothing names",
    )
    return manifest, objects


def session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def unpacked(signature: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Means and factor as numbers."""
    width, rows = len(signature["diagonal"]), {}
    for name in ("origin", "means", "factor"):
        bits = np.unpackbits(signature[name], axis=2, bitorder="little")[:, :, :width].astype(
            np.int64
        )
        weights = 2 ** np.arange(len(bits))
        weights[-1] *= -1  # two's complement
        rows[name] = np.tensordot(weights, bits, 1) * signature[f"{name}_scale"][:, None].astype(
            np.float64
        )
    return {**signature, "means": rows["origin"] + rows["means"], "factor": rows["factor"]}


class Look:
    """Steps 1 to 3 and 5 of the section "Answering", over all tasks."""

    def __init__(self, tasks: list[dict[str, np.ndarray]]) -> None:
        counts = np.concatenate([task["counts"] for task in tasks]).astype(np.float64)
        means = np.concatenate([task["means"] for task in tasks]).astype(np.float64)
        self.owner = np.repeat(np.arange(len(tasks)), [len(task["counts"]) for task in tasks])
        scatter = sum(
            task["factor"].astype(np.float64).T @ task["factor"].astype(np.float64)
            for task in tasks
        )
        scatter = scatter + np.diag(sum(task["diagonal"].astype(np.float64) for task in tasks))
        n, width = counts.sum(), means.shape[1]
        s, t = scatter / n, np.trace(scatter) / n / width
        square = (s**2).sum()
        between = square - width * t**2
        if t > 0:
            q = sum(float(task["quartic"][0]) for task in tasks)
            intensity = (
                min(1.0, 4 * max(0.0, q / n - square) / (n * between)) if between > 0 else 1.0
            )
            s = (1 - intensity) * s + (intensity + 1e-6) * t * np.eye(width)
        else:
            s = np.eye(width)
        self.centre = np.average(means, axis=0, weights=counts)
        steps = means - self.centre
        whiten = np.linalg.inv(np.linalg.cholesky(s))  # whiten S whiten' = I
        spread, turn = np.linalg.eigh(whiten @ ((steps * counts[:, None]).T @ steps / n) @ whiten.T)
        u = whiten.T @ turn
        same = not steps.any()
        kept = np.ones(width, bool) if same else spread > min(0.1, spread.max() / 20)
        self.u, self.steps = u[:, kept], steps @ u[:, kept]
        self.shrunk = np.zeros(kept.sum()) if same else 1 / (1 + spread[kept])

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The score of each cluster, and the distance to it."""
        y = (x - self.centre) @ self.u
        scores = self.steps @ y - (self.steps**2).sum(axis=1) / 2
        return scores, ((y - self.steps) ** 2).sum(axis=1) - (y**2 * self.shrunk).sum()

    def tasks(self, values: np.ndarray, best: Any) -> np.ndarray:
        """The best of each task's clusters."""
        return np.array([best(values[self.owner == one]) for one in range(self.owner.max() + 1)])


class Shapes:
    """Step 4: of every class the density with its own shape."""

    def __init__(self, tasks: list[dict[str, np.ndarray]]) -> None:
        self.owner = np.repeat(np.arange(len(tasks)), [len(task["counts"]) for task in tasks])
        factors = [task["factor"].astype(np.float64) for task in tasks]
        scatter = sum(
            factor.T @ factor + np.diag(task["diagonal"].astype(np.float64))
            for factor, task in zip(factors, tasks, strict=True)
        )
        s = scatter / sum(task["counts"].sum() for task in tasks)
        self.s, width = s, len(s)
        level = np.trace(s) / width
        examples = sum(task["counts"].sum() for task in tasks)
        over = examples * ((s**2).sum() - width * level**2)
        noise = sum(task["quartic"][0] for task in tasks) / examples - (s**2).sum()
        intensity = min(1.0, max(0.0, 4 * noise / over)) if over > 0 else 1.0
        tau, self.weight = min(3.0, max(0.1, 3 * intensity)), 1 + 0.6 * intensity
        common = s + tau * level * np.eye(width) if level > 0 else np.eye(width)
        self.temperature = np.sqrt(width) / 5
        self.common = common
        self.means = np.concatenate([task["means"] for task in tasks]).astype(np.float64)
        doubt = np.trace(np.linalg.solve(common, s))  # of a mean of one example
        self.inverses, self.logs = [], []
        for factor, task in zip(factors, tasks, strict=True):
            for place, count in enumerate(task["counts"]):
                rows = factor[task["factor_classes"] == place]
                sigma = 0.55 * common + 0.45 * rows.T @ rows / count
                self.inverses.append(np.linalg.inv(sigma))
                shape = np.linalg.slogdet(sigma)[1] - np.linalg.slogdet(0.55 * common)[1]
                alone = 0.15 if len(task["counts"]) == 1 else 0.0
                self.logs.append(shape - doubt * (1 / count + alone) / 0.55)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        steps = x - self.means
        squares = np.array(
            [step @ inverse @ step for step, inverse in zip(steps, self.inverses, strict=True)]
        )
        return -(squares + self.logs) / 2

    def tasks(self, g: np.ndarray) -> np.ndarray:
        """The log-sum over each task's candidates, less half of what their number adds to it; the
        others have -inf.
        """
        parts = [g[self.owner == task] / self.temperature for task in range(self.owner.max() + 1)]
        tops = [max(part.max(), -1e300) for part in parts]
        with np.errstate(divide="ignore", under="ignore"):
            sums = [np.exp(part - top).sum() for part, top in zip(parts, tops, strict=True)]
            counts = [max(1, np.isfinite(part).sum()) for part in parts]
            return self.temperature * (np.array(tops) + np.log(sums) - np.log(counts) / 2)


class Familiar:
    """Step 7 behind one look: how far from a task's classes, against the background."""

    def __init__(
        self,
        shapes: Shapes,
        tasks: list[dict[str, np.ndarray]],
        stored: dict[str, np.ndarray],
        part: str,
    ) -> None:
        self.shapes, self.means, self.owner = shapes, shapes.means, shapes.owner
        self.counts = np.concatenate([task["counts"] for task in tasks])
        groups = [self.means]
        if stored:
            groups.append(stored[part].astype(np.float64) * float(stored[f"{part}_step"][0]))
        self.centre = np.mean([group.mean(axis=0) for group in groups], axis=0)
        spread = np.mean(
            [(group - self.centre).T @ (group - self.centre) / len(group) for group in groups],
            axis=0,
        )
        self.inverse = np.linalg.inv(shapes.common)
        self.background = np.linalg.inv(shapes.common + spread)
        self.error = np.trace(self.inverse @ shapes.s)

    def __call__(self, x: np.ndarray, task: int) -> tuple[float, float, float]:
        own = self.owner == task
        counts, means = self.counts[own], self.means[own]
        y = x - self.centre
        behind = y @ self.background @ y
        squares = np.einsum("cd,de,ce->c", x - means, self.inverse, x - means)
        squares -= 2 * self.error / counts
        near = np.argsort(squares, kind="stable")[:4]
        bonus = 1 / counts - (0.15 if len(counts) == 1 else 0.0)
        densities = (self.shapes(x)[own] + self.error * bonus / 1.1)[near]
        lengths = (means**2).sum(axis=1)
        lengths = np.maximum(lengths - np.trace(self.shapes.s) / counts, 0.1 * lengths)
        return (
            1 - (means @ x / np.sqrt(lengths)).max(),
            squares.min() - behind,
            -densities.max() - behind / 2,
        )


class Reader:
    def __init__(self, folder: Path) -> None:
        self.manifest, objects = read(folder)
        self.backbone = self.manifest["backbone"]
        decisive = {
            key: value
            for key, value in self.backbone.items()
            if key not in ("name", "source_sha256", "background")
        }
        digest = hashlib.sha256(canonical(decisive)).hexdigest()
        self.tokenizer = Tokenizer.from_str(
            objects[self.backbone["input"]["tokenizer"]["sha256"]].decode("utf-8")
        )
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(self.backbone["input"]["max_tokens"])
        self.trunk, self.tail = (
            session(objects[self.backbone[part]["sha256"]]) for part in ("trunk", "tail")
        )
        self.tasks = sorted(self.manifest["tasks"], key=lambda task: task["name"])
        self.adapters, stages = [], []
        for task in self.tasks:
            adapter = session(objects[task["adapter"]["sha256"]])
            stated = {
                "cfedge.base": digest,
                "cfedge.task": task["name"],
                "cfedge.rank": str(task["rank"]),
            }
            expect(
                adapter.get_modelmeta().custom_metadata_map == stated,
                "another backbone's or task's adapter",
            )
            self.adapters.append(
                dict(
                    zip(
                        [one.name for one in adapter.get_outputs()],
                        adapter.run(None, {}),
                        strict=True,
                    )
                )
            )
            arrays = safetensors.numpy.load(objects[task["signature"]["sha256"]])
            stages.append(
                [
                    unpacked(
                        {
                            name.removeprefix(look): array
                            for name, array in arrays.items()
                            if name.startswith(look)
                        }
                    )
                    for look in ("trunk.", "tail.")
                ]
            )
        self.first = Look([task[0] for task in stages])
        self.near, self.deep = (Shapes([task[depth] for task in stages]) for depth in range(2))
        centres: dict[str, np.ndarray] = {}
        if self.backbone["background"]:
            centres = safetensors.numpy.load(objects[self.backbone["background"]["sha256"]])
        self.familiar = [
            Familiar(shapes, [task[depth] for task in stages], centres, part)
            for depth, (shapes, part) in enumerate(((self.near, "trunk"), (self.deep, "tail")))
        ]
        self.nothing = {
            f"{side}.{slot['name']}": np.zeros((1, slot["rows"], 0) if side == "a" else (1, 0, slot["columns"]), np.float32)
            for slot in self.backbone["slots"] for side in "ab"
        }  # fmt: skip

    def answer(self, text: str) -> dict[str, Any]:
        ids = np.array([self.tokenizer.encode(text).ids], np.int64)
        hidden, features = self.trunk.run(["hidden", "features"], {"input_ids": ids})
        first, apart = self.first(features[0][: self.backbone["views"][0]])
        scores, distances = self.first.tasks(first, np.max), self.first.tasks(apart, np.min)
        stages = 1
        if self._thin(scores, "second"):
            near = self._candidates(first, scores)
            g = self._among(near, self.near(features[0][: self.backbone["views"][0]]))
            scores, stages = self.near.tasks(g), 2
            if self._thin(scores, "third"):
                behind = self.tail.run(["features"], {"hidden": hidden, **self.nothing})[0][0]
                weight = self.deep.weight
                scores = self.deep.tasks((2 - weight) * g + weight * self.deep(behind))
                stages = 3
        chosen = int(scores.argmax())
        task, adapter = self.tasks[chosen], self.adapters[chosen]
        logits = (features[0] @ adapter["trunk.weight"] + adapter["trunk.bias"]).astype(np.float64)
        if "shape.weight" in adapter:
            look = features[0][: self.backbone["views"][0]].astype(np.float64)
            logits += (
                ((look @ adapter["shape.weight"] + adapter["shape.bias"]) ** 2)
                .reshape(len(logits), -1)
                .sum(axis=1)
            )
        sure = logits.max() - np.sort(logits)[-2] >= adapter["exit.margin"][0]
        if not sure:
            slots = {name: array for name, array in adapter.items() if name[:2] in ("a.", "b.")}
            behind = self.tail.run(["features"], {"hidden": hidden, **slots})[0][0]
            logits = logits + behind @ adapter["head.weight"] + adapter["head.bias"]
        ood_score = self._strange(task, chosen, features[0], hidden)
        label = int(logits.argmax())
        return {
            "task": task["name"], "label": task["classes"][label], "stages": stages, "distance": float(distances[chosen]),
            "probability": float(1 / np.exp(logits - logits[label]).sum()) * self._sure(chosen, label, scores, stages),
            "ood_score": ood_score, "early_exit": bool(sure), "unknown": bool(ood_score > task["threshold"]),
        }  # fmt: skip

    def _sure(self, chosen: int, label: int, scores: np.ndarray, stages: int) -> float:
        """Step 8: the probability of the task, or of either of two that mean the same."""
        if len(self.tasks) == 1:
            return 1.0
        runner_up = int(np.argsort(-scores, kind="stable")[1])
        task, other = self.tasks[chosen], self.tasks[runner_up]
        shared = {meaning for one in self.tasks for meaning in one["same_labels"].values()}
        meaning = task["same_labels"].get(task["classes"][label], task["classes"][label])
        theirs = {other["same_labels"].get(one, one) for one in other["classes"]}
        if meaning in shared and meaning in theirs:
            return 1.0
        odds = task["calibration"]["odds"]
        margin = float(scores[chosen] - scores[runner_up])
        return float(
            1 / (1 + np.exp(-(odds["offsets"][stages - 1] + odds["slopes"][stages - 1] * margin)))
        )

    def _candidates(self, clusters: np.ndarray, tasks: np.ndarray) -> np.ndarray:
        """The classes at which further stages are taken: the best, and the runner-up's best."""
        owner, runner_up = self.first.owner, np.argsort(-tasks, kind="stable")[1]
        own = np.where(owner == runner_up, clusters, -np.inf).argmax()
        return np.unique([*np.argsort(-clusters, kind="stable")[:CANDIDATES], own])

    def _strange(
        self, task: dict[str, Any], chosen: int, features: np.ndarray, hidden: np.ndarray
    ) -> float:
        """Step 7."""
        rule = task["calibration"]
        expect(all(len(rule[part]) == 5 for part in ("centers", "scales")), "five terms")
        _, relative, density = self.familiar[0](features[: self.backbone["views"][0]], chosen)
        frozen = self.tail.run(["features"], {"hidden": hidden, **self.nothing})[0][0]
        terms = np.array([relative, density, *self.familiar[1](frozen, chosen)])
        z = (terms - rule["centers"]) / rule["scales"]
        over = z[0] + z[1] - rule["accepted"]
        self.nearly = abs(over) < 0.15  # rounding may turn whether the trunk accepts it
        self.asked = float(z[1:].sum())
        return float(rule["thresholds"][-1] + over) if over <= 0 else self.asked

    def _among(self, near: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """The scores of the classes `near`; no other is a candidate."""
        among = np.full(len(scores), -np.inf)
        among[near] = scores[near]
        return among

    def _thin(self, scores: np.ndarray, stage: str) -> bool:
        best = np.sort(scores)[::-1]
        return len(best) > 1 and bool(best[0] - best[1] < self.manifest["margins"][stage])


if __name__ == "__main__":
    opened = Reader(Path(sys.argv[1]))
    for one in sys.argv[2:]:
        print(json.dumps(opened.answer(one), ensure_ascii=False))
