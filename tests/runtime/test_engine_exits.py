"""Answers that end behind the trunk: which, that they are the whole head's, and that other tasks
and the batch do not move them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made import make_texts
from tiny import arrays_of, only, with_adapters

from cfedge import Engine
from cfedge.bundle.files import Bundle, read, reference, write
from cfedge.calibration import NOTHING_UNKNOWN
from cfedge.errors import InputError
from cfedge.lookup.ood import trunk_score
from cfedge.runtime import backbone
from cfedge.runtime.adapter import NEVER, Adapter, load_adapter
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.adapters import adapter_onnx
from cfedge_export.build_bundle import build

TEXTS = [text for task in ("colors", "animals", "food") for text, _ in make_texts(task, 8, seed=5)]


def _ending(bundle: Bundle, margin: float) -> Bundle:
    exits = {"exit.margin": np.array([margin], np.float32)}
    return with_adapters(bundle, lambda arrays: {**arrays, **exits})


def _margin(bundle: Bundle, share: float) -> float:
    """What the trunk's part of the heads reaches for so many of the texts."""
    engine, found = Engine(bundle), []
    for name in engine.tasks:
        adapter = engine.adapters(engine.opened.tasks[name].task)
        scores = np.sort(adapter.trunk(np.stack(engine.opened.encoder(TEXTS).features)), axis=1)
        found += (scores[:, -1] - scores[:, -2]).tolist()
    return float(np.quantile(found, 1 - share))


@pytest.fixture
def bundle(tiny_bundle: Path) -> Bundle:
    whole = read(tiny_bundle)
    return _ending(whole, _margin(whole, 0.5))


def _counted(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    rows: list[int] = []
    tail = engine.opened.encoder.tail
    monkeypatch.setattr(
        engine.opened.encoder,
        "tail",
        lambda hidden, slots: rows.append(len(hidden)) or tail(hidden, slots),
    )  # type: ignore[func-returns-value]
    return rows


def test_inputs_that_the_trunk_is_sure_of_take_no_run_of_the_tail(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = tuple(replace(task, calibration=NOTHING_UNKNOWN) for task in bundle.manifest.tasks)
    margins = replace(bundle.manifest.margins, third=0.0)
    manifest = replace(bundle.manifest, margins=margins, tasks=tasks)
    engine = Engine(Bundle(manifest, bundle.objects))
    rows = _counted(engine, monkeypatch)
    answers = engine.predict(TEXTS)
    early = sum(one.early_exit for one in answers)
    assert 0 < early < len(TEXTS)
    assert rows == [len(TEXTS) - early]


def test_an_input_that_needs_both_tails_takes_one_run_and_gets_the_same_bits(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = _ending(bundle, float(NEVER))
    tasks = tuple(
        replace(task, calibration=replace(task.calibration, accepted=-1e9))
        for task in late.manifest.tasks
    )
    engine = Engine(Bundle(replace(late.manifest, tasks=tasks), late.objects))
    rows = _counted(engine, monkeypatch)
    for given in (None, engine.tasks[0]):
        rows.clear()
        together = [replace(engine.predict(text, task=given)[0], ms=0.0) for text in TEXTS]
        # a task that the third stage changed is asked alone
        assert rows.count(2) == len(TEXTS)
        assert len(rows) == len(TEXTS) if given else len(rows) < 1.5 * len(TEXTS)
        with monkeypatch.context() as apart:
            apart.setattr(engine.opened.encoder, "pairs", False)
            rows.clear()
            alone = [replace(engine.predict(text, task=given)[0], ms=0.0) for text in TEXTS]
        assert rows == [1] * (2 * len(TEXTS))
        assert (
            together == alone == [replace(one, ms=0.0) for one in engine.predict(TEXTS, task=given)]
        )


def test_each_answer_is_what_the_format_says(bundle: Bundle) -> None:
    engine = Engine(bundle)
    tasks = {task.name: task for task in engine.manifest.tasks}
    kinds = set()
    for text, one in zip(TEXTS, engine.predict(TEXTS), strict=True):
        task = tasks[one.task]
        adapter = engine.adapters(task)
        own = adapter.trunk(engine.opened.encoder([text]).features[0])
        adapted = adapter.adapted(engine.opened.embeddings([text], one.task)[0])
        sure = np.sort(own)[-1] - np.sort(own)[-2] >= adapter.exit_margin
        assert one.early_exit == sure
        scores = own if sure else own + adapted
        assert one.label == task.classes[scores.argmax()]
        odds = task.calibration.odds
        apart = odds.offsets[one.stages - 1] + odds.slopes[one.stages - 1] * one.margin
        label = float(1 / np.exp(scores - scores.max()).sum())
        assert one.probability == pytest.approx(label / (1 + np.exp(-apart)), rel=1e-5)
        assert one.unknown == (one.ood_score > task.threshold)
        kinds.add(bool(sure))
    assert kinds == {True, False}


def test_how_strange_an_input_is_moves_neither_its_task_nor_its_label(
    bundle: Bundle,
) -> None:
    far = replace(
        bundle.manifest,
        tasks=tuple(replace(task, threshold=-1e6) for task in bundle.manifest.tasks),
    )
    near, distant = (
        Engine(bundle).predict(TEXTS),
        Engine(Bundle(far, bundle.objects)).predict(TEXTS),
    )
    assert any(one.early_exit for one in near)
    for one, other in zip(near, distant, strict=True):
        assert other.unknown
        assert (one.task, one.label, one.early_exit) == (other.task, other.label, other.early_exit)


def test_the_batch_moves_no_bit(bundle: Bundle) -> None:
    engine = Engine(bundle)
    together = engine.predict(TEXTS)
    assert len({one.early_exit for one in together}) == 2
    alone = [engine.predict([text])[0] for text in TEXTS]
    assert [replace(one, ms=0) for one in together] == [replace(one, ms=0) for one in alone]


def test_a_task_added_moves_no_label_and_no_probability_of_another(bundle: Bundle) -> None:
    whole, alone = Engine(bundle), Engine(only(bundle, "colors"))
    assert any(one.early_exit for one in alone.predict(TEXTS, task="colors"))
    for one, other in zip(
        alone.predict(TEXTS, task="colors"), whole.predict(TEXTS, task="colors"), strict=True
    ):
        assert (one.label, one.probability) == (other.label, other.probability)
    assert np.array_equal(
        alone.opened.class_scores(TEXTS, "colors"), whole.opened.class_scores(TEXTS, "colors")
    )


def test_an_adapted_score_that_is_infinite_is_refused(
    bundle: Bundle,
) -> None:
    features = Engine(bundle).opened.embeddings(
        TEXTS[:1], Engine(bundle).predict(TEXTS[:1])[0].task
    )[0]

    def overflowing(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        signs = np.repeat(np.sign(features)[:, None], len(arrays["head.bias"]), axis=1)
        huge = {
            "head.weight": signs * np.float32(3e38),
            "head.bias": np.full_like(arrays["head.bias"], 3.4e38),
        }
        return {
            **arrays,
            **huge,
            "exit.margin": np.array([NEVER], np.float32),
        }

    tasks = bundle.manifest.tasks
    objects, made = dict(bundle.objects), []
    for task in tasks:
        data = adapter_onnx(
            overflowing(arrays_of(load_adapter(bundle[task.adapter], task, bundle.manifest.backbone))),
            base=bundle.manifest.backbone.digest, task=task.name,
        )  # fmt: skip
        objects[reference(data).sha256] = data
        made.append(replace(task, adapter=reference(data)))
    engine = Engine(Bundle(replace(bundle.manifest, tasks=tuple(made)), objects))
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(InputError, match="scores of input 0: expected finite numbers"),
    ):
        engine.predict(TEXTS[:1])


@pytest.mark.usefixtures("verified_by_a_child")  # which opens sessions of its own
def test_the_tail_is_opened_when_an_answer_first_needs_it(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(bundle, tmp_path / "ending")
    Engine.open(tmp_path / "ending")  # proven on this machine from now on
    opened: list[str] = []
    real = backbone.open_session
    monkeypatch.setattr(
        backbone,
        "open_session",
        lambda model, what, **more: opened.append(what) or real(model, what, **more),
    )  # type: ignore[func-returns-value]
    rules = {task.name: task.calibration for task in bundle.manifest.tasks}
    early = next(
        text
        for text, one in zip(TEXTS, Engine(bundle).predict(TEXTS), strict=True)
        if one.early_exit and one.stages < 3 and one.ood_score <= rules[one.task].least
    )
    opened.clear()
    engine = Engine.open(tmp_path / "ending")
    assert engine.predict([early])[0].early_exit
    assert opened == ["trunk"]
    engine.predict(TEXTS)
    engine.predict(TEXTS)
    assert opened == ["trunk", "tail"]
    warm = Engine.open(tmp_path / "ending")
    warm.warm_up()
    assert opened == ["trunk", "tail"] * 2
    opened.clear()
    Engine(bundle)  # which nobody has proven
    assert opened == ["trunk", "tail"]


def test_never_is_never_and_where_the_tail_agrees_labels_are_the_same(bundle: Bundle) -> None:
    always = Engine(_ending(bundle, float(NEVER))).predict(TEXTS)
    assert not any(one.early_exit for one in always)


def test_a_closed_form_head_ends_early_where_its_trunks_part_is_sure(
    tiny_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cfedge.train.examples.examples import Examples

    workspace = WorkspaceFolder(tiny_workspace)
    rows = make_texts("food", 60, seed=0)
    examples = Examples(*zip(*rows, strict=True), "food")
    learn(workspace, "food", examples, settings=Settings(method="closed-form"))
    for name in ("animals", "colors"):
        workspace.remove(name)
    engine = Engine(build(workspace))
    rows_run = _counted(engine, monkeypatch)
    answers = engine.predict([text for text, _ in rows])
    (rule,) = (task.calibration for task in engine.manifest.tasks)
    encoded = engine.opened.encoder([text for text, _ in rows])
    trunks = [engine.router.behind_trunk(row, 0) for row in encoded.features]
    frozen = [trunk_score(rule, trunk) > rule.accepted for trunk in trunks]
    rows_run.clear()
    engine.predict([text for text, _ in rows])
    # without an adapter one run of the tail serves both
    late = [not one.early_exit for one in answers]
    assert sum(rows_run) == sum(map(max, frozen, late)) < sum(frozen) + sum(late)
    assert 0 < sum(one.early_exit for one in answers) < len(answers)


def test_an_adapter_is_read_as_it_was_written(bundle: Bundle) -> None:
    engine = Engine(bundle)
    adapter = engine.adapters(engine.manifest.tasks[0])
    again = Adapter.from_arrays(arrays_of(adapter))
    assert again.exit_margin == adapter.exit_margin
