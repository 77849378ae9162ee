"""What an answering program keeps of what it answered."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from every import cases
from typer.testing import CliRunner

from cfedge import Engine
from cfedge.cli import app
from cfedge.cli.answering import keeping
from cfedge.errors import MissingExtraError
from cfedge.kept.keeper import Keeper
from cfedge.kept.reason import reason_of


@dataclass
class Answered:
    unknown: bool = False
    stages: int = 1
    probability: float = 0.9


@cases(
    ("answer", "reason"),
    [
        (Answered(), None),
        (Answered(stages=2), None),
        (Answered(unknown=True, stages=3), "unknown"),
        (Answered(stages=3), "thin margin"),
        (Answered(probability=0.49), "unsure label"),
    ],
)
def test_it_is_kept_for_the_most_telling_reason(answer: Answered, reason: str | None) -> None:
    assert reason_of(answer) == reason


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CFEDGE_KEEP_KEY", str(tmp_path / "keep.key"))
    return tmp_path / "keep.key"


def test_predict_keeps_what_is_not_clear_and_counts_all(
    tiny_bundle: Path, tmp_path: Path, key: Path
) -> None:
    texts = ["crimson ruby", "tabby kitten purr", "quantum zebra flux", "zz yy xx"]
    words = ["predict", str(tiny_bundle), *texts, "--keep", str(tmp_path / "kept")]
    assert CliRunner().invoke(app, words).exit_code == 0
    engine = Engine.open(tiny_bundle)
    unclear = [
        text
        for text, one in zip(texts, engine.predict(texts), strict=True)
        if reason_of(one) is not None
    ]
    assert unclear
    keeper = Keeper.open(tmp_path / "kept", engine, print, None)
    kept = keeper.inputs.read(keeper.inputs.numbers(["waiting"], limit=9))
    assert sorted(one.value for one in kept) == sorted(unclear)
    assert {one.answer["kept"] for one in kept} <= {"unknown", "thin margin", "unsure label"}
    assert sum(row.answers for row in keeper.inputs.minutes.since(0)) == len(texts)


def test_counts_are_written_where_answering_ends_in_an_error(
    tiny_bundle: Path, tmp_path: Path, key: Path
) -> None:
    engine = Engine.open(tiny_bundle)

    def answer_and_break_off() -> None:
        with keeping(tmp_path / "kept", None, engine) as see:
            assert see is not None
            for text in ("crimson ruby", "tabby kitten purr", "crimson"):
                see(engine, [text], engine.predict([text]))
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        answer_and_break_off()
    again = Keeper.open(tmp_path / "kept", engine, print, None)
    assert sum(row.answers for row in again.inputs.minutes.since(0)) == 3


def test_nothing_is_kept_unless_it_is_asked_for(
    tiny_bundle: Path, tmp_path: Path, key: Path
) -> None:
    before = set(tmp_path.rglob("*"))
    assert CliRunner().invoke(app, ["predict", str(tiny_bundle), "zz yy"]).exit_code == 0
    assert set(tmp_path.rglob("*")) == before
    done = CliRunner().invoke(app, ["predict", str(tiny_bundle), "zz", "--keep-size", "1MB"])
    assert "expected --keep beside it" in str(done.exception)


def test_where_it_could_not_be_encrypted_nothing_is_kept(
    tiny_bundle: Path, tmp_path: Path, key: Path
) -> None:
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from cfedge.cli import main; main(sys.argv[1:])"
    )
    words = ["predict", str(tiny_bundle), "zz yy", "--keep", str(tmp_path / "kept")]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == MissingExtraError.exit_code
    assert "nothing is kept in clear: pip install 'cfedge[keep]'" in done.stderr
    assert not (tmp_path / "kept").exists()


def test_a_disk_that_refuses_stops_no_answer_and_is_said_once(
    tiny_bundle: Path, tmp_path: Path, key: Path
) -> None:
    engine, said = Engine.open(tiny_bundle), list[str]()
    keeper = Keeper.open(tmp_path / "kept", engine, said.append, None)
    with keeper.inputs._database.reading() as database:
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {pages}")
    texts = [f"zz {'yy ' * 2_000} {row}" for row in range(20)]
    for _ in range(2):
        keeper.see(engine, texts, engine.predict(texts))
    assert len(said) == 1
    assert "could not write the kept inputs" in said[0]
