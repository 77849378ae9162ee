from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from every import cases
from made import WORDS, make_texts
from tiny import arrays_of

from cfedge import Engine
from cfedge.bundle.files import Bundle, read, reference
from cfedge.errors import IncompatibleError, InputError, TaskError, UsageError
from cfedge.lookup import ClusterStatistics, TaskSignature
from cfedge.lookup.ood import accepted_score, tail_score, trunk_score
from cfedge_export.adapters import adapter_onnx


@pytest.fixture
def engine(tiny_bundle: Path) -> Engine:
    return Engine.open(tiny_bundle)


@pytest.fixture
def mixed() -> list[str]:
    return [text for task in ("colors", "animals") for text, _ in make_texts(task, 8, seed=5)]


def test_answers_carry_task_label_and_evidence(engine: Engine) -> None:
    one = engine.predict(["crimson please"])[0]
    assert one.task in engine.tasks
    assert one.label in {label for labels in WORDS.values() for label in labels}
    assert 0 < one.probability <= 1
    assert one.margin is not None
    assert one.margin >= 0
    assert {one.task, one.runner_up} == {"animals", "colors"}
    assert one.unknown == (one.reason is not None)
    assert one.ms > 0
    json.dumps(one.as_dict(), allow_nan=False)


def test_the_reason_of_an_unknown_input_names_its_score_and_the_limit(
    engine: Engine,
) -> None:
    one = next(
        one
        for one in engine.predict(
            ["what is the time in tokyo", "zzz", "1 2 3", "who won the match"]
        )
        if one.unknown
    )
    task = next(task for task in engine.manifest.tasks if task.name == one.task)
    assert (
        one.reason == f"too unlike task {one.task!r} (score {one.ood_score:.1f}, limit"
        f" {task.threshold:.1f})"
    )


def test_most_unseen_texts_are_answered_right(engine: Engine) -> None:
    rows = [(task, *row) for task in ("colors", "animals") for row in make_texts(task, 10, seed=9)]
    answers = engine.predict([text for _, text, _ in rows])
    right = [
        one.task == task and one.label == label
        for one, (task, _, label) in zip(answers, rows, strict=True)
    ]
    assert np.mean(right) > 0.5  # six classes by chance: 0.17


def test_a_mixed_batch_answers_as_one_by_one_to_the_last_bit(
    engine: Engine, mixed: list[str]
) -> None:
    together = [replace(one, ms=0) for one in engine.predict(mixed)]
    alone = [replace(engine.predict([text])[0], ms=0) for text in mixed]
    assert len({one.task for one in together}) == 2
    assert together == alone


def test_order_within_a_batch_does_not_matter(engine: Engine, mixed: list[str]) -> None:
    forward, backward = engine.predict(mixed), engine.predict(mixed[::-1])[::-1]
    assert [(one.label, one.probability) for one in forward] == [
        (one.label, one.probability) for one in backward
    ]


def test_a_known_task_is_obeyed_and_its_scores_are_those_of_its_head(
    engine: Engine, mixed: list[str]
) -> None:
    answers = engine.predict(mixed, task="colors")
    classes = next(task.classes for task in engine.manifest.tasks if task.name == "colors")
    assert {one.task for one in answers} == {"colors"}
    scores = engine.opened.class_scores(mixed, "colors")
    assert [one.label for one in answers] == [classes[row] for row in scores.argmax(axis=1)]
    soft = np.exp(scores - scores.max(axis=1, keepdims=True))
    np.testing.assert_allclose(
        [one.probability for one in answers],
        (soft / soft.sum(axis=1, keepdims=True)).max(axis=1),
        rtol=1e-5,
    )


def test_evidence_is_of_the_task_that_was_given(engine: Engine, mixed: list[str]) -> None:
    position = engine.tasks.index("colors")
    thresholds = {task.name: task.threshold for task in engine.manifest.tasks}
    free, given = engine.predict(mixed), engine.predict(mixed, task="colors")
    assert {one.task for one in free} == {"animals", "colors"}
    kinds = set()
    for text, one, other in zip(mixed, given, free, strict=True):
        encoded = engine.opened.encoder([text])
        first = engine.router.first
        scored = first.scored(encoded.features[0][:32])
        scores, square = first.task_scores(scored), scored.square
        assert one.score == pytest.approx(scores[position], rel=1e-5)
        assert one.margin == pytest.approx(scores[position] - scores[1 - position], rel=1e-4)
        assert one.distance == pytest.approx(square - 2 * scores[position], rel=1e-4)
        assert (one.runner_up, one.stages) == ("animals", 1)
        rule = engine.opened.tasks["colors"].task.calibration
        trunk = engine.router.behind_trunk(encoded.features[0], position)
        (frozen,) = engine.opened.encoder.frozen(encoded)
        behind = tail_score(rule, trunk, engine.router.behind_tail(frozen, position))
        known = trunk_score(rule, trunk) <= rule.accepted
        kinds.add(known)
        expected = accepted_score(rule, trunk_score(rule, trunk)) if known else behind
        assert one.ood_score == pytest.approx(expected, rel=1e-5)
        assert one.unknown == (one.ood_score > thresholds["colors"])
        assert other.stages > 1 or (one.margin > 0) == (other.task == "colors")
    assert kinds == {True, False}


def test_a_given_task_must_be_one(engine: Engine) -> None:
    with pytest.raises(UsageError, match=r"found 'bundle'; open .* with Engine\.open\(path\)"):
        Engine("bundle")  # type: ignore[arg-type]
    for name in ("", "lifts"):
        with pytest.raises(
            TaskError, match=f"task: expected one of animals, colors, found '{name}'"
        ):
            engine.predict(["crimson please"], task=name)
    with pytest.raises(TaskError, match=r"found \['colors'\]; name one of them"):
        engine.predict(["crimson please"], task=["colors"])  # type: ignore[arg-type]


def test_no_texts_give_no_answers_and_one_string_one_answer(engine: Engine) -> None:
    assert engine.predict([]) == []
    with pytest.raises(UsageError, match="coverage: expected a share"):
        engine.predict([], coverage=1.99)
    assert engine.predict(np.array([], dtype=object)) == []
    assert len(engine.predict("crimson please")) == 1


@pytest.mark.parametrize(
    "kind", [list, tuple, iter, np.array, lambda texts: np.array(texts, dtype=object)]
)
def test_any_sequence_of_texts_is_answered_as_a_list_is(
    engine: Engine, kind: Callable[[list[str]], Any]
) -> None:
    texts = ["crimson please", "my puppy"]
    answers = [(answer.task, answer.label) for answer in engine.predict(texts)]
    assert [(answer.task, answer.label) for answer in engine.predict(kind(texts))] == answers


@pytest.mark.parametrize(
    ("odd", "found"), [(None, "None"), ({"text": "x"}, "dict"), (b"x", "bytes")]
)
def test_what_is_no_sequence_of_texts_is_refused_by_name(
    engine: Engine, odd: object, found: str
) -> None:
    with pytest.raises(
        InputError, match=f"inputs: expected a text or a sequence of them, found {found}"
    ):
        engine.predict(odd)


@pytest.mark.parametrize(
    ("bad", "found"),
    [
        ("", "an empty one"),
        ("  \t", "white space only"),
        (None, "None"),
        (float("nan"), "NaN"),
        (b"x", "bytes"),
        ("\ud800", "a lone surrogate"),
        (3.5, "float"),
    ],
)
def test_what_is_not_a_text_is_refused_by_position(engine: Engine, bad: object, found: str) -> None:
    with pytest.raises(InputError, match=rf"input 1: expected .*{found}"):
        engine.predict(["crimson", bad])  # type: ignore[list-item]


def test_a_text_of_ten_thousand_words_is_cut_and_says_so(engine: Engine) -> None:
    long, short = engine.predict(["crimson " * 10_000, "crimson"])
    assert long.truncated
    assert not short.truncated


def test_strange_but_valid_texts_are_answered(engine: Engine) -> None:
    texts = ["🙂" * 50, "ǅ̈\u200b", "a\x00b", "crimson\n\nscarlet", "مرحبا", "\ufeffcrimson"]
    assert len(engine.predict(texts)) == len(texts)


def test_an_unknown_task_is_refused_with_the_known_ones(engine: Engine) -> None:
    with pytest.raises(TaskError, match="animals, colors, found 'nope'"):
        engine.predict(["crimson"], task="nope")


@pytest.mark.parametrize(("threshold", "unknown"), [(-1e9, True), (1e9, False)])
def test_an_input_is_unknown_where_its_novelty_is_above_the_tasks_threshold(
    tiny_bundle: Path, threshold: float, unknown: bool
) -> None:
    bundle = read(tiny_bundle)
    tasks = tuple(dataclasses.replace(task, threshold=threshold) for task in bundle.manifest.tasks)
    one = Engine(Bundle(dataclasses.replace(bundle.manifest, tasks=tasks), bundle.objects)).predict(
        ["crimson please"]
    )[0]
    assert one.unknown is unknown
    assert (one.reason is not None) is unknown
    assert (one.task, one.label) == (lambda other: (other.task, other.label))(
        Engine(bundle).predict(["crimson please"])[0]
    )


def test_features_that_are_not_finite_are_refused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Poisoned:
        def run(self, names: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
            batch, tokens = feeds["input_ids"].shape
            return [
                np.zeros((batch, tokens, 32), np.float32),
                np.full((batch, 96), np.nan, np.float32),
            ]

    monkeypatch.setattr(engine.opened.encoder.trunk, "_session", Poisoned())
    with pytest.raises(InputError, match="features of input 0: expected finite numbers, found NaN"):
        engine.predict(["crimson"])


def test_scores_that_are_not_finite_are_refused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Poisoned:
        def run(self, names: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [np.full((len(feeds["hidden"]), 32), np.nan, np.float32)]

    monkeypatch.setattr(engine.opened.encoder.tail, "_session", Poisoned())
    with pytest.raises(InputError, match="of input 0: expected finite numbers"):
        engine.predict(["crimson"])


def _with_adapter(bundle: Bundle, **changes: object) -> Bundle:
    """The bundle with the first task's adapter written anew."""
    from cfedge.runtime.adapter import load_adapter

    task = bundle.manifest.tasks[0]
    adapter = load_adapter(bundle[task.adapter], task, bundle.manifest.backbone)
    arrays = arrays_of(adapter)
    arrays.update(changes.pop("arrays", {}))  # type: ignore[call-overload]
    arrays = {name: array for name, array in arrays.items() if array is not None}
    stated = {"base": bundle.manifest.backbone.digest, "task": task.name, **changes}
    data = adapter_onnx(arrays, **stated)  # type: ignore[arg-type]
    return _replaced(bundle, "adapter", data)


def _replaced(bundle: Bundle, part: str, data: bytes) -> Bundle:
    ref = reference(data)
    first = dataclasses.replace(bundle.manifest.tasks[0], **{part: ref})
    manifest = dataclasses.replace(bundle.manifest, tasks=(first, *bundle.manifest.tasks[1:]))
    return Bundle(manifest, {**bundle.objects, ref.sha256: data})


@cases(
    ("changes", "found"),
    [
        ({"base": "0" * 64}, "cfedge.base = .* found 0000"),
        ({"task": "other"}, "cfedge.task = animals, found other"),
        (
            {"arrays": {"head.bias": np.zeros(7, np.float32)}},
            r"head.bias float32 \(3,\), found float32 \(7,\)",
        ),
        ({"arrays": {"a.l2.o": None}}, "'a.l2.o'"),
        ({"arrays": {"trunk.weight": None}}, "'trunk.weight'"),
        (
            {"arrays": {"trunk.weight": np.ones((32, 3), np.float32)}},
            r"trunk.weight float32 \(96, 3\), found float32 \(32, 3\)",
        ),
        (
            {"arrays": {"trunk.bias": np.full(3, np.inf, np.float32)}},
            "finite numbers in trunk.bias",
        ),
        (
            {"arrays": {"exit.margin": np.full(1, np.nan, np.float32)}},
            "finite numbers in exit.margin",
        ),
        (
            {"arrays": {"exit.margin": np.zeros(2, np.float32)}},
            r"exit.margin float32 \(1,\), found float32 \(2,\)",
        ),
        ({"arrays": {"shape.bias": None}}, "'shape.bias'"),
        ({"arrays": {"a.l9.o": np.ones((1, 32, 2), np.float32)}}, "'a.l9.o'"),
        (
            {"arrays": {"shape.weight": np.ones((32, 25), np.float32)}},
            r"shape.weight float32 \(32, 24\), found float32 \(32, 25\)",
        ),
        (
            {"arrays": {"b.l2.o": np.ones((1, 2, 31), np.float32)}},
            r"b.l2.o float32 \(1, 2, 32\), found float32 \(1, 2, 31\)",
        ),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_by_name(
    tiny_bundle: Path, changes: dict[str, object], found: str
) -> None:
    bundle = read(tiny_bundle)
    Engine(_with_adapter(bundle))
    with pytest.raises(IncompatibleError, match=rf"adapter of task 'animals': expected .*{found}"):
        Engine(_with_adapter(bundle, **changes))


def test_an_adapter_that_is_no_graph_is_refused(tiny_bundle: Path) -> None:
    with pytest.raises(
        IncompatibleError, match="adapter of task 'animals': expected a graph that ONNX Runtime"
    ):
        Engine(_replaced(read(tiny_bundle), "adapter", b"\x00" * 100))


def test_an_adapter_with_inputs_is_refused(tiny_bundle: Path) -> None:
    bundle = read(tiny_bundle)
    with pytest.raises(IncompatibleError, match="expected a graph without inputs, found 'hidden'"):
        Engine(_replaced(bundle, "adapter", bundle[bundle.manifest.backbone.tail]))


def test_a_signature_of_another_width_is_refused(tiny_bundle: Path) -> None:
    from cfedge.bundle.arrays import dump_arrays

    other = ClusterStatistics(
        np.ones(2, np.int64),
        np.zeros((2, 16), np.float32),
        np.zeros((1, 16), np.float32),
        np.ones(16, np.float32),
        1.0,
        np.zeros(1, np.int64),
    )
    with pytest.raises(IncompatibleError, match="signature of task 'animals': expected"):
        Engine(
            _replaced(
                read(tiny_bundle),
                "signature",
                dump_arrays(TaskSignature(other, other).arrays()),
            )
        )


def test_a_trunk_without_the_views_is_refused(tiny_bundle: Path) -> None:
    bundle = read(tiny_bundle)
    trunk = onnx.load_from_string(bundle[bundle.manifest.backbone.trunk])
    concat = next(node for node in trunk.graph.node if "features" in node.output)
    concat.input[:] = concat.input[:1]
    next(one for one in trunk.graph.output if one.name == "features").type.tensor_type.shape.dim[
        1
    ].dim_value = 32
    ref = reference(trunk.SerializeToString())
    backbone = dataclasses.replace(bundle.manifest.backbone, trunk=ref)
    with pytest.raises(
        IncompatibleError, match=r"trunk: expected output features float \[any, 96\], found"
    ):
        Engine(
            Bundle(
                dataclasses.replace(bundle.manifest, backbone=backbone),
                {**bundle.objects, ref.sha256: trunk.SerializeToString()},
            )
        )


def test_a_tail_without_the_slots_is_refused(tiny_bundle: Path) -> None:
    bundle = read(tiny_bundle)
    backbone = dataclasses.replace(
        bundle.manifest.backbone, slots=bundle.manifest.backbone.slots[:-1]
    )
    with pytest.raises(
        IncompatibleError, match=r"tail: expected 7 inputs, found a difference at 'a\.l2\.fc2'"
    ):
        Engine(Bundle(dataclasses.replace(bundle.manifest, backbone=backbone), bundle.objects))


def test_a_bundle_without_tasks_is_refused(tiny_bundle: Path) -> None:
    bundle = read(tiny_bundle)
    with pytest.raises(IncompatibleError, match="expected at least one task, found none"):
        Engine(Bundle(dataclasses.replace(bundle.manifest, tasks=()), bundle.objects))


def test_warming_up_makes_what_the_first_inputs_would_wait_for_and_changes_no_answer(
    tiny_bundle: Path,
) -> None:
    cold, warm = Engine.open(tiny_bundle), Engine.open(tiny_bundle)
    warm.warm_up()
    made = {(kind.__name__, part) for kind, part in warm.router._made._made}
    kinds = ("Lookup", "ClassTable", "Familiarity")
    assert made == {(kind, part) for kind in kinds for part in ("trunk", "tail")}
    assert [part for _, part in cold.router._made._made] == ["trunk"]
    texts = ["crimson please", "puppy nest", "the of"]
    assert [replace(one, ms=0) for one in warm.predict(texts)] == [
        replace(one, ms=0) for one in cold.predict(texts)
    ]
