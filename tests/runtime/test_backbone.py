"""What shares a run of trunk and tail, and that nobody's result depends on it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from every import cases
from made import make_texts

from cfedge.bundle.files import read
from cfedge.bundle.manifest import Backbone
from cfedge.inputs import of
from cfedge.runtime.backbone import Slots, Tail, Trunk, no_adapter


class Watched:
    """A session that says what it was fed."""

    def __init__(self, session: object) -> None:
        self._session, self.feeds = session, []

    def run(self, names: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.feeds.append(feeds)
        return self._session.run(names, feeds)  # type: ignore[attr-defined]


@pytest.fixture
def halves(tiny_bundle: Path) -> tuple[Trunk, Tail, Backbone]:
    bundle = read(tiny_bundle)
    one = bundle.manifest.backbone
    files = {role: bundle[ref] for role, ref in one.files().items()}
    return Trunk(BytesIO(files["trunk"]), of(one.input, files), one), Tail(files["tail"], one), one


TEXTS = [text for task in ("colors", "animals") for text, _ in make_texts(task, 20, seed=2)]


def test_texts_of_one_length_share_a_run_and_nothing_is_padded(
    halves: tuple[Trunk, Tail, Backbone],
) -> None:
    trunk, _, _ = halves
    lengths = [trunk([text]).hidden[0].shape[1] for text in TEXTS]
    watched = trunk._session = Watched(trunk._session)  # type: ignore[assignment]
    trunk(TEXTS)
    shapes = [feeds["input_ids"].shape for feeds in watched.feeds]
    assert sorted(length for rows, length in shapes for _ in range(rows)) == sorted(lengths)
    assert all(rows <= 32 for rows, _ in shapes)
    assert len(shapes) == sum(-(-lengths.count(length) // 32) for length in set(lengths))
    assert max(rows for rows, _ in shapes) > 8


def slots_of(backbone: Backbone, rank: int, seed: int) -> Slots:
    rng = np.random.default_rng(seed)
    slots = {}
    for slot in backbone.slots:
        slots[f"a.{slot.name}"] = rng.normal(size=(1, slot.rows, rank)).astype(np.float32)
        slots[f"b.{slot.name}"] = rng.normal(size=(1, rank, slot.columns)).astype(np.float32)
    return slots


@cases("seed", range(5))
def test_rows_of_several_tasks_share_a_run_to_the_last_bit(
    halves: tuple[Trunk, Tail, Backbone], seed: int
) -> None:
    trunk, tail, backbone = halves
    rng = np.random.default_rng(seed)
    many = [
        slots_of(backbone, rank, number) for number, rank in enumerate((2, 1, 2, 2, 2, 3, 3))
    ] + [no_adapter(backbone)]
    hidden = trunk(TEXTS).hidden
    slots = [
        many[number]
        for number in rng.choice(
            len(many), len(hidden), p=[0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05]
        )
    ]
    alone = [tail([states], [own])[0] for states, own in zip(hidden, slots, strict=True)]
    assert len({states.shape[1] for states in hidden}) > 2
    assert len({row.tobytes() for row in alone}) == len(alone)
    watched = tail._session = Watched(tail._session)  # type: ignore[assignment]
    together = tail(hidden, slots)
    assert all((one == other).all() for one, other in zip(together, alone, strict=True))
    name = next(iter(many[0]))
    gathered = [feeds for feeds in watched.feeds if len(feeds[name]) > 1]
    assert gathered
    assert all(len(feeds[name]) == len(feeds["hidden"]) for feeds in gathered)
    assert any(
        len(feeds[name]) == 1 and len(feeds["hidden"]) >= 4 for feeds in watched.feeds
    )  # many of one task: not copied
    assert len(watched.feeds) < len(
        {(id(own), states.shape[1]) for own, states in zip(slots, hidden, strict=True)}
    )


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 8])
def test_many_rows_of_one_task_share_a_run_to_the_last_bit(
    halves: tuple[Trunk, Tail, Backbone], rank: int
) -> None:
    trunk, tail, backbone = halves
    hidden, own = trunk(TEXTS).hidden, slots_of(backbone, rank, 0)
    alone = [tail([states], [own])[0] for states in hidden]
    assert all(
        (one == other).all()
        for one, other in zip(tail(hidden, [own] * len(hidden)), alone, strict=True)
    )
