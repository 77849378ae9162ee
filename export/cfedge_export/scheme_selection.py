"""Which scheme is best here? Each is run beside float32 on the same texts, one at a time,
interleaved, and compared by cosine.

Picked is the fastest whose mean cosine with float32 reaches `MIN_COSINE`, of those that are fit for
the CPU and answer whatever the company. What is as fast within `NEAR` counts as equal: then the
smaller file, then the higher cosine decides. One that only misses the cosine is tried with the
layers left in float32 that hurt it most (`cfedge_export.sensitivity`).

Letters: N texts, D width.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from cfedge.device import Board, Profile
from cfedge.errors import UsageError
from cfedge.inputs.text.device import TextInputs
from cfedge.progress import Progress, Quiet
from cfedge.runtime.session import open_session
from cfedge_export import sensitivity
from cfedge_export.graph import layers, without_mask
from cfedge_export.schemes import SCHEMES, Choice, Measured
from cfedge_export.sensitivity import MIN_COSINE
from cfedge_export.timing import ROUNDS, time_ratios

__all__ = ["NEAR", "TEXTS", "measure", "order", "pick", "token_ids"]

#: Ratios of times on a busy machine differ by some per cent from one measurement to the next.
NEAR = 1.05
#: Texts that are compared.
TEXTS = 64


def token_ids(
    preprocess: TextInputs, texts: Sequence[str], *, rng: np.random.Generator
) -> tuple[list[str], list[NDArray[np.int64]]]:
    """Choose at most `TEXTS` of `texts`; return them and the ids int64 [1, S] of each.

    Raises
    ------
    UsageError
        There is no text.
    """
    if not texts:
        raise UsageError(
            "texts to measure schemes on: expected at least one, found none; give some with"
            " --measure"
        )
    rows = [int(row) for row in rng.permutation(len(texts))[:TEXTS]]
    return [texts[row] for row in rows], [
        preprocess.prepare(texts[row], row).feeds["input_ids"] for row in rows
    ]


def measure(
    encoder: ModelProto,
    ids: Sequence[NDArray[np.int64]],
    board: Board | Profile,
    *,
    rng: np.random.Generator,
    at_least: float = MIN_COSINE,
    progress: Progress | None = None,
) -> tuple[Measured, ...]:
    """Run every scheme of the whole encoder on `ids`.

    Parameters
    ----------
    encoder
        Float32, from `cfedge_export.encoder.to_onnx`.
    ids
        Of `token_ids`.
    board
        The CPU that the answers are for; times are this machine's.
    at_least
        Mean cosine that is asked for.
    """
    progress = progress or Quiet()
    whole = without_mask(encoder)
    flags = (
        board.flags
        if isinstance(board, Board)
        else board.flags.value.present
        if board.flags
        else None
    )
    left: dict[str, tuple[str, ...]] = dict.fromkeys(SCHEMES, ())
    files, sessions, cosines = {}, {}, {}

    def run(name: str, model: ModelProto) -> NDArray[np.float32]:
        data = model.SerializeToString()
        files[name], sessions[name] = len(data), open_session(data, name)
        features: NDArray[np.float32] = np.concatenate(
            [sessions[name].run(None, {"input_ids": one})[0] for one in ids]
        )
        return features

    exact = run("float32", whole)
    with progress.track("schemes", len(SCHEMES)) as advance:
        for name, scheme in SCHEMES.items():
            cosines[name] = (run(name, scheme.ship(whole)) * exact).sum(axis=1)
            advance(1)
    short = [name for name in SCHEMES if name != "float32" and not cosines[name].mean() >= at_least]
    for name in short:
        if _excluded(name, board.machine, flags) is None:
            scheme = SCHEMES[name]
            left[name] = sensitivity.search(
                whole, scheme.ship, ids, rng=rng, at_least=at_least, progress=progress
            ).layers
            kept = [layers(whole)[layer] for layer in left[name]]
            cosines[name] = (run(name, scheme.ship(whole, keep=kept)) * exact).sum(axis=1)
    with progress.track("schemes beside each other", ROUNDS) as advance:
        ratios = time_ratios(sessions, "float32", ids, rng=rng, advance=advance)
    found = []
    for name in SCHEMES:
        mean = float(cosines[name].mean())
        reason = _excluded(name, board.machine, flags)
        if reason is None and name in short and not mean >= at_least:
            reason = f"has mean cosine {mean:.4f}"
        found.append(
            Measured(
                name,
                files[name],
                mean,
                float(cosines[name].min()),
                ratios[name],
                reason,
                left[name],
            )
        )
    return tuple(found)


def order(measured: Sequence[Measured]) -> list[Measured]:
    """Return those that may be picked, the best first, as the module's text says."""
    able = [one for one in measured if one.reason is None]
    ranked: list[Measured] = []
    while able:
        fastest = min(one.time_ratio for one in able)
        near = [one for one in able if one.time_ratio <= NEAR * fastest]
        smallest = min(one.size_bytes for one in near)
        best = max(
            (one for one in near if one.size_bytes <= NEAR * smallest),
            key=lambda one: one.mean_cosine,
        )
        ranked.append(best)
        able.remove(best)
    return ranked


def pick(measured: Sequence[Measured], at_least: float = MIN_COSINE) -> Choice:
    """Pick as the module's text says, and say why."""
    best, *others = order(measured)
    fastest = min(one.time_ratio for one in [best, *others])
    why = (
        f"{best.time_ratio:.2f} of float32's time at mean cosine {best.mean_cosine:.4f} (at least"
        f" {at_least} is asked)"
    )
    if best.float_layers:
        why += f", with {', '.join(best.float_layers)} left in float32"
    equal = [one.scheme for one in measured if one in others and one.time_ratio <= NEAR * fastest]
    if equal:
        why += f"; {', '.join(equal)} as fast, but larger or less exact"
    passed_over = [f"{one.scheme} {one.reason}" for one in measured if one.reason is not None]
    return Choice(best.scheme, "; ".join([why, *passed_over]), tuple(measured), best.float_layers)


def _excluded(name: str, machine: str, flags: Collection[str] | None) -> str | None:
    """Why it cannot be picked, however exact it is."""
    scheme = SCHEMES[name]
    unfit = scheme.unfit(machine, flags)
    if unfit is not None:
        return f"is not for {unfit}"
    return None if scheme.batch_independent else "answers differently in other company"
