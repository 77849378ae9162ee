"""Which layers does quantising hurt? Each is quantised alone and compared with float32 by cosine;
then the worst are left in float32, one more at a time, until what was asked for is reached.

A layer is a table of embeddings (``words``) or a target module (``l<block>.<part>``). What
is left is stated in the graphs' metadata, under `STATED`, as names separated by commas.

Letters: N inputs, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from cfedge.progress import Progress, Quiet
from cfedge.runtime.session import open_session
from cfedge_export.schemes import Rewrite
from cfedge_export.source import Feeds
from cfedge_export.timing import time_ratios

__all__ = ["MIN_COSINE", "STATED", "Sensitivity", "float_layers", "search", "state"]

#: Mean cosine with float32 over all inputs. int8-row-7bit reaches .9957 with MiniLM, plain dynamic
#: quantisation .9930.
MIN_COSINE = 0.995
#: Key of the metadata.
STATED = "cfedge.float32"


@dataclass(frozen=True)
class Sensitivity:
    """What the search found.

    Attributes
    ----------
    layers
        Left in float32, in the order of the network.
    damage
        Of each layer: 1 - mean cosine with float32 where it alone is quantised.
    mean_cosine_before, mean_cosine
        With float32, all quantised and with `layers` left.
    extra_bytes, time_ratio
        What leaving them costs on this machine, against all quantised.
    """

    layers: tuple[str, ...]
    damage: dict[str, float]
    mean_cosine_before: float
    mean_cosine: float
    extra_bytes: int
    time_ratio: float


def search(
    encoder: ModelProto,
    nodes: Mapping[str, str],
    ship: Rewrite,
    feeds: Sequence[Feeds],
    *,
    rng: np.random.Generator,
    at_least: float = MIN_COSINE,
    passes: Callable[[tuple[str, ...]], bool] | None = None,
    progress: Progress | None = None,
) -> Sensitivity:
    """Leave the layers that hurt in float32.

    Parameters
    ----------
    encoder
        Float32, whole, as it answers.
    nodes
        Its layers' nodes, by the layers' names (`cfedge_export.graph.layers`).
    ship
        Of a scheme.
    feeds
        N >= 1 inputs.
    at_least
        Mean cosine to reach.
    passes
        What to reach instead: called with the layers that are left, until it says so.
    """
    names = list(nodes)
    exact = _features(encoder, feeds)

    def made(left: Collection[str]) -> ModelProto:
        return ship(encoder, keep=[nodes[name] for name in left])

    def cosine(model: ModelProto) -> float:
        return float((_features(model, feeds) * exact).sum(axis=1).mean())

    damage: dict[str, float] = {}
    with (progress or Quiet()).track("layers, one at a time", len(names)) as advance:
        for name in names:
            damage[name] = 1 - cosine(made([other for other in names if other != name]))
            advance(1)
    enough = passes or (lambda left: cosine(made(left)) >= at_least)
    left = _left(damage, enough, progress or Quiet())
    before, after = made(()), made(left)
    sessions = {
        name: open_session(model.SerializeToString(), name)
        for name, model in (("before", before), ("after", after))
    }
    ratio = time_ratios(sessions, "before", feeds, rng=rng)["after"] if left else 1.0
    return Sensitivity(
        left, damage, cosine(before), cosine(after), after.ByteSize() - before.ByteSize(), ratio
    )


def _left(
    damage: Mapping[str, float], enough: Callable[[tuple[str, ...]], bool], progress: Progress
) -> tuple[str, ...]:
    """The fewest of the worst layers that are enough, in the order of the network."""
    names = list(damage)
    worst = sorted(names, key=lambda name: -damage[name])
    left: tuple[str, ...] = ()
    with progress.track("layers left in float32", len(names)) as advance:
        while not enough(left) and len(left) < len(worst):
            left = tuple(name for name in names if name in worst[: len(left) + 1])
            advance(1)
    return left


def state(model: ModelProto, left: Collection[str]) -> None:
    """Write into the metadata which of the graph's layers are left in float32; nothing where there
    are none.
    """
    if left:
        model.metadata_props.add(key=STATED, value=",".join(left))


def float_layers(*graphs: bytes) -> tuple[str, ...]:
    """Read what `state` wrote, of a trunk and a tail."""
    entries = [
        entry
        for data in graphs
        for entry in onnx.load_from_string(data).metadata_props
        if entry.key == STATED
    ]
    return tuple(name for entry in entries for name in entry.value.split(","))


def _features(model: ModelProto, feeds: Sequence[Feeds]) -> NDArray[np.float64]:
    session = open_session(model.SerializeToString(), "encoder")
    rows = [session.run(None, dict(each))[0] for each in feeds]
    return np.concatenate(rows).astype(np.float64)
