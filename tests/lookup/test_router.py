"""Further stages: when they happen, what they add up, and that nothing depends on the batch."""

from __future__ import annotations

import collections
import dataclasses
import math
import threading
import weakref
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from every import cases
from numpy.typing import NDArray
from sklearn.preprocessing import normalize
from tiny import arrays_of

from cfedge import Engine
from cfedge.bundle.files import Bundle, read, reference
from cfedge.errors import IncompatibleError, InputError, UsageError
from cfedge.lookup import (
    VIEWS,
    Features,
    Router,
    Slices,
    StoredSignature,
    TaskMatch,
    TaskMatches,
    TaskSignature,
    decide,
)
from cfedge.lookup.class_gaussians import task_evidence, temperature
from cfedge.lookup.evidence import Evidence
from cfedge.lookup.router import CANDIDATES
from cfedge.margins import SECOND_SHARES, TAIL_SHARE, Margins
from cfedge.runtime.adapter import load_adapter
from cfedge.runtime.encoder import Encoder
from cfedge.train.features.signature import exact_statistics, learn_signature
from cfedge.train.measures import margins as margins_module
from cfedge.train.measures.margins import route
from cfedge_export.adapters import adapter_onnx

Floats = NDArray[np.float32]
#: Tasks of two classes, more than a further stage is at.
MANY = 30
NAMES = ("doors", "lamps", "lifts")
TEXTS = [
    "crimson please",
    "a puppy here",
    "navy",
    "the nest",
    "olive one",
    "hound of the crimson kitten",
]


def draw(seed: int, examples: int, apart: float) -> dict[str, Floats]:
    """By task: unit-length features around two clusters a task, `apart` from those of the other
    tasks.
    """
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(99).normal(size=(3, 2, 10)) * apart
    classes = np.arange(examples) % 2
    return {
        name: normalize(means[task][classes] + rng.normal(size=(examples, 10))).astype(np.float32)
        for task, name in enumerate(NAMES)
    }


def draw_views(seed: int, examples: int, apart: float) -> dict[str, Floats]:
    """By task: three of `draw`'s side by side."""
    views = [draw(seed + 100 * view, examples, apart) for view in range(VIEWS)]
    return {name: np.concatenate([one[name] for one in views], axis=1) for name in NAMES}


def make_looks(trunk: dict[str, Floats], tail: dict[str, Floats]) -> dict[str, TaskSignature]:
    classes = np.arange(len(next(iter(trunk.values())))) % 2
    return {name: learn_signature(Features(trunk[name], tail[name]), classes) for name in trunk}


def make_wide(trunk: dict[str, Floats], examples: int) -> dict[str, TaskSignature]:
    """The same of a trunk that runs the whole network, whose first two views are the tail's."""
    classes, slices = np.arange(examples) % 2, Slices(10, 20, 2)
    return {
        name: learn_signature(Features(one, tail_of(one)), classes, 20, one.shape[1], slices)
        for name, one in trunk.items()
    }


def tail_of(trunk: Floats) -> Floats:
    return trunk[:, :20] * np.float32(0.5**0.5)


@pytest.fixture
def stages() -> dict[str, TaskSignature]:
    return make_looks(draw_views(0, 200, 0.3), draw(1, 200, 2.0))


@pytest.fixture
def inputs() -> Features:
    return Features(
        np.concatenate(list(draw_views(2, 60, 0.3).values())),
        np.concatenate(list(draw(3, 60, 2.0).values())),
    )


class _Counted(Mapping[str, TaskSignature]):
    """Makes each task's signatures when they are asked for, and counts how many of a kind are there
    at once.
    """

    def __init__(self, stages: TaskSignature, tasks: int) -> None:
        self._stages, self._names = stages, [f"task {number:02}" for number in range(tasks)]
        self._there = collections.Counter[str]()
        self.asked, self.most = 0, 0

    def __getitem__(self, name: str) -> TaskSignature:
        trunk = dataclasses.replace(
            self._stages.trunk, means=self._stages.trunk.means + np.float32(0.01 * int(name[-2:]))
        )
        tail = dataclasses.replace(self._stages.tail)
        for kind, one in (("trunk", trunk), ("tail", tail)):
            self._there[kind] += 1
            weakref.finalize(one, self._there.subtract, [kind])
        self.asked += 1
        self.most = max(self.most, *self._there.values())
        return TaskSignature(trunk, tail)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def test_of_many_tasks_few_signatures_are_in_memory_at_once(
    stages: dict[str, TaskSignature], inputs: Features
) -> None:
    counted = _Counted(stages["doors"], 40)
    router = Router(counted, Margins(math.inf, math.inf))
    assert counted.asked == 40
    assert set(router(inputs).stages) == {3}
    assert counted.asked <= 4 * 40  # once a lookup, and once where classes have shapes
    assert counted.most <= 17
    held = Router({name: counted[name] for name in counted}, Margins(math.inf, math.inf))
    assert held(inputs).score.tobytes() == router(inputs).score.tobytes()


def test_threads_that_ask_first_at_once_have_each_look_made_once(
    stages: dict[str, TaskSignature], inputs: Features
) -> None:
    counted = _Counted(stages["doors"], 40)
    router = Router(counted, Margins(math.inf, math.inf))
    together = threading.Barrier(8)

    def ask() -> bytes:
        together.wait()
        return router(inputs).score.tobytes()

    with ThreadPoolExecutor(8) as pool:
        found = {one.result() for one in [pool.submit(ask) for _ in range(8)]}
    assert len(found) == 1
    assert counted.asked <= 4 * 40


def test_a_quantile_of_all_leaves_the_largest_margin_alone_above() -> None:
    margins = [TaskMatch(0, 1, 0.0, float(one), 0.0) for one in (3, 1, 5, 2)]
    assert margins_module.margin_quantile(margins, 1.0) == 5.0
    assert margins_module.margin_quantile(margins, 0.5) == 2.0


def test_without_a_margin_there_is_one_look(
    stages: dict[str, TaskSignature], inputs: Features
) -> None:
    router = Router(stages, Margins(third=math.inf))
    found, first = router(inputs), router.first(inputs.trunk[:, :10])
    for field in dataclasses.fields(found):
        assert np.array_equal(getattr(found, field.name), getattr(first, field.name))
    assert set(found.stages) == {1}


def evidence_of(router: Router, inputs: Features, *, tail: bool) -> Floats:
    """What the second stage says of the candidates' tasks, float32 [B, T], or the third; -inf of
    the others.
    """
    found = np.full((len(inputs.trunk), len(router.tasks)), -np.inf, np.float32)
    every = np.arange(len(router.first.task_of))
    for row, (trunk, behind) in enumerate(zip(inputs.trunk, inputs.tail, strict=True)):
        trunk = trunk[: router.first.width]
        first = router.first.of_clusters(trunk, every)[0]
        kept = np.sort(np.argsort(-first, kind="stable")[:CANDIDATES])
        classes = router.near.scores(trunk, kept)
        if tail:
            weight = 1 + 0.6 * router.tail.shrinkage
            assert weight > 1.05  # so few examples are in these tests that it shows
            classes = (2 - weight) * classes + weight * router.deep.scores(behind, kept)
        owners = router.first.task_of[kept].tolist()
        evidence = task_evidence(
            classes.tolist(), owners, temperature(len(behind) if tail else len(trunk))
        )
        found[row, list(evidence)] = list(evidence.values())
    return found


@pytest.mark.parametrize("third", [0.0, math.inf])
def test_a_second_stage_scores_by_the_classes_shapes_and_a_third_adds_the_tails_with_more_weight(
    stages: dict[str, TaskSignature], inputs: Features, third: float
) -> None:
    router = Router(stages, Margins(math.inf, third))
    found = router(inputs)
    scores = evidence_of(router, inputs, tail=third > 0)
    ordered = np.sort(scores, axis=1)
    assert set(found.stages) == {3 if third else 2}
    assert np.array_equal(found.task, scores.argmax(axis=1))
    assert np.array_equal(found.runner_up, scores.argsort(axis=1)[:, -2])
    np.testing.assert_allclose(found.score, ordered[:, -1], rtol=1e-6)
    np.testing.assert_allclose(found.margin, ordered[:, -1] - ordered[:, -2], atol=1e-4)


@pytest.mark.parametrize("third", [0.0, math.inf])
def test_the_distance_is_the_chosen_tasks_behind_the_trunk(
    stages: dict[str, TaskSignature], inputs: Features, third: float
) -> None:
    router = Router(stages, Margins(math.inf, third))
    found = router(inputs)
    scored = [router.first.scored(row) for row in inputs.trunk[:, :10]]
    own = [
        one.square - 2 * router.first.task_scores(one)[task]
        for one, task in zip(scored, found.task, strict=True)
    ]
    np.testing.assert_allclose(found.distance, own, rtol=1e-4, atol=1e-4)


def test_further_looks_are_at_the_classes_that_the_first_one_likes_best() -> None:
    rng = np.random.default_rng(12)
    means = rng.normal(size=(MANY, VIEWS + 1, 2, 24))
    classes = np.arange(120) % 2

    def around(task: int, look: int, count: int) -> Floats:
        return normalize(means[task, look][classes[:count]] + rng.normal(size=(count, 24))).astype(
            np.float32
        )

    def pair(task: int, count: int) -> Features:
        return Features(
            np.concatenate([around(task, view, count) for view in range(VIEWS)], axis=1),
            around(task, VIEWS, count),
        )

    tasks = {f"task {task:02}": learn_signature(pair(task, 120), classes) for task in range(MANY)}
    router = Router(tasks, Margins(math.inf, math.inf))
    inputs = Features(
        *(np.concatenate(one) for one in zip(*(pair(task, 4) for task in range(MANY)), strict=True))
    )
    found = router(inputs)
    scores = evidence_of(router, inputs, tail=True)
    assert (np.isfinite(scores).sum(axis=1) < MANY).all()
    for row, ordered in enumerate(np.argsort(-scores, axis=1)):
        assert (found.task[row], found.runner_up[row]) == tuple(ordered[:2])
        assert found.score[row] == pytest.approx(scores[row, ordered[0]], rel=1e-4)
    assert (found.task == np.arange(MANY).repeat(4)).mean() > 0.9


def test_the_runner_up_is_looked_at_whatever_classes_its_rival_has(
    stages: dict[str, TaskSignature],
) -> None:
    rng = np.random.default_rng(21)
    classes = np.repeat(np.arange(CANDIDATES + 6), 4)

    def crowd(mean: float) -> Floats:
        return normalize(mean + rng.normal(size=(len(classes), 10)) * 0.05).astype(np.float32)

    many = learn_signature(Features(np.tile(crowd(1.0), VIEWS), crowd(1.0)), classes)
    router = Router({"a crowd": many, **stages}, Margins(math.inf, math.inf))
    middle = normalize(np.ones((1, 10))).astype(np.float32)[0]
    begun = router.begin(np.tile(middle, VIEWS))
    closer = router.refine(begun)
    assert closer.closer is not None
    assert set(closer.closer.owners) == {begun.first.task, begun.first.runner_up}
    assert len(closer.closer.kept) == CANDIDATES + 1
    assert decide(router.deepen(closer, middle)).runner_up >= 0


def test_only_thin_margins_are_looked_at_again(
    stages: dict[str, TaskSignature], inputs: Features
) -> None:
    first, second = Router(stages)(inputs).margin, Router(stages, Margins(math.inf))(inputs).margin
    thin, thinner = float(np.quantile(first, 0.5)), float(np.quantile(second, 0.25))
    found = Router(stages, Margins(thin, thinner))(inputs)
    assert np.array_equal(found.stages == 1, first >= thin)
    assert np.array_equal(found.stages == 3, (first < thin) & (second < thinner))
    assert set(found.stages) == {1, 2, 3}


def test_where_the_tail_tells_apart_what_the_trunk_does_not_a_third_look_finds_the_task(
    stages: dict[str, TaskSignature], inputs: Features
) -> None:
    truth = np.repeat(np.arange(3), 60)
    share = [
        float((Router(stages, Margins(math.inf, margin))(inputs).task == truth).mean())
        for margin in (0.0, 0.2, math.inf)
    ]
    assert share[0] < 0.85 < 0.95 < share[2]
    assert share[0] < share[1] < share[2]


def hold_out(apart: float) -> dict[str, Features]:
    trunk, tail = draw_views(4, 100, apart), draw(5, 100, 2.0)
    return {name: Features(trunk[name], tail[name]) for name in NAMES}


def below(share: float) -> int:
    """Order statistic: of 300 margins 300 - ceil(301 (1 - share)) are below."""
    return 300 - math.ceil(301 * (1 - share))


def taken(found: dict[str, TaskMatches]) -> NDArray[np.int64]:
    return np.concatenate([one.stages for one in found.values()])


def test_inputs_whose_answer_a_third_look_would_not_change_get_none() -> None:
    clear = make_looks(draw_views(0, 200, 6.0), draw(1, 200, 6.0))
    router, found = route(clear, hold_out(6.0))
    assert (taken(found) >= 2).sum() == below(SECOND_SHARES[0])
    assert (taken(found) == 3).sum() == 0
    assert router.margins.second_share == SECOND_SHARES[0]
    assert router.margins.third == 0
    alone, _ = route({"doors": clear["doors"]}, {"doors": hold_out(6.0)["doors"]})
    assert alone.margins == Margins()


@cases("tail_share", [0.0, 0.003, 0.02, 0.05, 0.1, 1.0])
def test_no_more_held_out_inputs_than_the_stated_share_are_run_through_the_frozen_tail(
    tail_share: float,
) -> None:
    looks = make_looks(draw_views(0, 200, 0.3), draw(1, 200, 2.0))
    whole = (taken(route(looks, hold_out(0.3), tail_share=1.0)[1]) == 3).sum()
    router, found = route(looks, hold_out(0.3), tail_share=tail_share)
    run = int((taken(found) == 3).sum())
    assert router.margins.tail_share == tail_share
    assert run <= tail_share * 300
    assert run >= min(whole, int(tail_share * 300) - 1)


@cases("tail_share", [-0.1, 1.1, math.nan])
def test_a_share_of_tails_that_is_none_is_refused(tail_share: float) -> None:
    looks = make_looks(draw_views(0, 20, 0.3), draw(1, 20, 2.0))
    with pytest.raises(UsageError, match=r"tail share: expected a share in \[0, 1\], found"):
        route(looks, hold_out(0.3), tail_share=tail_share)


@pytest.mark.parametrize("unseen", [0, 5])
def test_where_a_third_look_changes_answers_more_inputs_get_it(
    stages: dict[str, TaskSignature], monkeypatch: pytest.MonkeyPatch, unseen: int
) -> None:
    monkeypatch.setattr(margins_module, "UNSEEN_CHANGES", unseen / 300)
    router, found = route(stages, hold_out(0.3), tail_share=1.0)
    assert (taken(found) >= 2).sum() == below(router.margins.second_share)
    assert (taken(found) == 3).sum() > 30
    rows = [row for pair in hold_out(0.3).values() for row in zip(*pair, strict=True)]
    thin = [row for row in rows if router.begin(row[0]).first.margin < router.margins.second]
    closer, deeper = (
        [decide(router.refine(router.begin(trunk))) for trunk, _ in thin],
        [decide(router.deepen(router.refine(router.begin(trunk)), tail)) for trunk, tail in thin],
    )
    changed = sorted(
        one.margin for one, other in zip(closer, deeper, strict=True) if one.task != other.task
    )
    wide = {name: Features(one.trunk, tail_of(one.trunk)) for name, one in hold_out(0.3).items()}
    router_of_all, once = route(make_wide(draw_views(0, 200, 0.3), 200), wide, tail_share=1.0)
    assert (router_of_all.margins.third, router_of_all.first.width) == (0, 30)
    assert set(taken(once)) == {1, 2}  # the tail's features are among those it has read
    assert sum(margin >= router.margins.third for margin in changed) == unseen
    assert router.margins.third > changed[-1 - unseen]
    assert not any(changed[-1 - unseen] < one.margin < router.margins.third for one in closer)


def test_more_inputs_are_looked_at_again_where_that_changes_more_tasks_and_fewer_of_many_inputs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks, held_out = make_looks(draw_views(0, 200, 0.3), draw(1, 200, 2.0)), hold_out(0.3)
    rows = [row for pair in held_out.values() for row in zip(*pair, strict=True)]
    router = Router(looks)
    begun = [router.begin(trunk) for trunk, _ in rows]
    ends = [
        decide(router.deepen(router.refine(one), tail)).task
        for one, (_, tail) in zip(begun, rows, strict=True)
    ]
    first = np.array([one.first.margin for one in begun])
    changed = np.array([one.first.task for one in begun]) != ends
    shares = (*margins_module.LESS_SHARES, *SECOND_SHARES)
    limits = np.sort(first)[[below(share) for share in shares]]
    left = [int((changed & (first >= one) & (first < limits[-1])).sum()) for one in limits]
    assert left[0] > left[-2] > left[-1] == 0
    for unseen in sorted({count - less for count in left[:-1] for less in (0, 1)}):
        monkeypatch.setattr(margins_module, "UNSEEN_CHANGES", (unseen + 0.5) / 300)
        for many, least in ((301, len(margins_module.LESS_SHARES)), (300, 0)):
            monkeypatch.setattr(margins_module, "MANY", many)
            margins = route(looks, held_out)[0].margins
            place = next(at for at in range(least, len(left)) if left[at] <= unseen)
            assert (margins.second_share, margins.second) == (shares[place], limits[place])


def test_of_few_held_out_inputs_all_that_are_looked_at_again_get_a_third_look_if_it_changes_any(
    stages: dict[str, TaskSignature], monkeypatch: pytest.MonkeyPatch
) -> None:
    router, found = route(stages, hold_out(0.3))
    share = router.margins.second_share
    again = [one.margin for one in _second_looks(router, hold_out(0.3))]
    # The widest margin is what sets the third's, so it alone says nothing of inputs to come.
    assert (taken(found) == 3).sum() == len(again) - 1
    assert router.margins.third == math.nextafter(max(again), math.inf)
    assert router.margins.tail_share == max(TAIL_SHARE, share)
    asked, few = route(stages, hold_out(0.3), tail_share=0.1)
    assert (asked.margins.tail_share, (taken(few) == 3).sum() <= 30) == (0.1, True)
    monkeypatch.setattr(margins_module, "UNSEEN_CHANGES", 1 / 300)  # so of 300 one may go unseen
    enough, capped = route(stages, hold_out(0.3))
    assert enough.margins.tail_share == TAIL_SHARE
    assert (taken(capped) == 3).sum() <= TAIL_SHARE * 300
    assert enough.margins.third < router.margins.third


def _second_looks(router: Router, held_out: dict[str, Features]) -> list[TaskMatch]:
    rows = [trunk for pair in held_out.values() for trunk in pair.trunk]
    begun = [router.begin(trunk) for trunk in rows]
    return [decide(router.refine(one)) for one in begun if one.first.margin < router.margins.second]


def test_of_held_out_inputs_no_scores_are_kept(
    stages: dict[str, TaskSignature], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a thousand tasks they take 50 kB an input, and hundreds of inputs of each are held out."""
    scores: list[weakref.ref[np.ndarray]] = []
    most, begin = 0, Router.begin

    def watched(router: Router, trunk: np.ndarray, position: int = 0) -> Evidence:
        nonlocal most
        evidence = begin(router, trunk, position)
        scores.append(weakref.ref(evidence.scored.clusters))
        most = max(most, sum(one() is not None for one in scores))
        return evidence

    monkeypatch.setattr(Router, "begin", watched)
    route(stages, hold_out(0.3), tail_share=1.0)
    assert len(scores) > 300
    assert most <= 2


def test_how_many_inputs_get_further_looks_does_not_depend_on_their_labels(
    stages: dict[str, TaskSignature],
) -> None:
    right = hold_out(0.3)
    mixed = Features(
        *(
            np.concatenate(part)[np.random.default_rng(0).permutation(300)]
            for part in zip(*right.values(), strict=True)
        )
    )
    wrong = {name: Features(mixed.trunk[k::3], mixed.tail[k::3]) for k, name in enumerate(NAMES)}
    routers = [route(stages, held_out)[0] for held_out in (right, wrong)]
    assert routers[0].margins == routers[1].margins


def test_features_behind_the_tail_that_are_not_finite_are_refused(
    stages: dict[str, TaskSignature], inputs: Features
) -> None:
    tail = inputs.tail.copy()
    tail[1, 0] = np.nan
    with pytest.raises(InputError, match="features of input 1: expected finite numbers"):
        Router(stages, Margins(math.inf, math.inf))(Features(inputs.trunk, tail))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("tail.means"), "tail's part of the test: expected arrays"),
        (
            lambda arrays: arrays.update({"nose.means": arrays["tail.means"]}),
            "expected arrays of trunk and tail, found 'nose.means'",
        ),
        (
            lambda arrays: arrays.update({"tail.counts": arrays["tail.counts"] + 1}),
            "expected equal counts of trunk and tail",
        ),
        (lambda arrays: arrays.pop("trunk.factor_classes"), "expected arrays"),
        (
            lambda arrays: arrays.update(
                {"trunk.factor_classes": arrays["trunk.factor_classes"][::-1].copy()}
            ),
            "expected factor_classes ascending",
        ),
        (
            lambda arrays: arrays.update(
                {"trunk.factor_classes": arrays["trunk.factor_classes"] + 1}
            ),
            "expected factor_classes ascending in 0..1",
        ),
        (
            lambda arrays: arrays.update(
                {"trunk.factor_classes": arrays["trunk.factor_classes"].astype(np.int32)}
            ),
            "expected factor_classes int64",
        ),
        (
            lambda arrays: arrays.update(
                {"trunk.factor_classes": arrays["trunk.factor_classes"][:-1].copy()}
            ),
            "expected factor_classes int64",
        ),
    ],
)
def test_stored_looks_that_do_not_fit_are_refused(
    stages: dict[str, TaskSignature], change: object, message: str
) -> None:
    arrays = stages["doors"].arrays()
    assert TaskSignature.from_arrays(arrays, "test", 10).tail.counts.tolist() == [100, 100]
    change(arrays)  # type: ignore[operator]
    with pytest.raises(IncompatibleError, match=message):
        TaskSignature.from_arrays(arrays, "test", 10)


def test_a_stored_signature_unpacks_the_part_that_is_asked_for_alone(
    stages: dict[str, TaskSignature],
) -> None:
    trunk = draw_views(0, 200, 0.3)["doors"]
    wide = make_wide({"doors": trunk}, 200)["doors"].arrays()
    assert not any(name.startswith("tail.") for name in wide)
    read_again = StoredSignature(wide, "test", 20, (10, 10, 10), 2)
    for part, features in (("first", trunk[:, :10]), ("tail", tail_of(trunk))):
        found, exact = getattr(read_again, part), exact_statistics(features, np.arange(200) % 2)
        np.testing.assert_allclose(found.means, exact.means, atol=0.01)
        spread = (found.factor**2).sum(axis=0) + found.diagonal
        np.testing.assert_allclose(spread, (exact.factor**2).sum(axis=0), rtol=0.01)
        assert found.quartic == pytest.approx(exact.quartic, rel=0.2)
    with pytest.raises(IncompatibleError, match=r"expected arrays of trunk, found 'tail\.counts'"):
        StoredSignature(stages["doors"].arrays(), "test", 20, (10, 10, 10), 2)
    arrays = stages["doors"].arrays()
    arrays["tail.means_scale"] = arrays["tail.means_scale"] * 3  # no power of two
    stored = StoredSignature(arrays, "test", 10)
    assert np.array_equal(stored.trunk.means, stages["doors"].trunk.means)
    for ask in (lambda: stored.tail, stored.whole):
        with pytest.raises(IncompatibleError, match="tail's part of the test: expected means"):
            ask()


@pytest.fixture
def looking_again(tiny_bundle: Path) -> Engine:
    """An engine that looks at two inputs of three again, and at one of three a third time."""
    bundle = read(tiny_bundle)
    manifest = dataclasses.replace(bundle.manifest, margins=Margins())
    for name, share in (("second", 0.7), ("third", 0.4)):
        margins = [
            one.margin or 0 for one in Engine(Bundle(manifest, bundle.objects)).predict(TEXTS)
        ]
        manifest = dataclasses.replace(
            manifest,
            margins=dataclasses.replace(
                manifest.margins, **{name: float(np.quantile(margins, share))}
            ),
        )
    return Engine(Bundle(manifest, bundle.objects))


def test_the_engine_looks_again_and_its_answers_do_not_depend_on_the_batch(
    tiny_bundle: Path, looking_again: Engine
) -> None:
    together = [replace(one, ms=0) for one in looking_again.predict(TEXTS)]
    assert together == [replace(looking_again.predict([text])[0], ms=0) for text in TEXTS]
    assert {one.stages for one in together} == {1, 2, 3}
    bundle = read(tiny_bundle)
    backbone = bundle.manifest.backbone
    encoder = Encoder.of({role: bundle[ref] for role, ref in backbone.files().items()}, backbone)
    found = looking_again.router(encoder.features(encoder(TEXTS)))
    assert [looking_again.tasks[task] for task in found.task] == [one.task for one in together]
    assert found.stages.tolist() == [one.stages for one in together]
    assert found.score.tolist() == pytest.approx([one.score for one in together])


def test_scaling_one_adapter_changes_no_task_no_margin_and_no_distance(
    tiny_bundle: Path, looking_again: Engine
) -> None:
    bundle = read(tiny_bundle)
    task = bundle.manifest.tasks[0]
    adapter = load_adapter(bundle[task.adapter], task, bundle.manifest.backbone)
    slots = {name: array * np.float32(1.15) for name, array in adapter.slots.items()}
    arrays = {**arrays_of(adapter), **slots, "head.weight": adapter.weight * np.float32(1.15)}
    data = adapter_onnx(arrays, base=bundle.manifest.backbone.digest, task=task.name)
    tasks = (dataclasses.replace(task, adapter=reference(data)), *bundle.manifest.tasks[1:])
    shipped = looking_again.manifest
    manifest = dataclasses.replace(
        bundle.manifest,
        tasks=tasks,
        margins=shipped.margins,
    )
    scaled = Engine(Bundle(manifest, {**bundle.objects, reference(data).sha256: data}))
    for one, other in zip(looking_again.predict(TEXTS), scaled.predict(TEXTS), strict=True):
        assert (one.task, one.margin, one.distance, one.stages) == (
            other.task,
            other.margin,
            other.distance,
            other.stages,
        )
    assert not np.array_equal(
        scaled.opened.class_scores(TEXTS, task.name),
        looking_again.opened.class_scores(TEXTS, task.name),
    )
