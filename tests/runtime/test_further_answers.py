"""`Engine.predict(top=, coverage=)`: beside the ordinary answer, which stays as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made import make_texts

from cfedge import Engine
from cfedge.bundle.files import Bundle, read
from cfedge.bundle.manifest import Task
from cfedge.calibration import COVERAGES, Odds
from cfedge.errors import TaskError, UsageError
from cfedge.lookup import decide
from cfedge.lookup.shares import shares
from cfedge.runtime.answers import Answers
from cfedge.runtime.prediction import Prediction
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.build_bundle import build

TEXTS = [
    *(text for task in ("colors", "animals") for text, _ in make_texts(task, 10, seed=5)),
    "what is the time in tokyo",
    "zzz",
]
#: Odds by which the tasks stay close, so that the other's heads matter.
CLOSE = Odds((0.05, 0.05, 0.05), (0.4, 0.2, 0.0), (0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01))


def with_odds(bundle: Bundle, odds: Odds | None, **fields: object) -> Bundle:
    def changed(task: Task) -> Task:
        rule = task.calibration if odds is None else replace(task.calibration, odds=odds)
        return replace(task, calibration=rule, **fields)

    tasks = tuple(changed(task) for task in bundle.manifest.tasks)
    return Bundle(replace(bundle.manifest, tasks=tasks), bundle.objects)


@pytest.fixture
def engine(tiny_bundle: Path) -> Engine:
    return Engine(with_odds(read(tiny_bundle), CLOSE))


def plain(answers: list[Prediction]) -> list[Prediction]:
    return [replace(one, ms=0, top=None, coverage=None, label_set=None) for one in answers]


def pairs_of(engine: Engine, text: str) -> dict[tuple[str, str], float]:
    """The probability of every pair of task and label, from what each head says alone."""
    answering = engine.opened.answering
    encoded = engine.opened.encode([text])
    (evidence,) = answering.identify(encoded, answering.judge(encoded))
    match = decide(evidence)
    odds = answering.tasks[match.task].calibration.odds
    share = shares(odds, match, engine.router.task_scores(evidence))
    found = {}
    for place, task in enumerate(answering.tasks):
        adapter = engine.adapters(task)
        trunk = adapter.trunk(encoded.features[0])
        adapted = adapter.adapted(engine.opened.embeddings([text], task.name)[0])
        scores = adapter.scores(adapted, trunk).astype(np.float64)
        head = np.exp(scores - scores.max())
        for label, one in zip(task.classes, head / head.sum(), strict=True):
            found[task.name, label] = float(share[place] * one)
    return found


def test_a_head_that_was_asked_is_not_run_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tail, rows = type(engine.opened.encoder.tail), []
    real = tail.__call__

    def counted(self: object, hidden: list[object], *more: object) -> object:
        rows.append(len(hidden))
        return real(self, hidden, *more)

    monkeypatch.setattr(tail, "__call__", counted)
    cost = {}
    for task in (None, "colors"):
        for top in (None, 1, 100):
            rows.clear()
            found = engine.predict(TEXTS, task=task, top=top)
            cost[task, top] = sum(rows)
    assert 0 < cost["colors", None] == cost["colors", 100]  # no other task matters
    assert cost[None, 1] == cost[None, None]
    others = len(engine.tasks) - 1
    assert cost[None, None] < cost[None, 100] <= cost[None, None] + others * len(found)


@pytest.mark.parametrize("task", [None, "colors"])
def test_the_ordinary_answers_stay_as_they_are_to_the_last_bit(
    engine: Engine, task: str | None
) -> None:
    alone = engine.predict(TEXTS, task=task)
    more = engine.predict(TEXTS, task=task, top=3, coverage=0.9)
    assert plain(more) == plain(alone)
    assert {one.unknown for one in alone} == {True, False}
    for one in more:
        assert one.top[0] == one.label_set[0]
        assert (one.top[0].task, one.top[0].label) == (one.task, one.label)
        assert one.top[0].probability == one.probability
        assert one.coverage == 0.9
    assert all((one.top, one.label_set, one.coverage) == (None,) * 3 for one in alone)


def test_the_likeliest_and_the_set_are_those_of_all_pairs(engine: Engine) -> None:
    other_tasks, limit = 0, CLOSE.limits[COVERAGES.index(0.8)]
    for text, one in zip(TEXTS, engine.predict(TEXTS, top=3, coverage=0.8), strict=True):
        pairs = pairs_of(engine, text)
        first = pairs.pop((one.task, one.label))
        assert one.probability == pytest.approx(first, rel=1e-5)
        best = sorted(pairs, key=lambda pair: -pairs[pair])[:2]
        assert [(choice.task, choice.label) for choice in one.top[1:]] == best
        assert [choice.probability for choice in one.top[1:]] == pytest.approx(
            [pairs[pair] for pair in best], rel=1e-5
        )
        inside = {pair for pair, probability in pairs.items() if probability >= limit}
        assert {(choice.task, choice.label) for choice in one.label_set[1:]} == inside
        other_tasks += sum(choice.task != one.task for choice in (*one.top, *one.label_set))
    assert other_tasks > 10


def test_with_the_task_given_only_its_labels_are_named(engine: Engine) -> None:
    for one in engine.predict(TEXTS, task="animals", top=9, coverage=0.9):
        assert {choice.task for choice in (*one.top, *one.label_set)} == {"animals"}
        assert len(one.top) == 3
        assert sum(choice.probability for choice in one.top) == pytest.approx(1.0)


def test_the_probability_is_that_of_task_and_label(engine: Engine) -> None:
    for text in TEXTS:
        (one,), (given,) = engine.predict([text]), engine.predict([text], task=None)
        assert one.probability == given.probability
        (label,) = engine.predict([text], task=one.task)
        assert one.probability == pytest.approx(
            label.probability * CLOSE.of_task(one.stages, one.margin), rel=1e-9
        )


def test_labels_that_mean_the_same_make_an_answer_surer_and_are_named_once(
    tiny_bundle: Path,
) -> None:
    bundle = with_odds(read(tiny_bundle), CLOSE)
    tasks = [
        replace(
            task, same_labels={label: f"same {place}" for place, label in enumerate(task.classes)}
        )
        for task in bundle.manifest.tasks
    ]
    joined = Engine(Bundle(replace(bundle.manifest, tasks=tuple(tasks)), bundle.objects))
    apart = Engine(bundle)
    answers = zip(joined.predict(TEXTS, top=9, coverage=0.9), apart.predict(TEXTS), strict=True)
    for text, (one, other) in zip(TEXTS, answers, strict=True):
        assert (one.task, one.label) == (other.task, other.label)
        (given,) = apart.predict([text], task=one.task)
        assert one.probability == given.probability > other.probability
        meanings = [
            joined.opened.answering.meanings.of(choice.task, choice.label) for choice in one.top
        ]
        assert len(set(meanings)) == len(meanings) == 3


def test_a_single_task_is_certain_and_promises_as_others_do(tiny_bundle: Path) -> None:
    bundle = with_odds(read(tiny_bundle), CLOSE)
    (colors,) = (task for task in bundle.manifest.tasks if task.name == "colors")
    kept = {ref.sha256 for ref in replace(bundle.manifest, tasks=(colors,)).files().values()}
    objects = {digest: data for digest, data in bundle.objects.items() if digest in kept}
    engine = Engine(Bundle(replace(bundle.manifest, tasks=(colors,)), objects))
    both = engine.predict(TEXTS, top=2, coverage=0.9), engine.predict(TEXTS, task="colors", top=2)
    for one, given in zip(*both, strict=True):
        assert one.margin is None
        assert one.probability == given.probability
        assert one.top == given.top


@pytest.mark.parametrize(
    ("top", "wanted"),
    [
        (0, "how many answers, 1 or more"),
        (-1, "how many answers, 1 or more"),
        (1.5, "a whole number or None"),
        (True, "a whole number or None"),
        ("2", "a whole number or None"),
    ],
)
def test_a_number_of_answers_that_is_none_is_refused(
    engine: Engine, top: object, wanted: str
) -> None:
    with pytest.raises(UsageError, match=f"top: expected {wanted}, found {top!r}"):
        engine.predict(TEXTS, top=top)


@pytest.mark.parametrize("coverage", [0.0, -0.5, 0.995, 1.0, 2.0, float("nan")])
def test_a_coverage_that_nothing_can_promise_is_refused(engine: Engine, coverage: float) -> None:
    with pytest.raises(UsageError, match=r"coverage: expected a share from 0\.5 to 0\.99, "):
        engine.predict(TEXTS, coverage=coverage)


def test_a_coverage_that_is_not_listed_is_the_next_that_is(engine: Engine) -> None:
    found = engine.predict(TEXTS, coverage=0.91)
    assert {one.coverage for one in found} == {0.95}
    assert [one.label_set for one in found] == [
        one.label_set for one in engine.predict(TEXTS, coverage=0.95)
    ]


def test_too_few_held_out_examples_are_told_with_how_many_it_takes(tiny_bundle: Path) -> None:
    bundle = read(tiny_bundle)
    few = replace(CLOSE, limits=CLOSE.limits[:5])
    engine = Engine(with_odds(bundle, few))
    held_out = {task.certificate.held_out for task in bundle.manifest.tasks}
    assert max(held_out) < 99
    message = (
        rf"^coverage 0\.99 of task 'animals': expected at least 99 held-out examples, found"
        rf" \d+; ask for at most {COVERAGES[4]:g}, or hold out more$"
    )
    with pytest.raises(UsageError, match=message):
        engine.predict(TEXTS, coverage=0.99)
    with pytest.raises(UsageError, match="99 held-out examples"):  # before a line is read
        Answers(engine, coverage=0.99)
    assert engine.predict(TEXTS, coverage=COVERAGES[4])[0].coverage == COVERAGES[4]
    last = bundle.manifest.tasks[-1]
    fewer = replace(CLOSE, limits=CLOSE.limits[:2])  # of one task alone: it decides for all
    tasks = (*with_odds(bundle, few).manifest.tasks[:-1], replace(last, calibration=replace(last.calibration, odds=fewer)))  # fmt: skip
    mixed = Engine(replace(bundle, manifest=replace(bundle.manifest, tasks=tasks)))
    with pytest.raises(UsageError, match=f"{last.name!r}.*; ask for at most {COVERAGES[1]:g}, or"):
        mixed.predict(TEXTS, coverage=0.99)
    none = Engine(with_odds(bundle, replace(CLOSE, limits=())))
    with pytest.raises(UsageError, match=r"expected that it was measured, found that it was not"):
        none.predict(TEXTS, coverage=0.5)


def test_a_task_that_is_given_alone_need_promise(tiny_bundle: Path) -> None:
    bundle = with_odds(read(tiny_bundle), CLOSE)
    tasks = tuple(
        replace(task, calibration=replace(task.calibration, odds=replace(CLOSE, limits=())))
        if task.name == "colors"
        else task
        for task in bundle.manifest.tasks
    )
    engine = Engine(Bundle(replace(bundle.manifest, tasks=tasks), bundle.objects))
    with pytest.raises(UsageError, match="task 'colors'"):
        engine.predict(TEXTS, coverage=0.9)
    assert engine.predict(TEXTS, task="animals", coverage=0.9)
    with pytest.raises(TaskError):
        engine.check_wanted("nothing", top=2)


@pytest.mark.parametrize(
    ("option", "given"), [("--top", {"top": 2}), ("--coverage", {"coverage": 0.9})]
)
def test_a_stream_names_no_further_answers(
    engine: Engine, option: str, given: dict[str, float]
) -> None:
    with pytest.raises(UsageError, match=f"^{option}: expected no --session beside it"):
        Answers(engine, session=True, **given)


def test_answers_as_json_name_what_was_asked_for_alone(engine: Engine) -> None:
    (alone,), (more,) = engine.predict(TEXTS[:1]), engine.predict(TEXTS[:1], top=2, coverage=0.9)
    assert not {"top", "coverage", "label_set"} & set(alone.as_dict())
    found = json.loads(json.dumps(engine.evidence(more), allow_nan=False))
    assert [set(one) for one in found["top"]] == [{"task", "label", "probability"}] * 2
    assert found["probability"] == more.probability
    foreign = json.loads(json.dumps(engine.evidence(replace(more, unknown=True))))
    beside = [foreign, *foreign["top"], *foreign["label_set"]]
    assert [one["probability"] for one in beside] == [None] * len(beside)
    assert found["coverage"] == 0.9
    assert found["label_set"][0] == found["top"][0]


def test_an_exported_bundle_promises_what_its_held_out_inputs_allow(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    bundle = build(workspace)
    for task in bundle.manifest.tasks:
        odds = task.calibration.odds
        allowed = [
            one
            for one in COVERAGES
            if np.ceil((task.certificate.held_out + 1) * one - 1e-9) <= task.certificate.held_out
        ]
        assert len(odds.limits) == len(allowed) > 0
        assert odds.slopes == bundle.manifest.tasks[0].calibration.odds.slopes
    engine = Engine(bundle)
    hits = []
    for name in workspace.tasks:
        texts, labels = zip(*make_texts(name, 60, seed=11), strict=True)
        for one, label in zip(engine.predict(texts, coverage=0.8), labels, strict=True):
            hits.append((name, label) in [(choice.task, choice.label) for choice in one.label_set])
    assert np.mean(hits) > 0.7  # 120 inputs by some 20 held out: two standard errors below .8
