"""How deep to cut: the given depth, the backbone's default, or the deepest whose held-out class
retrieval is within one standard error of the best, as a deep cut makes adapters small and learning
fast.

Two blocks at least are left to adapt where there are more than three: one alone generalised worse
(docs/decisions/0002-split-and-slots.md).

Letters: N examples, V D width of the features, L depth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from cfedge.lookup import Lookup
from cfedge.runtime.session import open_session
from cfedge.train.examples.examples import Examples, split_held_out
from cfedge.train.features.signature import signature
from cfedge.train.workspace.backbones import BACKBONES
from cfedge_export.names import FEATURES
from cfedge_export.source import Source

__all__ = ["choose_split", "measure_split"]


def choose_split(source: Source, sample: Examples | None = None) -> int:
    """Return the depth to cut at: measured on `sample`, or else the backbone's default."""
    if sample is not None:
        return measure_split(source, sample)
    return BACKBONES[source.name].split or source.blocks // 2


def measure_split(source: Source, sample: Examples) -> int:
    """Return the depth to cut at by held-out class retrieval of the lookup."""
    learned, held_out = split_held_out(sample, 0.3, np.random.default_rng(0))
    features = [_features_by_depth(source, part) for part in (learned, held_out)]
    position = {label: index for index, label in enumerate(learned.classes)}
    classes = np.array([position[label] for label in learned.labels], np.int64)
    truth = np.array([position[label] for label in held_out.labels], np.int64)
    accuracy: list[float] = []
    for depth in range(features[0].shape[1]):
        whole = signature(features[0][:, depth], classes)
        found = Lookup({"all": whole}).cluster_scores(features[1][:, depth]).argmax(axis=1)
        accuracy.append(float((found == truth).mean()))
    if len(accuracy) > 2:
        del accuracy[-1]
    best = max(accuracy)
    tolerance = (best * (1 - best) / len(truth)) ** 0.5
    return 1 + max(depth for depth, value in enumerate(accuracy) if value >= best - tolerance)


def _features_by_depth(source: Source, examples: Examples) -> NDArray[np.float32]:
    """Features after each block but the last: float32 [N, L - 1, V D]."""
    family, probe = source.architecture, ModelProto()
    probe.CopyFrom(source.encoder)
    names: list[str] = []
    for depth, entry in enumerate(family.cuts(source.encoder)[1:-1], start=1):
        names.append(f"{FEATURES}{depth}")
        states = family.pooled(source.encoder, entry)
        family.pool(probe, states, prefix=f"depth{depth}", output=names[-1])
    session = open_session(probe.SerializeToString(), "encoder")
    rows = [
        np.concatenate(session.run(names, {**feeds, **source.mask(feeds)}))
        for feeds in source.feeds(examples.inputs)
    ]
    return np.stack(rows)
