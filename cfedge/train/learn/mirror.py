"""Is a picture in a mirror another example of its class? Of photographs it mostly is; of signs and
letters it is not.

An adapter is trained on mirror images too, unless examples that are set aside speak against it: two
heads in closed form answer them, one of the others alone, one of the others and their mirror
images. There are none where the latter loses more of them than it wins by more than one standard
error. The held-out examples, which the certificate is made of, choose nothing
(docs/decisions/0062-mirror-images.md).

Letters: N examples, D width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cfedge.lookup import Features, Lookup
from cfedge.progress import Progress
from cfedge.runtime.encoder import Encoder
from cfedge.train.examples.examples import Examples
from cfedge.train.features.feature_cache import cached_features
from cfedge.train.features.signature import exact_statistics
from cfedge.train.measures.trial import set_aside
from cfedge.train.settings import Settings

__all__ = ["mirror_harms", "mirrored_states"]

Floats = NDArray[np.float32]


def mirrored_states(
    encoder: Encoder,
    digest: str,
    cache: Path | None,
    examples: Examples,
    features: Features,
    classes: NDArray[np.int64],
    settings: Settings,
    threads: int,
    progress: Progress,
) -> list[Floats]:
    """Return the hidden states of N examples in a mirror; none where an adapter is not to be
    trained on these, or the kind of input has no left and right.

    Parameters
    ----------
    encoder, digest, cache, examples, threads, progress
        See `cfedge.train.features.feature_cache.cached_features`.
    features, classes
        Of the examples themselves, and int64 [N].
    settings
        Whether mirror images count, and the share and the seed of what is set aside to tell.
    """
    if settings.mirror == "no" or encoder.modality.mirrored(examples.inputs[0]) is None:
        return []
    hidden, seen = cached_features(
        encoder, digest, cache, examples, progress, threads=threads, mirrored=True
    )
    if settings.mirror == "yes":
        return hidden
    rows, aside = set_aside(
        examples.units, classes, settings.held_out, np.random.default_rng(settings.seed)
    )
    return [] if mirror_harms(features.tail, seen.tail, classes, rows, aside) else hidden


def mirror_harms(
    features: Floats,
    mirrored: Floats,
    classes: NDArray[np.int64],
    rows: Sequence[int],
    aside: Sequence[int],
) -> bool:
    """Whether a head of the examples `rows` and their mirror images answers fewer of those `aside`
    right than one of the examples alone, by more than one standard error of the difference.

    Parameters
    ----------
    features, mirrored
        float32 [N, D].
    classes
        int64 [N] in 0..C-1, each in `rows`.
    """
    if not aside:
        return False
    own, labels = features[list(rows)], classes[list(rows)]
    both = np.concatenate([own, mirrored[list(rows)]]), np.concatenate([labels, labels])
    alone, together = (
        (features[list(aside)] @ weight + bias).argmax(axis=1) == classes[list(aside)]
        for weight, bias in (_discriminants(own, labels), _discriminants(*both))
    )
    lost = int(alone.sum()) - int(together.sum())
    return lost > math.sqrt(int((alone != together).sum()))


def _discriminants(features: Floats, classes: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Weight [D, C] and bias [C] of linear discriminant analysis."""
    learned = exact_statistics(features, classes, together=True)
    return Lookup({"": learned}, min_spread=0.0).linear()
