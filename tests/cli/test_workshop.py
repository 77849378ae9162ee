"""init --scheme, --profile, --sensitivity and budgets, export --merged and under budgets, as a user
meets them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made import make_texts, write_csv
from typer.testing import CliRunner

from cfedge.cli import app
from cfedge.errors import BudgetError, UsageError
from cfedge_export.architectures.text.bert import BERT
from cfedge_export.schemes import SCHEMES

TEXT_SCHEMES = [name for name in SCHEMES if name in BERT.schemes]


def _init(folder: Path, target: Path, *more: str) -> str:
    return _cf("init", target, "--backbone", "local", "--folder", folder, *more)


def _cf(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_auto_measures_every_scheme_picks_one_and_says_why(
    tiny_folder: Path, tmp_path: Path
) -> None:
    made = json.loads(_init(tiny_folder, tmp_path / "ws", "--scheme", "auto", "--json"))
    assert [one["scheme"] for one in made["scheme"]["measured"]] == list(TEXT_SCHEMES)
    assert made["scheme"]["scheme"] == made["backbone"]["scheme"]
    assert "of float32's time at mean cosine" in made["scheme"]["why"]
    assert sum(made["bytes_by_part"].values()) == made["bytes"]


def test_a_profile_picks_by_rules_and_says_why(tiny_folder: Path, tmp_path: Path) -> None:
    made = json.loads(_init(tiny_folder, tmp_path / "ws", "--profile", "x86-64-avx2", "--json"))
    assert made["backbone"]["scheme"] == "int8-row"
    assert made["scheme"]["measured"] == []
    shown = _init(tiny_folder, tmp_path / "other", "--profile", "rpi-5")
    assert "int8-row: rpi-5 computes it exactly" in shown
    assert "quantised as int8-row: " in shown
    assert shown.endswith(f"ready; next: cfedge add {tmp_path / 'other'} TASK --data FILE\n")


def test_without_either_the_default_is_made_as_before(tiny_folder: Path, tmp_path: Path) -> None:
    made = json.loads(_init(tiny_folder, tmp_path / "ws", "--json"))
    assert made["backbone"]["scheme"] == "int8-row"


def test_what_cannot_be_is_refused_before_anything_is_made(
    tiny_folder: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    target = tmp_path / "ws"
    with pytest.raises(
        UsageError, match="scheme int8-dynamic: expected one that x86-64-avx2 computes exactly"
    ):
        _init(tiny_folder, target, "--scheme", "int8-dynamic", "--profile", "x86-64-avx2")
    with pytest.raises(UsageError, match=r"profile: expected one of .*, found 'nope'"):
        _init(tiny_folder, target, "--profile", "nope")
    for option, value in (
        ("--scheme", "float32"),
        ("--profile", "rpi-5"),
        ("--ram", "1GB"),
        ("--sensitivity", "0.99"),
    ):
        with pytest.raises(
            UsageError, match=f"--same-backbone: expected no {option} with it, found both"
        ):
            _init(tiny_folder, target, "--same-backbone", str(tiny_bundle), option, value)
        with pytest.raises(UsageError, match=f"--repair: expected no {option} with it, found both"):
            _init(tiny_folder, target, "--repair", str(tmp_path), option, value)
    with pytest.raises(UsageError, match="--drop, --strict: expected --repair with them"):
        _init(tiny_folder, target, "--drop", "0.5")
    assert not target.exists()
    target.mkdir()
    with pytest.raises(
        UsageError, match="expected a new name for the workspace"
    ):  # before weights are looked for and measured
        _init(tmp_path / "no weights", target, "--scheme", "auto")


def test_the_false_reject_rate_is_chosen_when_a_bundle_is_exported(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    found = {}
    for rate in (0.05, 0.3):
        _cf("export", tiny_workspace, tmp_path / f"{rate}", "--false-reject", rate)
        tasks = json.loads((tmp_path / f"{rate}" / "manifest.json").read_bytes())["tasks"]
        found[rate] = {
            task["name"]: (task["false_reject_rate"], task["threshold"]) for task in tasks
        }
    for name, (rate, threshold) in found[0.3].items():
        assert rate == 0.3
        assert threshold < found[0.05][name][1]
    with pytest.raises(
        UsageError,
        match=r"false-reject rate: expected a share above 0 and at most 0.3, found 0.4; such as 0.05",
    ):
        _cf("export", tiny_workspace, tmp_path / "new", "--false-reject", 0.4)
    with pytest.raises(
        UsageError, match="--merged: expected no --false-reject with it, found both"
    ):  # it has no thresholds
        _cf("export", tiny_workspace, tmp_path / "new", "--merged", "colors", "--false-reject", 0.1)
    assert not (tmp_path / "new").exists()


def test_a_task_is_exported_as_one_file(tiny_workspace: Path, tmp_path: Path) -> None:
    arguments = ["export", str(tiny_workspace), str(tmp_path / "colors.onnx"), "--merged", "colors"]
    done = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert done["labels"] == ["blue", "green", "red"]
    assert done["size_bytes"] == (tmp_path / "colors.onnx").stat().st_size
    assert Path(done["tokenizer"]).is_file()
    shown = CliRunner().invoke(app, [*arguments, "--replace"]).stdout
    assert "input_ids -> scores of 3 labels" in shown


def test_a_cosine_that_is_asked_for_leaves_layers_in_float32_and_tells_which_and_at_what_cost(
    tiny_folder: Path, tmp_path: Path
) -> None:
    made = json.loads(_init(tiny_folder, tmp_path / "ws", "--sensitivity", "0.99999", "--json"))
    found = made["sensitivity"]
    assert found["layers"] == made["scheme"]["float_layers"] != []
    assert found["mean_cosine_before"] < 0.99999 <= found["mean_cosine"]
    assert found["extra_bytes"] > 0
    assert found["time_ratio"] > 0
    shown = _init(tiny_folder, tmp_path / "shown", "--sensitivity", "0.99999")
    assert f"left in float32: {', '.join(found['layers'])}: mean cosine 0.9999" in shown
    assert "no layer is left in float32" in _init(
        tiny_folder, tmp_path / "none", "--sensitivity", "0.9"
    )


def test_the_layers_of_another_workshop_are_taken_with_its_backbone(
    tiny_folder: Path, tmp_path: Path
) -> None:
    made = json.loads(
        _init(tiny_folder, tmp_path / "ws", "--sensitivity", "0.99999", "--split", "2", "--json")
    )
    data = write_csv(tmp_path / "food.csv", make_texts("food", 24, 0))
    _cf("add", tmp_path / "ws", "food", "--data", data, "--head-only")
    done = json.loads(_cf("export", tmp_path / "ws", tmp_path / "bundle", "--json"))
    assert done["float_layers"] == made["sensitivity"]["layers"] != []
    again = json.loads(  # the backbone's name is the bundle's
        _cf(
            "init",
            tmp_path / "again",
            "--same-backbone",
            tmp_path / "bundle",
            "--folder",
            tiny_folder,
            "--json",
        )
    )
    assert again["digest"] == made["digest"]


def test_under_budgets_scheme_cut_and_threads_are_chosen_measured_again_and_told(
    tiny_folder: Path, tmp_path: Path
) -> None:
    made = json.loads(_init(tiny_folder, tmp_path / "ws", "--ram", "2GB", "--p90", "10s", "--json"))
    found = made["budgets"]
    assert found["configuration"] == {
        "scheme": made["backbone"]["scheme"],
        "split": made["backbone"]["split"],
        "threads": 1,
    }
    assert found["gave_way"] == []
    assert [one["configuration"] for one in found["trials"]] == [found["configuration"]] * 2
    assert found["footprint"]["peak_rss_bytes"] < 2e9
    assert made["scheme"]["measured"]
    shown = _init(tiny_folder, tmp_path / "other", "--scheme", "float32", "--ram", "2GB")
    assert "budgets are kept to by float32, cut after block 1, 1 thread: p90 " in shown
    assert "gave way: nothing" in shown


def test_a_budget_that_nothing_keeps_to_is_refused_by_name_and_nothing_is_made(
    tiny_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        BudgetError,
        match=(
            r"^ram: expected at most 1\.0 MB, found .* at least \(.*\); nothing was written: allow"
            r" more"
        ),
    ):
        _init(tiny_folder, tmp_path / "ws", "--scheme", "int8-row", "--ram", "1MB")
    with pytest.raises(
        BudgetError,
        match=(
            r"^p90: expected at most 0\.001 ms for an answer, found .* ms at best \(.*, cut after"
            r" block 1, "
        ),
    ):
        _init(tiny_folder, tmp_path / "ws", "--scheme", "int8-row", "--split", "1", "--p90", "1us")
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_exported_under_budgets_or_not_at_all(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    target = tmp_path / "bundle"
    limits = ("--ram", "2GB", "--p90", "10s", "--drop", "1.0")
    found = json.loads(_cf("export", tiny_workspace, target, *limits, "--json"))["budgets"]
    assert found["configuration"] == {"scheme": "int8-row", "split": 2, "threads": 1}
    assert 20e6 < found["footprint"]["peak_rss_bytes"] < 2e9
    shown = _cf("export", tiny_workspace, target, "--replace", *limits)
    assert "largest drop" in shown
    assert "of 1 points" in shown
    before = (target / "manifest.json").read_bytes()
    none = r"found .*; nothing was written: no other scheme takes so little here either"
    with pytest.raises(BudgetError, match=rf"^ram: expected at most 1\.0 MB, {none}"):
        _cf("export", tiny_workspace, target, "--replace", "--ram", "1MB")
    assert (target / "manifest.json").read_bytes() == before
    assert [path.name for path in target.parent.iterdir() if "bundle" in path.name] == ["bundle"]


@pytest.mark.parametrize(
    "limit",
    [("--drop", "nan"), ("--drop", "-1"), ("--max-drop", "inf"), ("--drop", "101"), ("--max-error-ratio", "nan"),
     ("--max-error-ratio", "-0.1"), ("--ram", "lots"), ("--p90", "-5ms")],
)  # fmt: skip
def test_a_limit_that_is_none_is_refused_as_nan_would_let_everything_pass(
    tiny_workspace: Path, tmp_path: Path, limit: tuple[str, str]
) -> None:
    with pytest.raises(UsageError, match="expected a number"):
        _cf("export", tiny_workspace, tmp_path / "bundle", *limit)
    assert not (tmp_path / "bundle").exists()


def test_budgets_are_of_bundles_not_of_merged_files(tiny_workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--merged: expected no --p90 with it"):
        _cf("export", tiny_workspace, tmp_path / "one.onnx", "--merged", "colors", "--p90", "5ms")
