"""Which scheme is best here? Each is run beside float32 on the same texts, one at a time, interleaved, and compared by cosine.

Picked is the fastest whose mean cosine with float32 reaches `MIN_COSINE`, of those that are fit for the CPU and answer whatever
the company. What is as fast within `NEAR` counts as equal: then the smaller file, then the higher cosine decides.

Letters: N texts, D width.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

import numpy as np
from onnx import ModelProto

from cfedge.device import Board, Profile
from cfedge.errors import UsageError
from cfedge.progress import Progress, Quiet
from cfedge.runtime.preprocess import TextPreprocessor
from cfedge.runtime.session import open_session
from cfedge_export.graph import without_mask
from cfedge_export.schemes import SCHEMES, Choice, Measured

__all__ = ["MIN_COSINE", "measure", "pick"]

#: Mean cosine with float32 over all texts. int8-row-7bit reaches .9957 with MiniLM, plain dynamic quantisation .9930.
MIN_COSINE = 0.995
#: Ratios of times on a busy machine differ by some per cent from one measurement to the next.
NEAR = 1.05
#: Texts that are compared, and rounds of one text each that are timed.
TEXTS, ROUNDS = 64, 40


def measure(
    encoder: ModelProto,
    preprocess: TextPreprocessor,
    texts: Sequence[str],
    board: Board | Profile,
    *,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> tuple[Measured, ...]:
    """Run every scheme of the whole encoder on at most `TEXTS` of `texts`.

    Parameters
    ----------
    encoder
        Float32, from `cfedge_export.encoder.to_onnx`.
    board
        The CPU that the answers are for; times are this machine's.

    Raises
    ------
    UsageError
        There is no text.
    """
    if not texts:
        raise UsageError("texts to measure schemes on: expected at least one, found none; give some with --measure")
    rows = rng.permutation(len(texts))[:TEXTS]
    ids = [preprocess(texts[row], int(row)).ids for row in rows]
    whole = without_mask(encoder)
    flags = board.flags if isinstance(board, Board) else board.flags.value.present if board.flags else None
    files, sessions, features = {}, {}, {}
    with (progress or Quiet()).track("schemes", len(SCHEMES) + ROUNDS) as advance:
        for name, scheme in SCHEMES.items():
            model = scheme.ship(whole).SerializeToString()
            files[name], sessions[name] = len(model), open_session(model, name)
            features[name] = np.concatenate([sessions[name].run(None, {"input_ids": one})[0] for one in ids])
            advance(1)
        times: dict[str, list[float]] = {name: [] for name in SCHEMES}
        for turn in range(ROUNDS):
            for name in rng.permutation(list(SCHEMES)):
                start = time.perf_counter()
                sessions[name].run(None, {"input_ids": ids[turn % len(ids)]})
                times[name].append(time.perf_counter() - start)
            advance(1)
    found = []
    for name in SCHEMES:
        cosines = (features[name] * features["float32"]).sum(axis=1)
        ratio = float(np.median(np.array(times[name]) / np.array(times["float32"])))
        mean = float(cosines.mean())
        reason = _reason(name, mean, board.machine, flags)
        found.append(Measured(name, files[name], mean, float(cosines.min()), ratio, reason))
    return tuple(found)


def pick(measured: Sequence[Measured]) -> Choice:
    """Pick as the module's text says, and say why."""
    able = [one for one in measured if one.reason is None]
    fastest = min(one.time_ratio for one in able)
    near = [one for one in able if one.time_ratio <= NEAR * fastest]
    smallest = min(one.size_bytes for one in near)
    best = max((one for one in near if one.size_bytes <= NEAR * smallest), key=lambda one: one.mean_cosine)
    equal = [one.scheme for one in near if one is not best]
    why = f"{best.time_ratio:.2f} of float32's time at mean cosine {best.mean_cosine:.4f} (at least {MIN_COSINE} is asked)"
    if equal:
        why += f"; {', '.join(equal)} as fast, but larger or less exact"
    passed_over = [f"{one.scheme} {one.reason}" for one in measured if one.reason is not None]
    return Choice(best.scheme, "; ".join([why, *passed_over]), tuple(measured))


def _reason(name: str, mean_cosine: float, machine: str, flags: Collection[str] | None) -> str | None:
    scheme = SCHEMES[name]
    unfit = scheme.unfit(machine, flags)
    if unfit is not None:
        return f"is not for {unfit}"
    if not scheme.batch_independent:
        return "answers differently in other company"
    if not mean_cosine >= MIN_COSINE:
        return f"has mean cosine {mean_cosine:.4f}"
    return None
