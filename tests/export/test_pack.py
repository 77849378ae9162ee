"""From a workspace to a bundle: what the gate refuses leaves nothing behind."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from every import cases
from made import make_texts

from cfedge import Engine
from cfedge.bundle.files import read
from cfedge.bundle.limits import LIMITS
from cfedge.errors import CfedgeError, ParityError, SchemaError, StorageError, WorkspaceError
from cfedge.train.examples.examples import Examples
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export import pack, parity, parity_gate
from cfedge_export.build_bundle import build
from cfedge_export.pack import export
from cfedge_export.paired import drop_limits, sign_test


def test_a_bundle_holds_what_the_manifest_names_and_nothing_else(tiny_bundle: Path) -> None:
    bundle = read(tiny_bundle)
    refs = bundle.manifest.files()
    assert set(refs) == {"trunk", "tail", "tokenizer"} | {
        f"{part} of task {task!r}"
        for part in ("adapter", "signature", "golden")
        for task in ("animals", "colors")
    }
    assert {path.name for path in (tiny_bundle / "objects").iterdir()} == {
        ref.sha256 for ref in refs.values()
    }
    assert bundle.manifest.versions["cfedge"]


def test_building_twice_gives_the_same_bytes(tiny_workspace: Path) -> None:
    first, second = (build(WorkspaceFolder(tiny_workspace)) for _ in range(2))
    assert first.manifest == second.manifest
    assert first.objects == second.objects


def test_parity_holds_three_paths_together(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    engine = Engine(build(workspace))
    with pytest.MonkeyPatch.context() as patch:
        encoded: list[int] = []
        encode = engine.opened.encode
        patch.setattr(
            engine.opened, "encode", lambda inputs: encoded.append(len(inputs)) or encode(inputs)
        )
        compared = parity.compare(workspace, engine)
    assert encoded == [one.examples for one in compared]  # what ships runs once
    for one in compared:
        assert one.cosine_torch_onnx > 0.99999
        assert one.cosine_float_int8 > 0.99
        assert one.accuracy_torch == one.accuracy_float
        assert one.drop_interval[0] <= one.drop <= one.drop_interval[1]
        assert one.examples == len(workspace.held_out(one.task).inputs)


def _sabotage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quantise adapters so badly that answers change."""
    import cfedge_export.build_bundle as build_bundle

    honest = build_bundle.adapter_onnx

    def coarse(arrays: dict[str, np.ndarray], **stated: str) -> bytes:
        rolled = {
            name: np.ascontiguousarray(np.roll(array, 1, axis=1))
            for name, array in arrays.items()
            if name.endswith(".weight")
        }
        return honest({**arrays, **rolled}, **stated)

    monkeypatch.setattr(build_bundle, "adapter_onnx", coarse)


def test_a_missed_gate_is_an_error_and_no_output(
    tiny_workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sabotage(monkeypatch)
    with pytest.raises(
        ParityError,
        match=(
            r"task 'animals': expected an accuracy drop of at most 1 points, found .* nothing was"
            r" exported"
        ),
    ):
        export(WorkspaceFolder(tiny_workspace), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".cfedge-tmp-*"))


def test_a_missed_gate_leaves_the_old_bundle(
    tiny_workspace: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read(tiny_bundle)
    _sabotage(monkeypatch)
    with pytest.raises(ParityError):
        export(WorkspaceFolder(tiny_workspace), tiny_bundle, replace=True)
    assert read(tiny_bundle) == before


def _result(**changes: object) -> parity.TaskParity:
    whole = parity.TaskParity(
        "t", 300, 1.0, 0.999, 0.99, 0.98, 0.98, 0.98, 0.0, (-1.0, 1.0), 1.0, (0.5, 1.5), 0, 0, 1.0
    )
    changed = dataclasses.replace(whole, **changes)  # type: ignore[arg-type]
    return dataclasses.replace(changed, p_value=sign_test(changed.lost, changed.won))


def test_the_gate_refuses_a_drop_a_ratio_and_a_disagreement_with_torch() -> None:
    parity_gate.check([_result()])
    parity_gate.check([_result(drop=100 * 6 / 300 - 1, lost=6, error_ratio=1.2)])
    with pytest.raises(
        ParityError,
        match=r"accuracy drop of at most 1 points, found 2\.00 .* \(6 lost, 0 won, p = 0\.016\)",
    ):
        parity_gate.check([_result(drop=2.0, lost=6, error_ratio=1.2)])
    with pytest.raises(ParityError, match=r"error ratio of at most 1\.25, found 1\.50"):
        parity_gate.check([_result(drop=0.9, lost=6, error_ratio=1.5)])
    with pytest.raises(ParityError, match="found errors where float made none"):
        parity_gate.check([_result(drop=0.9, lost=6, error_ratio=None)])
    by_chance = _result(drop=1.67, lost=2)
    parity_gate.check([by_chance])
    assert parity_gate.beyond([_result(), by_chance], parity_gate.Gate()) == [by_chance]
    with pytest.raises(ParityError, match=r"found 1\.67"):
        parity_gate.check([by_chance], parity_gate.Gate(strict=True))
    with pytest.raises(ParityError, match="expected torch and ONNX float features to agree"):
        parity_gate.check([_result(cosine_torch_onnx=0.99)])


@cases(
    ("lost", "won", "p"),
    [(0, 0, 1.0), (1, 0, 0.5), (4, 0, 1 / 16), (5, 0, 1 / 32), (5, 1, 7 / 64), (2, 2, 11 / 16)],
)
def test_the_sign_test_is_exact(lost: int, won: int, p: float) -> None:
    assert sign_test(lost, won) == p


def test_the_limits_of_a_drop_say_what_the_sign_test_says() -> None:
    for examples in (5, 24, 300):
        for lost in range(min(examples, 12) + 1):
            for won in range(min(examples - lost, 6) + 1):
                low, high = drop_limits(lost, won, examples)
                assert -1 <= low <= (lost - won) / examples <= high <= 1
                assert (low > 0) == (sign_test(lost, won) <= 0.05)
                assert (-high, -low) == drop_limits(won, lost, examples)
    assert [f"{100 * limit:.2f}" for limit in drop_limits(4, 0, 24)] == ["-4.35", "41.18"]


def test_each_limit_of_a_drop_misses_one_in_twenty_at_most() -> None:
    examples = 12
    seen = [(lost, won) for lost in range(13) for won in range(13 - lost)]
    ways = [math.comb(12, lost) * math.comb(12 - lost, won) for lost, won in seen]
    lows = [drop_limits(*one, examples)[0] for one in seen]
    for differ in (0.02, 0.1, 0.3, 0.6, 0.9, 0.99):
        for share in (0.02, 0.2, 0.35, 0.45, 0.5, 0.55, 0.7, 0.9, 0.99):
            loses, wins = differ * share, differ * (1 - share)
            missed = sum(
                many * loses**lost * wins**won * (1 - differ) ** (12 - lost - won)
                for many, (lost, won), low in zip(ways, seen, lows, strict=True)
                if low > loses - wins + 1e-12
            )
            assert missed <= 0.05


def test_what_chance_explains_passes_unless_the_gate_is_strict() -> None:
    parity_gate.check([_result(examples=40, drop=2.5, lost=1, error_ratio=None)])
    parity_gate.check([_result(drop=1.0, lost=4, won=1, error_ratio=1.5)])
    for one in (
        _result(examples=40, drop=2.5, lost=1, error_ratio=None),
        _result(drop=1.0, lost=4, won=1, error_ratio=1.5),
    ):
        with pytest.raises(ParityError):
            parity_gate.check([one], parity_gate.Gate(strict=True))


def test_a_drop_of_exactly_the_limit_passes_a_strict_gate() -> None:
    parity_gate.check(
        [_result(drop=100 * (0.98 - 0.97), lost=3, error_ratio=1.25)], parity_gate.Gate(strict=True)
    )


def test_a_looser_gate_lets_more_through() -> None:
    parity_gate.check(
        [_result(drop=1.9, lost=6, error_ratio=1.9)],
        parity_gate.Gate(max_drop=2.0, max_error_ratio=2.0),
    )


def test_a_workspace_without_tasks_or_with_more_than_devices_read_exports_nothing(
    tiny_workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("cfedge.bundle.reading.LIMITS", LIMITS._replace(tasks=1))
        with pytest.raises(SchemaError, match="tasks: expected at most 1, found 2"):
            export(WorkspaceFolder(tiny_workspace), tmp_path / "many")
    assert not (tmp_path / "many").exists()
    workspace = WorkspaceFolder(tiny_workspace)
    for name in workspace.tasks:
        workspace.remove(name)
    with pytest.raises(WorkspaceError, match="expected at least one task, found none"):
        export(workspace, tmp_path / "out")


def test_an_existing_target_is_kept_unless_replace_is_said(
    tiny_workspace: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    with monkeypatch.context() as patch:
        patch.setattr(pack, "build", None)  # it is refused before the work
        with pytest.raises(StorageError, match="expected a new name for the bundle"):
            export(workspace, tiny_bundle)
        (tmp_path / "link").symlink_to(tmp_path / "nothing")
        for other in (tiny_workspace, tiny_bundle / "manifest.json", tmp_path / "link"):
            with pytest.raises(CfedgeError):
                export(workspace, other, replace=True)
    export(workspace, tiny_bundle, replace=True)
    assert Engine.open(tiny_bundle).tasks == ("animals", "colors")


def test_old_answers_with_the_task_known_keep_every_bit_when_a_task_is_added_and_removed(
    tiny_workspace: Path,
) -> None:
    from cfedge.train.settings import Settings
    from cfedge.train.teach import learn

    workspace = WorkspaceFolder(tiny_workspace)
    texts = {task: [text for text, _ in make_texts(task, 6, seed=7)] for task in workspace.tasks}
    before = {
        task: Engine(build(workspace)).opened.class_scores(texts[task], task) for task in texts
    }
    rows = make_texts("food", 12, seed=0)
    learn(
        workspace,
        "food",
        Examples(*zip(*rows, strict=True), "food"),
        settings=Settings(rank=3, epochs=1, min_steps=5, threads=1),
    )
    during = Engine(build(workspace))
    assert during.tasks == ("animals", "colors", "food")
    workspace.remove("food")
    after = Engine(build(workspace))
    for task in texts:
        assert np.array_equal(before[task], during.opened.class_scores(texts[task], task))
        assert np.array_equal(before[task], after.opened.class_scores(texts[task], task))
