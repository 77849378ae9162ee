"""What add, list and inspect tell of tasks that coincide and of held-out texts that were learned
from.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from made import make_texts, write_csv
from typer.testing import CliRunner

from cfedge.cli import app
from cfedge.cli.learned import learned
from cfedge.errors import DataError, TaskError, UsageError
from cfedge.train.certify.advice import ENOUGH, advice
from cfedge.train.certify.certificates import certificates
from cfedge.train.measures.trial import Trial
from cfedge.train.settings import Settings
from cfedge.train.workspace.folder import WorkspaceFolder


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def twin(path: Path, suffix: str, seed: int) -> Path:
    """Texts about colors under labels of their own: nothing tells them from the task colors."""
    return write_csv(
        path, [(text, f"{label}{suffix}") for text, label in make_texts("colors", 24, seed)]
    )


def test_add_says_which_two_tasks_coincide_and_what_the_limits_became(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    before = {
        row["task"]: row["wrong_task_at_most"]
        for row in json.loads(run("list", tiny_workspace, "--json"))
    }
    shown = run(
        "add",
        tiny_workspace,
        "paint",
        "--data",
        twin(tmp_path / "paint.csv", "-paint", 5),
        "--head-only",
    )
    rows = {row["task"]: row for row in json.loads(run("inspect", tiny_workspace, "--json"))}
    both = {"paint", "colors"}
    (line,) = [line for line in shown.splitlines() if both == set(line.split()[0:3:2])]
    assert line.split()[3:6] == ["are", "sometimes", "confused:"]
    now = certificates(WorkspaceFolder(tiny_workspace))
    all_taken = tuple(replace(pair, taken=pair.held_out) for pair in now.overlaps)
    told = advice(replace(now, overlaps=all_taken), workspace="ws")
    assert [line.split()[3:6] for line in told if both == set(line.split()[0:3:2])] == [
        ["are", "often", "confused:"]
    ]
    pairs = [pair for row in rows.values() for pair in row["overlaps"]]
    for pair in (pair for pair in pairs if {pair["task"], pair["rival"]} == both):
        counted = f"{pair['taken']} of {pair['task']}'s {pair['held_out']} "
        assert (counted in line) == (pair["taken"] > 0)
        if pair["held_out"] < ENOUGH:
            assert "So few held-out examples cannot say" in line
            assert "95% confidence" not in line
    assert line.endswith(f": cfedge join {tiny_workspace} {' '.join(line.split()[0:3:2])}")
    assert rows["colors"]["wrong_task_at_most"] > before["colors"]
    assert rows["paint"]["overlaps"][0]["rival"] == "colors"
    assert rows["colors"]["overlaps"][0]["rival"] == "paint"
    assert line in run("inspect", tiny_workspace).splitlines()
    data = twin(tmp_path / "dye.csv", "-dye", 5)  # the texts of paint
    shown = run("add", tiny_workspace, "dye", "--data", data, "--head-only")
    (line,) = [one for one in shown.splitlines() if {"paint", "dye"} == set(one.split()[0:3:2])]
    assert "They share " in line
    assert "name the task when you ask (cfedge predict --task)" in line
    assert [one for one in shown.splitlines() if "They share" in one] == [line]


def test_held_out_texts_that_were_learned_from_are_told_of(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    data = write_csv(tmp_path / "food.csv", make_texts("food", 10, 0))
    shown = run("add", tiny_workspace, "food", "--data", data, "--held-out", data, "--head-only")
    assert "food: 20 of 20 held-out inputs are learned from too" in shown
    rows = {
        row["task"]: row["repeated"] for row in json.loads(run("list", tiny_workspace, "--json"))
    }
    assert rows == {"animals": 0, "colors": 0, "food": 20}


def test_inspect_bounds_mixtures_where_it_is_asked_to(tiny_workspace: Path) -> None:
    rows = json.loads(run("inspect", tiny_workspace, "--mixtures", "--json"))
    assert all(row["model"]["mixture_bound"] > 0 for row in rows)
    assert {row["model"]["mixture_status"] for row in rows} <= {
        "holds",
        "undecided",
        "violated",
        "vacuous",
    }
    assert all(row["model"]["mixture_errors"] <= row["held_out"] for row in rows)
    assert {
        row["model"]["mixture_bound"]
        for row in json.loads(run("inspect", tiny_workspace, "--json"))
    } == {None}
    assert "mixtures" in run("inspect", tiny_workspace, "--mixtures")


def test_several_tasks_of_one_file_are_added_and_few_examples_get_a_closed_form_head(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    rows = [(text, label, "food") for text, label in make_texts("food", 2, 0)]
    rows += [(text, f"{label}-pet", "pets") for text, label in make_texts("animals", 6, 0)]
    data = tmp_path / "tasks.csv"
    data.write_text(
        "text,label,task\n" + "".join(f"{text},{label},{task}\n" for text, label, task in rows),
        encoding="utf-8",
    )
    shown = run("add", tiny_workspace, "--data", data, "--rank", 2, "--epochs", 1, "--threads", 1)
    assert (
        "It has no adapter, as a class has fewer than 3 examples to learn from; --train makes one"
        in next(line for line in shown.splitlines() if line.startswith("food: learned 2 classes"))
    )
    assert "pets: learned 3 classes" in shown
    rows = {row["task"]: row["method"] for row in json.loads(run("list", tiny_workspace, "--json"))}
    assert rows == {
        "animals": "adapter",
        "colors": "adapter",
        "food": "closed-form",
        "pets": "adapter",
    }
    opened = WorkspaceFolder(tiny_workspace)
    pets = certificates(opened, of=()).tasks["pets"]
    for adapter, method, said in (
        (
            9,
            "closed-form",
            "An adapter was no better (9 of 12 set-aside examples right, 9 without it)",
        ),
        (
            10,
            "closed-form",
            "An adapter was not clearly better (10 of 12 set-aside examples right,",
        ),
        (12, "adapter", "Its adapter was clearly better (12 of 12 set-aside examples right,"),
    ):
        tried = replace(
            pets, method=method, trial=Trial(12, closed_form=9, adapter=adapter, standard_error=1.0)
        )
        assert said in learned(tried, Settings(), opened.backbone)
    shown = run("list", tiny_workspace)
    assert "closed-form" in shown
    assert "unknown above" not in shown
    assert shown.splitlines()[-2].startswith("Each limit is a 95% confidence bound")
    assert shown.splitlines()[-1] == (
        "food: 2 held-out examples are too few to show whether it learned anything; add examples"
    )
    (rate,) = [
        row["false_reject_rate"]
        for row in json.loads(run("list", tiny_workspace, "--json"))
        if row["task"] == "food"
    ]
    assert rate in (
        1 / 2,
        1 / 3,
    )  # by how many of the two that are held out the lookup gives to the task
    said = (
        f"food: up to {rate:.0%} of its own inputs may be called unknown by mistake; to promise 5%,"
        " give at least 95 examples of the task, or 19 held-out ones with --held-out FILE"
    )
    assert said in run("inspect", tiny_workspace)


def test_several_tasks_are_refused_together_before_the_first_is_learned(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "tasks"
    folder.mkdir()
    write_csv(folder / "aa.csv", make_texts("food", 2, 0))  # few: learned before the others
    write_csv(
        folder / "bb.csv", [(text, f"{label}-b") for text, label in make_texts("colors", 6, 0)]
    )
    write_csv(
        folder / "CC.csv", [(text, f"{label}-B") for text, label in make_texts("colors", 6, 1)]
    )
    done = CliRunner().invoke(app, ["add", str(tiny_workspace), "--data", str(folder)])
    assert isinstance(done.exception, TaskError)
    assert "task name: expected lower-case letters" in str(done.exception)
    assert "found 'CC'" in str(done.exception)
    assert [row["task"] for row in json.loads(run("list", tiny_workspace, "--json"))] == [
        "animals",
        "colors",
    ]


def test_labels_that_were_never_learned_are_no_errors_of_the_model(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    for name, step in (
        (str.upper, "write it as 'blue'"),
        ("no {}".format, "remove it or add examples"),
    ):
        data = write_csv(
            tmp_path / "test.csv",
            [(text, name(label)) for text, label in make_texts("colors", 4, 3)],
        )
        done = CliRunner().invoke(
            app, ["evaluate", str(tiny_workspace), "--test", f"colors={data}"]
        )
        assert isinstance(done.exception, DataError)
        assert (
            f"test.csv: expected labels of the training data, found {name('blue')!r}; {step}"
            in str(done.exception)
        )


def test_two_test_files_of_one_task_are_refused(tiny_workspace: Path, tmp_path: Path) -> None:
    files = [write_csv(tmp_path / f"{name}.csv", make_texts("colors", 4, 3)) for name in "ab"]
    pairs = [part for file in files for part in ("--test", f"colors={file}")]
    done = CliRunner().invoke(app, ["evaluate", str(tiny_workspace), *pairs])
    assert isinstance(done.exception, UsageError)
    assert "--test: expected one file of task 'colors', found another: " in str(done.exception)


def test_what_makes_no_sense_for_one_task_or_for_several_is_refused(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    data = twin(tmp_path / "paint.csv", "-paint", 5)
    for arguments, error, message in (
        (
            ("paint", "--data", data, "--jobs", 2),
            UsageError,
            "--jobs: expected several tasks (leave TASK out), found 2 jobs",
        ),
        (
            ("--data", data, "--held-out", data),
            UsageError,
            "--held-out: expected the name of one task with it, found none",
        ),
        (
            ("paint", "--data", data, "--device", "cuda:77", "--train"),
            UsageError,
            "found 'cuda:77'; use --device cpu",
        ),
        (
            ("paint", "--data", data, "--same-label", "mauve"),
            TaskError,
            "expected a label of it to be the same as another task's, found 'mauve'",
        ),
        (
            ("paint", "--data", data, "--same-label", "red-paint"),
            TaskError,
            "expected a label 'red-paint' in another task",
        ),
        (
            ("--data", data, "--same-label", "red"),
            UsageError,
            "--same-label: expected the name of one task with it, found none",
        ),
    ):
        done = CliRunner().invoke(app, ["add", str(tiny_workspace), *map(str, arguments)])
        assert isinstance(done.exception, error)
        assert message in str(done.exception)


def test_two_tasks_may_share_labels_and_add_says_so(tiny_workspace: Path, tmp_path: Path) -> None:
    def answers(task: str, seed: int) -> Path:
        rows = make_texts(task, 8, seed)
        return write_csv(
            tmp_path / f"{task}.csv",
            [(text, str(int(label in ("red", "soup")))) for text, label in rows],
        )

    run("add", tiny_workspace, "warm", "--data", answers("colors", 5), "--head-only")
    shown = run("add", tiny_workspace, "meal", "--data", answers("food", 5), "--head-only")
    assert "meal: other tasks have labels of the same name, '0' (in warm), '1' (in warm)" in shown
    row = json.loads(run("list", tiny_workspace, "--json"))[2]
    assert row["task"] == "meal"
    assert row["shared_labels"] == {"0": ["warm"], "1": ["warm"]}
    shown = run(
        "add", tiny_workspace, "meal", "--data", answers("food", 5), "--head-only", "--replace",
        "--same-label", "1", "--same-label", "0",
    )  # fmt: skip
    assert "labels of the same name" not in shown
    assert json.loads(run("list", tiny_workspace, "--json"))[2]["same_labels"] == {
        "0": "0",
        "1": "1",
    }


def test_a_task_is_updated_renamed_and_shortened_and_replaced_only_when_asked(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    data, more = (
        write_csv(tmp_path / f"{seed}.csv", make_texts("food", count, seed))
        for seed, count in ((0, 24), (1, 12))
    )
    run("add", tiny_workspace, "food", "--data", data, "--head-only")
    done = CliRunner().invoke(app, ["add", str(tiny_workspace), "food", "--data", str(more)])
    assert "add examples or classes to it with: cfedge update" in str(done.exception)
    done = CliRunner().invoke(
        app, ["add", str(tiny_workspace), "food", "--data", str(more), "--replace"]
    )
    assert isinstance(done.exception, UsageError)
    assert (
        "expected --yes with --replace, as the task would lose what 24 of its 48 examples taught"
        in str(done.exception)
    )
    shown = run("update", tiny_workspace, "food", "--data", more)
    assert "food: learned 20 more examples, no new class; it now stands on 58." in shown
    assert "of its 10 old held-out examples rightly" in shown
    assert "of the new ones alone" not in shown
    write_csv(more, make_texts("food", 12, 1) + make_texts("food", 12, 2))
    row = json.loads(run("update", tiny_workspace, "food", "--data", more, "--json"))
    assert row["left_out"] == 24  # which the first update brought
    assert (row["examples"], row["held_out"]) == (78, 18)
    run("rename", tiny_workspace, "food", "meals")
    run("rename", tiny_workspace, "meals", "broth", "--label", "soup")
    assert "its class cake is removed; it has broth left" in run(
        "remove", tiny_workspace, "meals", "--class", "cake"
    )
    run("add", tiny_workspace, "meals", "--data", more, "--head-only", "--replace", "--yes")
    other = {"soup": "cake", "cake": "soup"}
    write_csv(more, [(text, other[label]) for text, label in make_texts("food", 8, 5)])
    shown = run("update", tiny_workspace, "meals", "--data", more, "--max-drop", "100")
    assert " of 4: look whether their labels mean what the old ones do\n" in shown


def test_inspect_says_what_more_examples_may_bring(tiny_workspace: Path) -> None:
    shown = run("inspect", tiny_workspace, "--curve")
    assert "twice as many may bring" in shown
    assert "reuses" not in run("inspect", tiny_workspace)  # no task was taught with --reuse
    row = json.loads(run("inspect", tiny_workspace, "--json"))[0]
    assert [point["examples"] for point in row["curve"]][-1] == row["examples"]
    assert f"with {2 * row['examples']} examples: " in " ".join(shown.split())
