"""Which scheme is best here? Each is run beside float32 on the same inputs, one at a time,
interleaved, and compared by cosine.

Picked is the fastest whose mean cosine with float32 reaches `MIN_COSINE`, of those that are fit for
the CPU and answer whatever the company. What is as fast within `NEAR` counts as equal: then the
smaller file, then the higher cosine decides. One that only misses the cosine is tried with the
layers left in float32 that hurt it most (`cfedge_export.sensitivity`).

Letters: N inputs, D width.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from cfedge.device import Board, Profile
from cfedge.errors import UsageError
from cfedge.progress import Progress, Quiet
from cfedge.runtime.session import open_session
from cfedge.runtime.signed_weights import with_signed_weights
from cfedge_export import sensitivity
from cfedge_export.graph import layers
from cfedge_export.schemes import SCHEMES, Choice, Measured
from cfedge_export.sensitivity import MIN_COSINE
from cfedge_export.source import Feeds, Source
from cfedge_export.timing import ROUNDS, time_ratios

__all__ = ["INPUTS", "NEAR", "measure", "order", "pick", "some_of"]

#: Ratios of times on a busy machine differ by some per cent from one measurement to the next.
NEAR = 1.05
#: So many are compared.
INPUTS = 64


def some_of(inputs: Sequence[Any], *, rng: np.random.Generator) -> list[Any]:
    """Choose at most `INPUTS` to compare.

    Raises
    ------
    UsageError
        There is none.
    """
    if not inputs:
        raise UsageError(
            "inputs to measure schemes on: expected at least one, found none; give some with"
            " --measure"
        )
    return [inputs[int(row)] for row in rng.permutation(len(inputs))[:INPUTS]]


def measure(
    source: Source,
    feeds: Sequence[Feeds],
    board: Board | Profile,
    *,
    rng: np.random.Generator,
    at_least: float = MIN_COSINE,
    progress: Progress | None = None,
) -> tuple[Measured, ...]:
    """Run every scheme that the encoder can take.

    Parameters
    ----------
    feeds
        Of `source`, one for each input.
    board
        The CPU that the answers are for; times are this machine's.
    at_least
        Mean cosine that is asked for.
    """
    progress = progress or Quiet()
    whole, nodes = source.deployed(), layers(source.architecture, source.encoder)
    names = [name for name in SCHEMES if name in source.architecture.schemes]
    reasons = {name: _excluded(name, board) for name in names}
    candidates: dict[str, _Candidate] = {}
    with progress.track("schemes", len(names)) as advance:
        exact = _Candidate.run(whole, feeds, "float32")
        for name in names:
            candidates[name] = _Candidate.run(SCHEMES[name].ship(whole), feeds, name)
            advance(1)
    for name, candidate in candidates.items():
        enough = name == "float32" or candidate.cosines(exact).mean() >= at_least
        if not enough and reasons[name] is None:
            ship = SCHEMES[name].ship
            left = sensitivity.search(
                whole, nodes, ship, feeds, rng=rng, at_least=at_least, progress=progress
            ).layers
            kept = ship(whole, keep=[nodes[layer] for layer in left])
            candidates[name] = _Candidate.run(kept, feeds, name, left)
            mean = candidates[name].cosines(exact).mean()
            if not mean >= at_least:
                reasons[name] = f"has mean cosine {mean:.4f}"
    sessions = {name: candidate.session for name, candidate in candidates.items()}
    with progress.track("schemes beside each other", ROUNDS) as advance:
        ratios = time_ratios(sessions, "float32", feeds, rng=rng, advance=advance)
    return tuple(
        candidate.measured(name, exact, ratios[name], reasons[name])
        for name, candidate in candidates.items()
    )


class _Candidate(NamedTuple):
    """One scheme's graph: its bytes, an open session, what it answered, and the layers that it
    leaves in float32.
    """

    size_bytes: int
    session: Any
    features: NDArray[np.float32]
    float_layers: tuple[str, ...]

    @classmethod
    def run(
        cls,
        model: ModelProto,
        feeds: Sequence[Feeds],
        name: str,
        float_layers: tuple[str, ...] = (),
    ) -> _Candidate:
        data = model.SerializeToString()
        session = open_session(
            with_signed_weights(BytesIO(data), name), name
        )  # as an engine runs it
        features = np.concatenate([session.run(None, dict(each))[0] for each in feeds])
        return cls(len(data), session, features, float_layers)

    def cosines(self, exact: _Candidate) -> NDArray[np.float32]:
        """With float32, of each input."""
        cosines: NDArray[np.float32] = (self.features * exact.features).sum(axis=1)
        return cosines

    def measured(
        self, name: str, exact: _Candidate, time_ratio: float, reason: str | None
    ) -> Measured:
        cosines = self.cosines(exact)
        return Measured(
            name,
            self.size_bytes,
            float(cosines.mean()),
            float(cosines.min()),
            time_ratio,
            reason,
            self.float_layers,
        )


def order(measured: Sequence[Measured]) -> list[Measured]:
    """Return those that may be picked, the best first, as the module's docstring says."""
    able = [scheme for scheme in measured if scheme.reason is None]
    ranked: list[Measured] = []
    while able:
        fastest = min(scheme.time_ratio for scheme in able)
        near = [scheme for scheme in able if scheme.time_ratio <= NEAR * fastest]
        smallest = min(scheme.size_bytes for scheme in near)
        best = max(
            (scheme for scheme in near if scheme.size_bytes <= NEAR * smallest),
            key=lambda scheme: scheme.mean_cosine,
        )
        ranked.append(best)
        able.remove(best)
    return ranked


def pick(measured: Sequence[Measured], at_least: float = MIN_COSINE) -> Choice:
    """Pick as the module's docstring says, and say why."""
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


def _excluded(name: str, board: Board | Profile) -> str | None:
    """Why it cannot be picked, however exact it is."""
    if isinstance(board, Board):
        flags: Collection[str] | None = board.flags
    else:
        flags = board.flags.value.present if board.flags else None
    scheme = SCHEMES[name]
    unfit = scheme.unfit(board.machine, flags)
    if unfit is not None:
        return f"is not for {unfit}"
    return None if scheme.batch_independent else "answers differently in other company"
