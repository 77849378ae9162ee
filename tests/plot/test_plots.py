"""Figures show the numbers that they are made from; files are whole, the same each time, and
refused before anything is measured.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from every import cases
from made import make_texts, write_csv
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from typer.testing import CliRunner

from cfedge.cli import app
from cfedge.errors import MissingExtraError, StorageError, UsageError
from cfedge.plot.certificates import draw_certificates
from cfedge.plot.figure import _STYLE, check, drawing, save
from cfedge.plot.scores import draw_scores
from cfedge.plot.study import draw_study
from cfedge.study.results import Measured, Study
from cfedge.train.measures.metrics import Scores, TaskScores
from cfedge.train.measures.open_set import OpenSet, RiskCoverage, Unknown
from cfedge.train.settings import Settings

ROWS = [
    {
        "task": "colors",
        "errors": 3,
        "held_out": 60,
        "wrong_task_at_most": 0.15,
        "rival": "animals",
        "rival_errors": 2,
    },
    {
        "task": "animals",
        "errors": 0,
        "held_out": 40,
        "wrong_task_at_most": 0.09,
        "rival": None,
        "rival_errors": 0,
    },
]


def measured(
    model: str, accuracy: float, matrix: list[list[float]], size: int = 90_000
) -> Measured:
    return Measured(
        model,
        accuracy,
        accuracy,
        0.9,
        0.95,
        0.0,
        0.0,
        accuracy,
        0.8,
        size,
        0,
        0,
        0.1,
        matrix,
        [[1, 0], [0, 1]],
    )


def make_study() -> Study:
    runs = {
        "cfedge": [
            measured("cfedge", 0.9, [[1.0, 0.0], [0.8, 0.9]]),
            measured("cfedge", 0.8, [[0.9, 0.0], [0.7, 0.6]]),
        ],
        "proteus": [measured("proteus", 0.5, [[0.8, 0.0], [0.4, 0.6]], 4_800_000)] * 2,
        "joint": [measured("joint", 0.95, [[0.95]])] * 2,
    }
    return Study(
        {"a": 2, "b": 3},
        {"a": 0, "b": 0},
        1_000,
        [0.0, 0.0],
        [1.0, 1.0],
        [],
        [["a", "b"], ["b", "a"]],
        Settings(),
        runs,
    )


def make_scores(*, unknown: bool, astray: int = 0) -> Scores:
    tasks = [
        TaskScores("colors", 10, 0.8, 0.9, 0.9, 0.0),
        TaskScores("animals", 20, 0.9, 0.95, 0.9, 0.1),
    ]
    curve = RiskCoverage([0.25, 0.5, 1.0], [0.0, 0.1, 0.3], 0.13)
    found = OpenSet(Unknown(0.9, 0.2, 0.8, 0.1), curve) if unknown else None
    return Scores(
        tasks,
        0.86,
        0.85,
        0.93,
        0.9,
        1.0,
        [[9, 1, 0], [1, 19 - astray, astray]],
        0.3,
        0.1,
        0.7,
        0.02,
        found,
    )


def texts(axes: Axes) -> set[str]:
    return {
        one.get_text() for one in (*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels())
    }


def test_a_studys_curves_are_means_over_orders_and_tasks_so_far() -> None:
    left, right = draw_study(make_study()).axes
    drawn = {str(line.get_label()): np.asarray(line.get_ydata()) for line in left.get_lines()}
    np.testing.assert_allclose(drawn["cfedge"], [0.95, (0.8 + 0.9 + 0.7 + 0.6) / 4])
    np.testing.assert_allclose(drawn["proteus"], [0.8, 0.5])
    np.testing.assert_allclose(drawn["joint"], [0.95, 0.95])  # learned all at once
    assert {line.get_linestyle() for line in left.get_lines() if line.get_label() == "joint"} == {
        "--"
    }
    bars = [one for one in right.containers if isinstance(one, ErrorbarContainer)]
    assert [float(np.asarray(bar.lines[0].get_xdata())[0]) for bar in bars] == pytest.approx(
        [0.5, 0.85, 0.95]
    )
    study = make_study()
    for bar, model in zip(bars, ("proteus", "cfedge", "joint"), strict=True):
        (whisker,) = bar.lines[2]
        low, high = np.asarray(whisker.get_segments()[0])[:, 0]
        assert (high - low) / 2 == pytest.approx(study.standard_error(model))
    assert {
        "cfedge (recommended)",
        "proteus",
        "joint",
        "0.80 passes, 5 MB a task",
        "0.80 passes, 90 kB a task",
    } <= texts(right)


def test_certificates_show_error_and_limit_of_every_task_the_highest_limit_on_top() -> None:
    (axes,) = draw_certificates(ROWS).axes
    places = {label.get_text(): place for place, label in enumerate(axes.get_yticklabels())}
    assert places == {"animals": 0, "colors": 1}
    lines = [
        (np.asarray(line.get_xdata()).tolist(), float(np.asarray(line.get_ydata())[0]))
        for line in axes.get_lines()
    ]
    assert ([0, 0.15], 1.0) in lines
    assert ([3 / 60], 1.0) in lines
    assert ([0, 0.09], 0.0) in lines
    assert ([0.0], 0.0) in lines
    assert {"3 of 60, 2 to animals", "0 of 40"} <= texts(axes)
    assert draw_certificates([]).axes


def test_an_evaluation_shows_what_went_where_and_risk_over_coverage() -> None:
    (alone,) = draw_scores(make_scores(unknown=False)).axes
    assert {"colors", "animals", "9", "1", "19"} <= texts(alone)
    assert "another task" not in texts(alone)
    shares = np.asarray(alone.images[0].get_array())
    np.testing.assert_allclose(shares, [[0.0, 0.1], [0.05, 0.0]])  # of what is wrong, by true task
    left, right = draw_scores(make_scores(unknown=True, astray=2)).axes
    assert {"another task", "17", "2"} <= texts(left)
    (line,) = right.get_lines()
    assert np.asarray(line.get_xdata()).tolist() == [0.25, 0.5, 1.0]
    assert np.asarray(line.get_ydata()).tolist() == [0.0, 0.1, 0.3]
    assert "AUROC 0.900" in right.get_title()


def test_hundreds_of_tasks_can_be_drawn(tmp_path: Path) -> None:
    count = 200
    rows = [
        {**ROWS[0], "task": f"task {one}", "wrong_task_at_most": one / count}
        for one in range(count)
    ]
    save(draw_certificates(rows), tmp_path / "limits.svg")
    one = make_scores(unknown=True)
    tasks = [dataclasses.replace(one.tasks[0], task=f"task {number}") for number in range(count)]
    many = dataclasses.replace(
        one, tasks=tasks, confusion=(10 * np.eye(count, count + 1, dtype=int)).tolist()
    )
    drawn = draw_scores(many)
    save(drawn, tmp_path / "scores.svg")
    for name in ("limits.svg", "scores.svg"):
        assert "task 199" in (tmp_path / name).read_text("utf-8")
    with mpl.rc_context(_STYLE):  # as many pixels as matplotlib draws on, at most
        assert max(drawn.get_size_inches()) * float(mpl.rcParams["savefig.dpi"]) < 1 << 16


@pytest.mark.parametrize(
    ("name", "begins"), [("a.svg", b"<?xml"), ("a.PNG", b"\x89PNG"), ("a.pdf", b"%PDF")]
)
def test_the_same_figure_gives_the_same_bytes_in_the_format_of_its_name(
    tmp_path: Path, name: str, begins: bytes
) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        save(draw_study(make_study()), tmp_path / folder / name)
    data = (tmp_path / "one" / name).read_bytes()
    assert data.startswith(begins)
    assert data == (tmp_path / "two" / name).read_bytes()
    if name == "a.svg":
        said = "".join(ElementTree.fromstring(data).itertext())
        assert "cfedge (recommended)" in said  # text that can be searched and read aloud


def test_a_name_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.svg").mkdir()
    for name, message in (
        ("a.gif", "expected a file that ends in .svg, .png, .pdf, found a.gif"),
        ("a", "expected a file that ends in"),
        ("nowhere/a.svg", "expected a folder .*nowhere, found none"),
        ("folder.svg", "expected a file, found the folder"),
    ):
        with pytest.raises(UsageError, match=message):
            check(tmp_path / name)


def test_a_disk_that_refuses_leaves_the_figure_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.svg"
    path.write_text("before")

    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", refuse)
    with drawing(2, 2) as figure, pytest.raises(StorageError):
        save(figure, path)
    assert path.read_text() == "before"
    assert [one.name for one in tmp_path.iterdir()] == ["a.svg"]


def test_inspect_and_evaluate_draw_what_they_print(tiny_workspace: Path, tmp_path: Path) -> None:
    limits, scores = tmp_path / "limits.svg", tmp_path / "scores.svg"
    shown = CliRunner().invoke(
        app, ["inspect", str(tiny_workspace), "--plot", str(limits), "--json"]
    )
    first, second = json.loads(shown.stdout)
    said = "".join(ElementTree.fromstring(limits.read_bytes()).itertext())
    assert f"{first['errors']} of {first['held_out']}" in said
    assert second["task"] in said
    test = write_csv(tmp_path / "colors.csv", make_texts("colors", 4, 9))
    arguments = [
        "evaluate",
        str(tiny_workspace),
        "--test",
        f"colors={test}",
        "--unknown",
        str(test),
        "--plot",
        str(scores),
        "--json",
    ]
    shown = CliRunner().invoke(app, arguments)
    found = json.loads(shown.stdout)
    said = "".join(ElementTree.fromstring(scores.read_bytes()).itertext())
    assert (
        f"task identification {found['task_identification']:.1%}, accuracy {found['accuracy']:.1%}"
        in said
    )


@pytest.mark.parametrize("command", ["inspect", "evaluate", "compare"])
def test_a_plot_that_cannot_be_written_stops_a_command_before_it_measures(
    command: str, tmp_path: Path
) -> None:
    more = ["--test", "a=b"] if command == "evaluate" else []
    done = CliRunner().invoke(
        app, [command, str(tmp_path / "nothing"), *more, "--plot", str(tmp_path / "a.gif")]
    )
    assert isinstance(done.exception, UsageError)
    assert "--plot: expected a file that ends in" in str(done.exception)


@cases("command", ["inspect", "evaluate", "compare"])
def test_where_matplotlib_is_missing_a_command_says_what_to_install(command: str) -> None:
    more = ["--test", "a=b"] if command == "evaluate" else []
    arguments = [command, "nothing", *more, "--plot", "a.svg"]
    code = (
        "import sys; sys.modules['matplotlib'] = None; from cfedge.cli import main;"
        f" main({arguments})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == MissingExtraError.exit_code
    assert done.stderr == "cfedge: a figure needs matplotlib: pip install 'cfedge[plot]'\n"
