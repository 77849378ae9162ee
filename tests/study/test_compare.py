"""A whole study on the tiny backbone: what it measures must agree with the engine, and its bookkeeping with arithmetic."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made import make_texts

from cfedge.cli import main
from cfedge.errors import DataError, TaskError, UsageError
from cfedge.runtime.engine import Engine
from cfedge.study.compare import compare
from cfedge.study.results import MODELS, Measured, Study, recommended
from cfedge.study.stream import Splits
from cfedge.train.data import Examples
from cfedge.train.learner import learn
from cfedge.train.metrics import evaluate
from cfedge.train.settings import Settings
from cfedge.train.workspace import Workspace
from cfedge_export.pack import build
from cfedge_export.prepare import prepare

SETTINGS = Settings(rank=2, epochs=1, min_steps=60, threads=1)


def make_stream() -> dict[str, Splits]:
    def part(task: str, count: int, seed: int) -> Examples:
        return Examples(*zip(*make_texts(task, count, seed), strict=True), f"{task}-{seed}")

    return {task: Splits(part(task, 20, 0), part(task, 6, 1), part(task, 8, 2)) for task in ("colors", "animals", "food")}


@pytest.fixture(scope="module")
def base(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return prepare(tmp_path_factory.mktemp("study") / "base", "local", folder=tiny_folder, split=2)


@pytest.fixture(scope="module")
def study(base: Workspace) -> Study:
    return compare(base, make_stream(), orders=2, joint=True, settings=SETTINGS)


def test_every_model_and_ceiling_is_measured_in_every_order(study: Study) -> None:
    assert set(study.runs) == {*MODELS, "task given", "joint"}
    assert {len(runs) for runs in study.runs.values()} == {2}
    assert sorted(study.orders[0]) == sorted(study.orders[1]) == ["animals", "colors", "food"]
    assert study.test_examples == sum(len(splits.test) for splits in make_stream().values()) == 64


def test_the_shipped_model_measures_what_the_engine_answers(base: Workspace, study: Study, tmp_path: Path) -> None:
    import shutil

    stream, order = make_stream(), study.orders[0]
    workspace = Workspace(Path(shutil.copytree(base.folder, tmp_path / "ws")))
    for name in order:
        learn(workspace, name, stream[name].train, stream[name].held_out, settings=SETTINGS)
    scores = evaluate(Engine(build(workspace)), {name: splits.test for name, splits in stream.items()})
    found = study.runs["cfedge"][0]
    assert found.retrieval == pytest.approx(scores.retrieval)
    assert found.accuracy == pytest.approx(scores.accuracy, abs=0.03)  # the engine's adapters are int8
    assert study.runs["task given"][0].accuracy == pytest.approx(scores.known, abs=0.03)
    assert found.passes == pytest.approx(1 + scores.third_looks / 3)


def test_accuracy_is_the_last_row_of_the_matrix_and_bounded_by_retrieval_and_the_given_task(study: Study) -> None:
    for model, runs in study.runs.items():
        for run, given, order in zip(runs, study.runs["task given"], study.orders, strict=True):
            if model == "joint":
                continue
            matrix = np.array(run.matrix)
            assert np.triu(matrix, 1).sum() == 0
            assert run.task_mean == pytest.approx(matrix[-1].mean())
            assert run.accuracy == pytest.approx(np.average(matrix[-1], weights=[study.tasks[name] for name in order]))
            assert run.accuracy <= run.retrieval + 1e-9
            if not model.endswith(" frozen"):
                assert run.accuracy >= run.retrieval + given.accuracy - 1 - 1e-9
                assert run.accuracy <= given.accuracy + 1e-9


def test_passes_are_counted(study: Study) -> None:
    assert {study.runs[model][0].passes for model in ("class-clusters", "nearest-mean frozen", "random-features")} == {1.0}
    assert 1 <= study.runs["cfedge"][0].passes < 1.2
    assert study.runs["proteus"][0].passes == pytest.approx(2 / 3 + 3 * 1 / 3)


def test_the_simplest_model_within_a_standard_error_is_recommended() -> None:
    def run(model: str, accuracy: float) -> list[Measured]:
        return [Measured(model, accuracy, accuracy, accuracy, 0.0, accuracy, 1.0, 1, 0.0, [[accuracy]])]

    def study_of(**accuracy: float) -> Study:
        runs = {name.replace("_", " "): run(name, value) for name, value in accuracy.items()}
        return Study({"a": 2, "b": 2}, 400, [["a", "b"]], Settings(), {**runs, "joint": run("joint", 1.0)})

    # One standard error at .9 and 400 examples is .015.
    assert recommended(study_of(LDA_frozen=0.80, cfedge=0.90)) == "cfedge"
    assert recommended(study_of(LDA_frozen=0.89, cfedge=0.90)) == "LDA frozen"
    assert recommended(study_of(LDA_frozen=0.88, mixture=0.891, cfedge=0.90)) == "cfedge"


def test_what_cannot_be_studied_is_refused(base: Workspace, tiny_workspace: Path) -> None:
    with pytest.raises(UsageError, match=r"--models: expected some of .*, found 'magic'"):
        compare(base, make_stream(), models=["magic"])
    with pytest.raises(UsageError, match=r"--models: expected some of .*, found none"):
        compare(base, make_stream(), models=[])
    with pytest.raises(UsageError, match="--models: expected each once, found cfedge, cfedge"):
        compare(base, make_stream(), models=["cfedge", "cfedge"])
    with pytest.raises(UsageError, match="--pool-limit: expected at most 30 with rank 2, found 31"):
        compare(base, make_stream(), settings=replace(SETTINGS, reuse=True, pool_limit=31))
    with pytest.raises(UsageError, match="--orders: expected >= 1, found 0"):
        compare(base, make_stream(), orders=0)
    with pytest.raises(UsageError, match="expected a workspace without tasks, found 2"):
        compare(Workspace(tiny_workspace), make_stream())


def test_a_stream_that_cannot_be_learned_to_its_end_is_refused_before_anything_is(
    base: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cfedge.study.compare.learn", None)
    stream = make_stream()
    colors = stream["colors"]
    with pytest.raises(
        TaskError, match=r"task 'more': expected labels that no other task has, found 'blue' in task 'colors' too"
    ):
        compare(base, {**stream, "more": colors})
    with pytest.raises(TaskError, match=r"task name: expected lower-case letters.*found 'Colors'"):
        compare(base, {**stream, "Colors": colors})
    strange = replace(colors, test=replace(colors.test, labels=("mauve", *colors.test.labels[1:])))
    with pytest.raises(DataError, match=r"expected labels of the training data, found 'mauve'"):
        compare(base, {**stream, "colors": strange})


def test_a_file_that_could_not_be_written_is_refused_before_anything_is_learned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_code:
        main(["compare", str(tmp_path / "nothing.csv"), "--out", str(tmp_path / "no" / "study.json")])
    assert exit_code.value.code == UsageError.exit_code
    assert f"--out: expected a folder {tmp_path / 'no'}, found none" in capsys.readouterr().err.replace("\n", "")
    with pytest.raises(SystemExit):
        main(["compare", str(tmp_path / "nothing.csv"), "--out", str(tmp_path)])
    assert f"--out: expected a file, found the folder {tmp_path}" in capsys.readouterr().err


def test_the_command_prints_a_table_a_recommendation_and_the_whole_record(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(text, label, task) for task in ("colors", "animals") for text, label in make_texts(task, 16, 0)]
    data = tmp_path / "all.csv"
    data.write_text("text,label,task\n" + "".join(f"{text},{label},{task}\n" for text, label, task in rows), encoding="utf-8")
    arguments = ["compare", str(data), "--backbone", "local", "--folder", str(tiny_folder), "--split", "2", "--rank", "2"]
    arguments += ["--orders", "1", "--epochs", "1", "--models", "nearest-mean,cfedge", "--out", str(tmp_path / "study.json")]
    with pytest.raises(SystemExit) as exit_code:
        main(arguments)
    assert exit_code.value.code == 0
    shown = capsys.readouterr().out
    assert "recommended: " in shown
    assert "task given" in shown
    record = json.loads((tmp_path / "study.json").read_text("utf-8"))
    assert set(record["runs"]) == {"nearest-mean", "cfedge", "task given"}
    assert len(record["runs"]["cfedge"][0]["matrix"]) == 2
