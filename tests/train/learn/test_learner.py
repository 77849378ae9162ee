"""Learning one task: what it reads, what it refuses, and that it repeats to the byte."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
import scipy.special
import torch
from every import cases
from made import make_texts, write_csv
from sklearn.metrics import log_loss

from cfedge import Engine
from cfedge.errors import DataError, TaskError, UsageError
from cfedge.runtime.adapter import NEVER, Adapter
from cfedge.runtime.backbone import Trunk
from cfedge.train.examples.data import load_file
from cfedge.train.examples.examples import Examples
from cfedge.train.features.feature_cache import features_of
from cfedge.train.learn import fitting
from cfedge.train.learn.class_shapes import shapes_of
from cfedge.train.learn.closed_part import shares
from cfedge.train.learn.finished_head import judged_scores
from cfedge.train.learn.head import closed_form
from cfedge.train.measures.early_exit import EXIT_LEAST
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.build_bundle import build

QUICK = Settings(method="adapter", rank=2, epochs=1, min_steps=4, threads=1)
CLOSED = Settings(method="closed-form")


def _food(count: int = 10, seed: int = 0) -> Examples:
    return Examples(*zip(*make_texts("food", count, seed), strict=True), "food")


def _digest(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    digests = []
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        copy = Path(shutil.copytree(tiny_workspace, tmp_path / name))
        learn(
            WorkspaceFolder(copy),
            "food",
            _food(),
            settings=Settings(rank=2, epochs=1, min_steps=4, threads=1, seed=seed),
        )
        digests.append(_digest(copy))
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_it_learns_the_bytes_of_torchs_own_optimizer_and_loads_no_compiler(
    tiny_workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = Path(shutil.copytree(tiny_workspace, tmp_path / "theirs"))
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "Adam", torch.optim.Adam)
        learn(WorkspaceFolder(theirs), "food", _food(), settings=QUICK)
    for name in ("torch._dynamo", "torch._inductor"):
        monkeypatch.setitem(sys.modules, name, None)
    learn(WorkspaceFolder(tiny_workspace), "food", _food(), settings=QUICK)
    assert _digest(tiny_workspace) == _digest(theirs)


def test_a_task_is_learned_without_the_data_of_any_other(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    """Earlier data files are gone (the fixture deletes them), and the others' kept evidence is gone
    here too.
    """
    workspace = WorkspaceFolder(tiny_workspace)
    for path in tiny_workspace.glob("tasks/*/held_out.safetensors"):
        path.unlink()
    assert not list(tiny_workspace.rglob("*.csv"))
    data = write_csv(tmp_path / "food.csv", make_texts("food", 10, 0))
    learn(workspace, "food", load_file(data), settings=QUICK)
    assert workspace.tasks == ("animals", "colors", "food")


def test_learning_changes_no_byte_of_other_tasks(tiny_workspace: Path) -> None:
    before = _digest(tiny_workspace)
    learn(WorkspaceFolder(tiny_workspace), "food", _food(), settings=QUICK)
    after = _digest(tiny_workspace)
    assert {name: after[name] for name in before if name != "workspace.json"} == {
        name: digest for name, digest in before.items() if name != "workspace.json"
    }


def test_training_data_are_not_kept(tiny_workspace: Path) -> None:
    rows = make_texts("food", 10, 0)
    task = learn(WorkspaceFolder(tiny_workspace), "food", _food(), settings=QUICK)
    held_out = set(task.held_out.inputs)
    assert len(held_out) == 4
    trained = [text for text, _ in rows if text not in held_out]
    content = b"".join(path.read_bytes() for path in tiny_workspace.rglob("*") if path.is_file())
    assert [text for text in trained if text.encode() in content] == []
    assert list((tiny_workspace / "cache").iterdir()) == []


def test_answers_end_early_unless_the_settings_say_none(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    some = learn(workspace, "food", _food(60), settings=QUICK)
    assert len(some.held_out.inputs) >= EXIT_LEAST
    assert 0 < some.adapter["exit.margin"][0] < NEVER
    none = learn(
        workspace,
        "food",
        _food(60),
        settings=dataclasses.replace(QUICK, exit_share=0.0),
        replace=True,
    )
    assert none.adapter["exit.margin"][0] == NEVER
    assert not any(
        one.early_exit
        for one in Engine(build(workspace)).predict(list(none.held_out.inputs), task="food")
    )


def test_a_learned_adapter_beats_the_untrained_one(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    short = learn(
        workspace,
        "food",
        _food(24),
        settings=Settings(rank=2, epochs=1, min_steps=1, batch=64, threads=1),
    )
    long = learn(
        workspace,
        "food",
        _food(24),
        settings=Settings(rank=2, epochs=1, min_steps=80, threads=1),
        replace=True,
    )
    accuracy = []
    for task in (short, long):
        adapted = {
            **task.adapter,
            "trunk.weight": task.adapter["trunk.weight"] * 0,
            "trunk.bias": task.adapter["trunk.bias"] * 0,
        }
        workspace.put(dataclasses.replace(task, adapter=adapted), replace=True)
        scores = Engine(build(workspace)).opened.class_scores(task.held_out.inputs, "food")
        accuracy.append(float((scores.argmax(axis=1) == task.held_out.classes).mean()))
    assert accuracy[1] > accuracy[0]
    assert accuracy[1] >= 0.7


def test_what_the_held_out_examples_were_answered_is_what_the_engine_answers(
    tiny_workspace: Path,
) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    task = learn(workspace, "food", _food(24), settings=QUICK)
    assert task.held_out.confidences.shape == (len(task.held_out.inputs),)
    scores = Engine(build(workspace)).opened.class_scores(task.held_out.inputs, "food")
    soft = np.exp(scores - scores.max(axis=1, keepdims=True))
    soft /= soft.sum(axis=1, keepdims=True)
    rows = np.arange(len(soft))
    # but for the adapter's int8, and what of the head knows the example
    np.testing.assert_allclose(task.held_out.confidences, soft.max(axis=1), atol=0.1)
    right = soft[rows, task.held_out.classes]
    np.testing.assert_allclose(task.held_out.likelihoods, right, atol=0.1)


def test_the_trunks_part_beside_an_adapter_is_a_share_of_the_closed_form_by_the_heads_temperature(
    tiny_workspace: Path,
) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    train, held_out = _food(24), _food(8, seed=1)
    task = learn(workspace, "food", train, held_out, settings=QUICK)
    encoder = workspace.encoder(threads=1)
    every = [*train.labels, *held_out.labels]
    targets = np.array([task.record.classes.index(label) for label in every])
    features = features_of(encoder, (*train.inputs, *held_out.inputs))[1].trunk
    weight, bias = closed_form(features, targets)  # of all examples
    own, adapter = shares(len(train), 2, adapter=True)["base.share"], task.adapter
    factor = float(adapter["base.share"][0] / own[0])
    assert factor != pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(adapter["base.share"], factor * own, rtol=1e-6)
    known = task.held_out.features.trunk, task.held_out.classes
    shapes = shapes_of(task.statistics, *known).times(float(adapter["base.share"][1]))
    found = adapter["trunk.weight"].astype(np.float64), adapter["trunk.bias"] - shapes.offsets
    found[0][: len(shapes.linear)] -= shapes.linear
    alone = closed_form(features[: len(train)], targets[: len(train)])
    for part, closed, less in zip(found, (weight, bias), alone, strict=True):
        # but for the fourth moment, which is of each part about its own means
        expected = factor * own[0] * closed
        np.testing.assert_allclose(part, expected, atol=5e-2 * np.abs(expected).max())
        assert np.abs(part - expected).max() < np.abs(part - factor * own[0] * less).max() / 2
    encoded, _ = features_of(encoder, held_out.inputs)
    whole = Adapter.from_arrays(adapter)
    behind = np.stack(encoder.adapted(encoded, whole))
    judged = judged_scores(adapter, task.statistics, task.held_out, behind)
    raw = sum(judged).astype(np.float64) / factor
    right = np.array([task.record.classes.index(label) for label in held_out.labels])

    def loss(logarithm: float) -> float:
        """Cross entropy by scikit-learn, with five examples' worth of belief in no temperature."""
        shares = scipy.special.softmax(raw * np.exp(logarithm), axis=1)
        return float(log_loss(right, shares, normalize=False)) + 5 * logarithm**2

    best = scipy.optimize.minimize_scalar(loss, bounds=(np.log(0.1), np.log(10)), method="bounded")
    assert np.log(factor) == pytest.approx(best.x, abs=np.log(100) / 92)  # within one tried step


def test_a_taken_name_is_refused_and_replaced_only_on_demand(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    learn(workspace, "food", _food(), settings=QUICK)
    first = workspace.adapter("food")["head.weight"]
    with pytest.raises(TaskError, match="use --replace"):
        learn(workspace, "food", _food(), settings=QUICK)
    learn(workspace, "food", _food(seed=3), settings=QUICK, replace=True)
    assert workspace.tasks == ("animals", "colors", "food")
    assert not np.array_equal(first, workspace.adapter("food")["head.weight"])


def test_an_interrupted_run_reuses_its_trunk_features(
    tiny_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cfedge.train.learn import learner

    workspace = WorkspaceFolder(tiny_workspace)

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(learner, "_train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            learn(workspace, "food", _food(), settings=QUICK)
    assert len(list(workspace.cache.iterdir())) == 1
    calls: list[int] = []
    honest = Trunk.__call__

    def counted(self: Trunk, texts: tuple[str, ...]) -> object:
        calls.append(len(texts))
        return honest(self, texts)

    monkeypatch.setattr(Trunk, "__call__", counted)
    learn(workspace, "food", _food(), settings=QUICK)
    assert calls == [4]


def test_a_damaged_cache_is_computed_anew(
    tiny_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cfedge.train.learn.learner as learner

    workspace = WorkspaceFolder(tiny_workspace)
    clean = learn(workspace, "food", _food(), settings=QUICK)
    workspace.remove("food")
    with monkeypatch.context() as patch:
        patch.setattr(learner, "_train", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            learn(workspace, "food", _food(), settings=QUICK)
    path = next(iter(workspace.cache.iterdir()))
    path.write_bytes(path.read_bytes()[:-40])
    again = learn(workspace, "food", _food(), settings=QUICK)
    np.testing.assert_array_equal(clean.adapter["head.weight"], again.adapter["head.weight"])


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (
            [("broth", "soup")] * 4 + [("ladle", "soup")],
            UsageError,
            "--train: expected a task of at least 2 classes, found 1",
        ),
        (
            [("broth", "soup"), ("icing", "cake"), ("bowl", "soup")],
            DataError,
            "at least 2 different texts of label 'cake'",
        ),
        (
            [("a", "x" * 300), ("b", "x" * 300), ("c", "y"), ("d", "y")],
            TaskError,
            "at most 200 characters",
        ),
    ],
)
def test_a_task_that_cannot_be_learned_is_refused_before_anything_is_computed(
    tiny_workspace: Path,
    rows: list[tuple[str, str]],
    error: type[Exception],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = _digest(tiny_workspace)
    monkeypatch.setattr(WorkspaceFolder, "encoder", None)
    with pytest.raises(error, match=message):
        learn(
            WorkspaceFolder(tiny_workspace),
            "food",
            Examples(*zip(*rows, strict=True), "data.csv"),
            settings=QUICK,
        )
    assert _digest(tiny_workspace) == before


def test_held_out_labels_that_were_never_learned_are_refused(tiny_workspace: Path) -> None:
    with pytest.raises(DataError, match="found 'cat'"):
        learn(
            WorkspaceFolder(tiny_workspace),
            "food",
            _food(),
            Examples(("purr",), ("cat",), "held.csv"),
            settings=QUICK,
        )


@cases("field", ["rank", "epochs", "batch", "min_steps", "learning_rate", "held_out"])
def test_settings_that_mean_nothing_are_refused_by_name(field: str) -> None:
    with pytest.raises(UsageError, match=f"{field}: expected"):
        Settings(**{field: 0})  # type: ignore[arg-type]


def test_a_loss_that_is_not_finite_stops_learning(tiny_workspace: Path) -> None:
    before = _digest(tiny_workspace)
    with pytest.raises(DataError, match="expected a finite loss"):
        learn(
            WorkspaceFolder(tiny_workspace),
            "food",
            _food(),
            settings=Settings(rank=2, epochs=1, min_steps=30, threads=1, learning_rate=1e30),
        )
    assert {
        key: value for key, value in _digest(tiny_workspace).items() if not key.startswith("cache")
    } == before


# --- bad input
# --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("way", ["adapter", "head"])
def test_classes_of_one_to_three_examples_are_learned_without_a_nan(
    tiny_workspace: Path, count: int, way: str
) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    one = _food(count)
    if way == "adapter":
        task = learn(workspace, "food", one, _food(4, seed=7), settings=QUICK)
    else:
        task = learn(workspace, "food", one, _food(4, seed=7), settings=CLOSED)
    assert task.record.examples == 2 * count
    stored = {**task.adapter, **task.signature.arrays()}
    assert all(np.isfinite(array.astype(np.float64)).all() for array in stored.values())
    engine = Engine(build(workspace))
    for answer in engine.predict(one.inputs):
        assert all(
            np.isfinite(value) for value in (answer.probability, answer.score, answer.distance)
        )


def test_texts_that_are_all_the_same_are_learned_without_a_nan(tiny_workspace: Path) -> None:
    """Constant features: no scatter at all, and twice the same mean. The last word is unknown to the
    tokenizer, so that the texts are one to the encoder.
    """
    texts = tuple(f"the broth now {place}" for place in range(8))
    same = Examples(texts, ("soup", "cake") * 4, "data.csv")
    for learned in (
        learn(WorkspaceFolder(tiny_workspace), "food", same, same, settings=QUICK),
        learn(WorkspaceFolder(tiny_workspace), "food", same, same, settings=CLOSED, replace=True),
    ):
        stored = {**learned.adapter, **learned.signature.arrays()}
        assert all(np.isfinite(array.astype(np.float64)).all() for array in stored.values())
        assert learned.record.repeated == 8
    answers = Engine(build(WorkspaceFolder(tiny_workspace))).predict(["the broth now 3", "a purr"])
    assert all(np.isfinite([one.probability, one.score, one.distance]).all() for one in answers)


def test_held_out_texts_with_another_label_elsewhere_are_no_evidence(tiny_workspace: Path) -> None:
    workspace, train, held_out = WorkspaceFolder(tiny_workspace), _food(), _food(6, seed=9)
    clean = learn(workspace, "food", train, held_out, settings=CLOSED)
    turned = {"soup": "cake", "cake": "soup"}
    flattering = Examples(
        (*held_out.inputs, train.inputs[0].upper(), "a bowl of icing", "a bowl  of icing"),
        (*held_out.labels, turned[train.labels[0]], "soup", "cake"),
        "held.csv",
    )
    kept = learn(workspace, "food", train, flattering, settings=CLOSED, replace=True)
    assert kept.held_out.inputs == clean.held_out.inputs
    assert kept.record.reading.conflicting == clean.record.reading.conflicting + 4
    with pytest.raises(DataError, match="expected held-out texts of one label each"):
        learn(workspace, "food", train, flattering.take([len(held_out)]), replace=True)


def test_held_out_texts_that_are_also_learned_from_are_counted(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    assert (
        learn(workspace, "food", _food(), settings=QUICK).record.repeated == 0
    )  # a split of our own has none
    train, held_out = _food(), _food(6, seed=9)
    leaked = Examples(
        (*held_out.inputs, *(text.upper() for text in train.inputs[:5])),
        (*held_out.labels, *train.labels[:5]),
        "held.csv",
    )
    own = len(set(train.inputs) & set(held_out.inputs))
    assert (
        learn(workspace, "food", train, leaked, settings=QUICK, replace=True).record.repeated
        == own + 5
    )
    assert WorkspaceFolder(tiny_workspace).record("food").repeated == own + 5


# --- device and precision
# ---------------------------------------------------------------------------------------------


def test_a_device_that_is_not_there_is_refused_before_anything_is_computed(
    tiny_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WorkspaceFolder, "encoder", None)
    for name in ("cuda:77", "nonsense", "meta"):
        with pytest.raises(
            UsageError,
            match=(
                f"device: expected one that torch .* can use here, found '{name}'; use --device cpu"
            ),
        ):
            learn(
                WorkspaceFolder(tiny_workspace),
                "food",
                _food(),
                settings=replace(QUICK, device=name),
            )
    with pytest.raises(UsageError, match="precision: expected float32 or bf16, found 'fp16'"):
        Settings(precision="fp16")


def _probabilities(workspace: WorkspaceFolder, settings: Settings) -> np.ndarray:
    learn(workspace, "food", _food(30), settings=settings, replace=True)
    scores = Engine(build(workspace)).opened.class_scores(_food(30, seed=5).inputs, "food")
    share = np.exp(scores - scores.max(axis=1, keepdims=True))
    return share / share.sum(axis=1, keepdims=True)


def _agree(found: np.ndarray, expected: np.ndarray) -> None:
    """The tolerance that is stated in docs/decisions/0020-training-device.md."""
    assert np.abs(found - expected).mean() <= 0.02
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.95


def test_bfloat16_learns_the_same_within_the_stated_tolerance_and_repeats(
    tiny_workspace: Path,
) -> None:
    workspace, settings = WorkspaceFolder(tiny_workspace), replace(QUICK, min_steps=20)
    expected = _probabilities(workspace, settings)
    found = _probabilities(workspace, replace(settings, precision="bf16"))
    _agree(found, expected)
    assert not np.array_equal(found, expected)
    assert np.array_equal(found, _probabilities(workspace, replace(settings, precision="bf16")))
    assert {array.dtype for array in workspace.adapter("food").values()} == {np.dtype(np.float32)}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_gpu_learns_the_same_within_the_stated_tolerance(
    tiny_workspace: Path, precision: str
) -> None:
    workspace, settings = WorkspaceFolder(tiny_workspace), replace(QUICK, min_steps=120)
    expected = _probabilities(workspace, settings)
    _agree(
        _probabilities(workspace, replace(settings, device="cuda", precision=precision)), expected
    )
