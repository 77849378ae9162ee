"""Of many examples, statistics are made class by class and hidden states only where an adapter needs
them: with the same results.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from every import cases
from made import make_texts

from cfedge.lookup import Features, Lookup
from cfedge.progress import Quiet
from cfedge.runtime.adapter import Adapter
from cfedge.train.certify.advice import advice
from cfedge.train.certify.certificates import certificates
from cfedge.train.examples.examples import Examples, LabelledData
from cfedge.train.features import signature
from cfedge.train.features.feature_cache import encoded_with, features_of
from cfedge.train.features.signature import exact_statistics
from cfedge.train.features.statistics import TaskStatistics
from cfedge.train.learn import prepared_task
from cfedge.train.measures.early_exit import no_exit
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder

ROWS = make_texts("food", 60, 0)


def drawn(counts: tuple[int, ...], width: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    classes = rng.permutation(np.repeat(np.arange(len(counts)), counts)).astype(np.int64)
    return rng.normal(size=(len(classes), width)).astype(np.float32), classes


@cases("together", [False, True])
@cases("counts", [(40, 3, 1), (2, 2), (90,)])
def test_statistics_class_by_class_are_those_of_all_at_once(
    counts: tuple[int, ...], together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, classes = drawn(counts, 6)
    whole = exact_statistics(features, classes)
    monkeypatch.setattr(signature, "MANY", 1)
    thin = exact_statistics(features, classes, together=together)
    np.testing.assert_array_equal(thin.counts, whole.counts)
    np.testing.assert_allclose(thin.means, whole.means, atol=1e-12)
    assert thin.quartic == pytest.approx(whole.quartic)
    assert len(thin.factor) <= (6 if together else sum(min(one, 6) for one in counts))
    for label in range(1 if together else len(counts)):
        own = slice(None) if together else whole.factor_classes == label
        ours = thin.factor[thin.factor_classes == label]
        np.testing.assert_allclose(ours.T @ ours, whole.factor[own].T @ whole.factor[own], atol=1e-9)  # fmt: skip


def test_heads_and_signatures_of_many_examples_are_those_of_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features, classes = drawn((60, 60, 30), 8)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    before = TaskStatistics.of(Features(features, features), features, classes, 8)
    monkeypatch.setattr(signature, "MANY", 10)
    after = TaskStatistics.of(Features(features, features), features, classes, 8)
    for one, other in zip(
        Lookup({"": before.trunk}).linear(), Lookup({"": after.trunk}).linear(), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-4)
    old, new = before.signature(3).tail, after.signature(3).tail
    for label in range(3):
        ours, theirs = (x.factor[x.factor_classes == label] for x in (new, old))
        np.testing.assert_allclose(ours.T @ ours, theirs.T @ theirs, atol=1e-2)


def test_a_head_in_closed_form_is_learned_without_hidden_states(
    tiny_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its adapter changes nothing, so the adapted features are the frozen ones to the last bit."""
    workspace = WorkspaceFolder(tiny_workspace)
    examples = Examples(*zip(*ROWS, strict=True), "food")
    seen = []
    whole = prepared_task.PreparedTask.learned
    monkeypatch.setattr(
        prepared_task.PreparedTask,
        "learned",
        lambda self, *given, **named: seen.append(self) or whole(self, *given, **named),
    )
    task = learn(workspace, "food", examples, settings=Settings(method="closed-form"))
    (prepared,) = seen
    assert prepared.hidden == prepared.held_out_hidden == []
    adapter = Adapter.from_arrays({**task.adapter, **no_exit()})
    inputs = prepared.inputs
    features, adapted = encoded_with(workspace.encoder(), inputs, adapter, Quiet(), threads=1)
    np.testing.assert_array_equal(adapted, features.tail)
    np.testing.assert_array_equal(prepared.features.tail, features.tail)
    np.testing.assert_array_equal(
        adapted, features_of(workspace.encoder(), inputs)[1].tail
    )  # in batches as at once


def test_of_too_many_examples_some_are_learned_from_and_it_is_told(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    examples = Examples(*zip(*ROWS, strict=True), "food")
    settings = Settings(method="closed-form", most_examples=12)
    task = learn(workspace, "food", examples, settings=settings)
    assert task.record.examples == 12
    held_out = len(task.held_out.classes)
    found = certificates(workspace, ("food",)).of(("food",))
    lines = advice(found, {"food": LabelledData(examples)})
    (line,) = [one for one in lines if "--most-examples" in one]
    assert line.startswith(
        f"food: of {len(examples)} examples 12 were learned from and {held_out} held out;"
    )
    learn(workspace, "all", examples, settings=Settings(method="closed-form"))
    found = certificates(workspace, ("all",)).of(("all",))
    assert not [one for one in advice(found, {"all": LabelledData(examples)}) if "--most" in one]
