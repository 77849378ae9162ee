"""What inputs of no task look like to a new backbone: from a file of the user's, or what this package
knows of the weights.

Of a known encoder the package holds, for each depth it may be cut at and behind its last block,
cluster centres of a public corpus and the features of some of its inputs that are in no centre, in
int8 (`benchmarks/background.py` makes them, and names the sources). No input is kept. The inputs
without a part in the centres are what certificates count unknown inputs on.

Letters: N inputs, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.arrays import dump_arrays, load_arrays
from cfedge.errors import UsageError
from cfedge.inputs.modality import Input
from cfedge.lookup import Background, Features
from cfedge.lookup.background import CENTRES
from cfedge.runtime.encoder import Encoder

__all__ = ["LEAST", "Made", "as_shipped", "centres", "known", "made_of"]

Floats = NDArray[np.float32]

#: Inputs below which nothing is made of a file: half of the number of centres would be of one.
LEAST = 200
#: Of a file's inputs, those that certificates count on, and how many at most.
_APART, _MOST_APART = 0.25, 256
_AT_ONCE = 64


class Made(NamedTuple):
    """The bytes of a workspace's ``background`` and ``foreign``."""

    background: bytes
    foreign: bytes


def known(weights: str, split: int) -> Made | None:
    """Return what the package knows of the encoder with weights of this SHA-256, cut at `split`;
    None: nothing.
    """
    file = resources.files("cfedge_export") / "backgrounds" / f"{weights[:16]}.safetensors"
    if not file.is_file():
        return None
    stored = load_arrays(file.read_bytes(), f"background of {weights[:16]}")
    if f"centres.{split}" not in stored:
        return None
    parts = {"trunk": str(split), "tail": "tail"}
    return Made(
        *(
            dump_arrays(
                {
                    name: stored[f"{kind}.{place}{end}"]
                    for part, place in parts.items()
                    for name, end in ((part, ""), (f"{part}_step", ".step"))
                }
            )
            for kind in ("centres", "foreign")
        )
    )


def as_shipped(background: bytes | None, weights: str, split: int) -> Made | None:
    """Return another workshop's background, with the package's inputs to count on where it is the
    package's too, and none where it is not.
    """
    if background is None:
        return None
    mine = known(weights, split)
    if mine is not None and mine.background == background:
        return mine
    stored = load_arrays(background, "background")
    none = {name: array if name.endswith("_step") else array[:0] for name, array in stored.items()}
    return Made(background, dump_arrays(none))


def made_of(encoder: Encoder, inputs: Sequence[Input], first_width: int, lookup_width: int) -> Made:
    """Make both of inputs that belong to no task: three quarters of them for the centres.

    Parameters
    ----------
    first_width
        Of the trunk's first view, which the centres are of.
    lookup_width
        Of what the lookup reads behind the trunk.

    Raises
    ------
    UsageError
        They are fewer than `LEAST`.
    """
    if len(inputs) < LEAST:
        raise UsageError(
            f"background: expected {LEAST} inputs of no task or more, found {len(inputs)}; give"
            " more, or leave --background out"
        )
    order = np.random.default_rng(0).permutation(len(inputs))
    apart = min(int(len(inputs) * _APART), _MOST_APART)
    features = [
        encoder.features(encoder([inputs[row] for row in order[start : start + _AT_ONCE]]))
        for start in range(0, len(order), _AT_ONCE)
    ]
    both = Features(
        np.concatenate([one.trunk for one in features])[:, :lookup_width],
        np.concatenate([one.tail for one in features]),
    )
    foreign = Background(both.trunk[:apart], both.tail[:apart])
    rest = Background(centres(both.trunk[apart:, :first_width]), centres(both.tail[apart:]))
    return Made(dump_arrays(rest.arrays()), dump_arrays(foreign.arrays()))


def centres(features: Floats) -> Floats:
    """Return the centres of `CENTRES` clusters, float32 [G, D], of features [N, D]."""
    from sklearn.cluster import KMeans  # a second, which only this waits for

    found = KMeans(min(CENTRES, len(features)), n_init=1, random_state=0).fit(features)
    return np.asarray(found.cluster_centers_, np.float32)
