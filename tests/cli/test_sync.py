"""keys, publish, withdraw, rollout, renew, merge, sync, generations and rollback, as a user meets
them.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import here
import pytest
from every import cases
from tiny import cloned, only, relearned, written
from typer.testing import CliRunner

from cfedge.bundle.files import read
from cfedge.cli import app, main


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    here.use(monkeypatch)


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, object]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


def run(*arguments: object) -> Done:
    """One command in this process: its exit code and streams."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(one) for one in arguments])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def done(*arguments: object) -> Done:
    found = run(*arguments)
    assert found.code == 0, found.err
    return found


def refused(code: int, pattern: str, *arguments: object) -> None:
    """The command ends with `code` and one line that fits."""
    found = run(*arguments)
    assert found.code == code, found.err
    last = found.err.strip().splitlines()[-1]
    assert last.startswith("cfedge: ")
    assert re.search(pattern, last), last
    assert "Traceback" not in found.err


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CFEDGE_PASSPHRASE", raising=False)


@pytest.fixture
def home(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with keys, and a repository that holds the tiny bundle."""
    monkeypatch.chdir(tmp_path)
    done("keys", "init", "keys", "--site", "hq")
    done("publish", tiny_bundle, "repo", "--keys", "keys")
    return tmp_path


def test_a_users_path_from_keys_to_an_answer_in_processes_of_their_own(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    def process(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-c",
            "from cfedge.cli import main; main()",
            *map(str, arguments),
        ]
        found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert found.returncode == 0, found.stderr
        return found

    assert "keys of site hq" in process("keys", "init", "keys", "--site", "hq").stdout
    assert (
        "backbone local, task animals, task colors"
        in process("publish", tiny_bundle, "repo", "--keys", "keys").stdout
    )
    synced = process("sync", "store", "--from", "repo", "--root", "repo/metadata/1.root.json")
    assert re.search(
        r"store: generation 1: added animals, colors; fetched .* kB, freed 0 bytes, fresh",
        synced.stdout,
    )
    assert json.loads(process("predict", "store", "crimson please", "--json").stdout)["task"] in (
        "animals",
        "colors",
    )


def test_keys_are_made_and_say_whether_they_are_encrypted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = done("keys", "init", tmp_path / "a", "--site", "hq", "--json").json
    assert found == {"keys": str(tmp_path / "a"), "site": "hq", "encrypted": False}
    assert "not encrypted: set CFEDGE_PASSPHRASE" in done("keys", "init", tmp_path / "b").out
    monkeypatch.setenv("CFEDGE_PASSPHRASE", "")
    assert done("keys", "init", tmp_path / "c", "--json").json["encrypted"] is False
    monkeypatch.setenv("CFEDGE_PASSPHRASE", "open sesame")
    assert done("keys", "init", tmp_path / "d", "--json").json["encrypted"] is True
    assert ", encrypted;" in done("keys", "init", tmp_path / "e").out
    refused(9, "expected a name that is free", "keys", "init", tmp_path / "a")
    refused(
        2,
        "--root-keys, --root-threshold: expected",
        "keys",
        "init",
        tmp_path / "f",
        "--root-threshold",
        3,
    )
    refused(2, "--site: expected 1..64 printable", "keys", "init", tmp_path / "f", "--site", "")


def test_a_passphrase_is_asked_for_where_the_keys_need_it(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CFEDGE_PASSPHRASE", "open sesame")
    done("keys", "init", tmp_path / "keys")
    done("publish", tiny_bundle, tmp_path / "repo", "--keys", tmp_path / "keys")
    monkeypatch.setenv("CFEDGE_PASSPHRASE", "wrong")
    refused(
        7,
        r"could not open .*\.pem: .*CFEDGE_PASSPHRASE",
        "renew",
        tmp_path / "repo",
        "--keys",
        tmp_path / "keys",
    )


def test_keys_are_rotated_and_devices_follow(home: Path) -> None:
    done("sync", "store", "--from", "repo", "--root", "repo/metadata/1.root.json")
    assert (
        done("keys", "rotate", "keys", "repo", "timestamp").out
        == "repo: the keys of timestamp are new; root file 3 names them\n"
    )
    assert done("keys", "rotate", "keys", "repo", "root", "--json").json == {
        "role": "root",
        "root_version": 4,
    }
    assert "nothing new" in done("sync", "store", "--from", "repo").out
    refused(
        2,
        "ROLE: expected one of root, snapshot, targets, timestamp or online, found 'nope'",
        "keys",
        "rotate",
        "keys",
        "repo",
        "nope",
    )
    refused(7, "expected a repository, found none", "keys", "rotate", "keys", "nowhere", "root")
    for path in (home / "keys").glob("root-*.pem"):
        path.unlink()
    refused(
        12,
        r"expected 2 of this repository's root keys .* found 0",
        "keys",
        "rotate",
        "keys",
        "repo",
        "root",
    )


def test_publishing_tells_what_was_added_and_what_is_only_here(
    home: Path, tiny_bundle: Path
) -> None:
    again = done("publish", tiny_bundle, "repo", "--keys", "keys", "--rollout", "0.5").out
    assert "nothing new, signed anew; 0 bytes of files" in again
    assert "note: nothing is new, so there is nothing to roll out" in again
    bundle = read(tiny_bundle)
    one = written(only(bundle, "colors"), home / "one")
    assert (
        "note: not in the bundle, and kept: animals (cfedge withdraw removes)"
        in done("publish", one, "repo", "--keys", "keys").out
    )
    other = written(relearned(bundle, "colors"), home / "other")
    found = done("publish", other, "repo", "--keys", "keys", "--rollout", 0.25, "--json").json
    assert found["share"] == 0.25
    assert "task colors" in found["added"]  # type: ignore[operator]
    assert set(found) == {
        "channel",
        "entries",
        "added",
        "object_bytes",
        "only_here",
        "conflicts",
        "share",
    }
    more = written(cloned(bundle, "colors", "paint"), home / "more")
    assert (
        "note: 25% of the devices follow all of it; cfedge rollout"
        in done("publish", more, "repo", "--keys", "keys").out
    )


def test_publishing_refuses_what_it_cannot_use(home: Path, tiny_bundle: Path) -> None:
    refused(
        7,
        "expected a bundle with manifest.json",
        "publish",
        home / "none",
        "repo",
        "--keys",
        "keys",
    )
    refused(
        7,
        "expected keys, found none; make them with: cfedge keys init",
        "publish",
        tiny_bundle,
        "repo",
        "--keys",
        "none",
    )
    refused(
        2,
        "share of the devices: expected 0..1, found 2.0",
        "publish",
        tiny_bundle,
        "new",
        "--keys",
        "keys",
        "--rollout",
        2,
    )
    refused(
        2,
        "channel: expected 1 to 64 letters",
        "publish",
        tiny_bundle,
        "repo",
        "--keys",
        "keys",
        "--channel",
        "a/b",
    )
    done("keys", "init", "others")
    changed = written(relearned(read(tiny_bundle), "colors"), home / "changed")
    refused(12, "found 1 of other repositories", "publish", changed, "repo", "--keys", "others")
    (home / "full").mkdir()
    (home / "full" / "x").write_text("x")
    refused(
        9,
        "expected an empty folder for the repository, found 'x'",
        "publish",
        tiny_bundle,
        "full",
        "--keys",
        "keys",
    )


def test_withdrawing_a_task_and_its_files(home: Path) -> None:
    done("sync", "store", "--from", "repo", "--root", "repo/metadata/1.root.json")
    refused(
        4,
        r"task 'nope': expected one of the channel's \(animals, colors\)",
        "withdraw",
        "repo",
        "nope",
        "--keys",
        "keys",
    )
    refused(
        12,
        "expected channel 'beta', found none",
        "withdraw",
        "repo",
        "colors",
        "--keys",
        "keys",
        "--channel",
        "beta",
    )
    assert done("withdraw", "repo", "colors", "--keys", "keys", "--erase").out == (
        "repo: channel stable: colors withdrawn, its files deleted\n"
    )
    found = done("sync", "store", "--from", "repo", "--json").json
    assert (found["removed"], found["generation"]) == (["colors"], 2)
    assert found["freed_bytes"] > 0  # type: ignore[operator]
    refused(
        4,
        "expected another task to go on with",
        "withdraw",
        "repo",
        "animals",
        "--keys",
        "keys",
        "--json",
    )


def test_a_rollout_is_widened_and_finished(home: Path, tiny_bundle: Path) -> None:
    refused(12, "expected a rollout, found none", "rollout", "repo", 0.5, "--keys", "keys")
    more = written(cloned(read(tiny_bundle), "colors", "paint"), home / "more")
    done("publish", more, "repo", "--keys", "keys", "--rollout", 0)
    assert (
        "added animals, colors;"
        in done("sync", "store", "--from", "repo", "--root", "repo/metadata/1.root.json").out
    )
    refused(2, "share of the devices: expected 0..1", "rollout", "repo", 1.5, "--keys", "keys")
    assert "50% of the devices follow all" in done("rollout", "repo", 0.5, "--keys", "keys").out
    assert done("rollout", "repo", 1, "--keys", "keys", "--json").json["done"] is True
    assert (
        "paint" in done("generations", "store").out
        or "added paint" in done("sync", "store", "--from", "repo").out
    )


def test_renewing_says_for_how_long(home: Path) -> None:
    assert done("renew", "repo", "--keys", "keys", "--json").json == {
        "repository": "repo",
        "days": 7,
        "root_days": 364,
    }
    assert (
        "the timestamp is good for 7 days, the root for 364"
        in done("renew", "repo", "--keys", "keys").out
    )
    refused(7, "expected a repository, found none", "renew", "nowhere", "--keys", "keys")


def test_merging_reports_adopted_tasks_overlaps_and_limits(home: Path, tiny_bundle: Path) -> None:
    other = written(only(cloned(read(tiny_bundle), "colors", "azure"), "azure"), home / "other")
    done("keys", "init", "keys-b", "--site", "lab")
    done("publish", other, "repo-b", "--keys", "keys-b")
    root = "repo-b/metadata/1.root.json"
    text = done(
        "merge", "repo", "repo-b", "--root", root, "--keys", "keys", "--same-label", "red"
    ).out
    assert "repo: adopted backbone local, task azure; fetched" in text
    assert "tasks that may be taken for each other since" in text
    assert "no label" in text
    assert "wrong task, at most" in text
    found = done(
        "merge",
        "repo",
        "repo-b",
        "--root",
        "repo-b/metadata/1.root.json",
        "--keys",
        "keys",
        "--json",
    ).json
    assert (found["adopted"], found["measured"]) == ([], [])
    assert set(found["wrong_task_at_most"]) == {"animals", "azure", "colors"}  # type: ignore[call-overload]
    refused(
        2, "--root: expected a file", "merge", "repo", "repo-b", "--root", "none", "--keys", "keys"
    )
    refused(
        12,
        "expected what its keys sign",
        "merge",
        "repo",
        "repo-b",
        "--root",
        "repo/metadata/1.root.json",
        "--keys",
        "keys",
    )
    refused(
        12,
        "nowhere: expected a repository, found no folder",
        "merge",
        "repo",
        "nowhere",
        "--root",
        "repo-b/metadata/1.root.json",
        "--keys",
        "keys",
    )


def test_syncing_for_some_tasks_a_dry_run_and_a_pinned_store(home: Path, tiny_bundle: Path) -> None:
    first = ("sync", "store", "--from", "repo", "--root", "repo/metadata/1.root.json")
    assert (
        "dry run: generation none stays; would be added animals, colors, "
        in done(*first, "--dry-run").out
    )
    assert not (home / "store").exists()
    refused(12, "found none of that name; name another with --channel", *first, "--channel", "x")
    found = done(*first, "--tasks", "col*", "--json").json
    assert (found["generation"], found["added"], found["changed"], found["freshness"]) == (
        1,
        ["colors"],
        True,
        "fresh",
    )
    done(
        "predict", "store", "crimson please"
    )  # a generation that never opened is none to go back to
    assert done("sync", "store", "--from", "repo", "--json").json["added"] == ["animals"]
    assert "nothing new" in done("sync", "store", "--from", "repo", "--jitter", 0.01).out
    done("predict", "store", "crimson please")
    rolled = done("rollback", "store", "--to", 1, "--json").json
    assert (rolled["generation"], rolled["pinned"]) == (1, True)
    assert (
        "pinned by a rollback (cfedge rollback --unpin): generation 1 stays; would be added animals"
        in (done("sync", "store", "--from", "repo").out)
    )
    assert "generation 1 answers until the next sync" in done("rollback", "store", "--unpin").out
    assert "added animals" in done("sync", "store", "--from", "repo").out


def test_syncing_refuses_what_it_cannot_use(home: Path) -> None:
    root = "repo/metadata/1.root.json"
    refused(
        2,
        "--root: expected the root to trust for a new store, found none",
        "sync",
        "store",
        "--from",
        "repo",
    )
    refused(
        2,
        r"--root: expected a file, found No such file.*none",
        "sync",
        "store",
        "--from",
        "repo",
        "--root",
        "none",
    )
    refused(
        2,
        r"address: expected a folder or an http\(s\) URL, found 'ftp://x'",
        "sync",
        "store",
        "--from",
        "ftp://x",
        "--root",
        root,
    )
    refused(
        12,
        "nowhere: expected a repository, found no folder; is the stick in",
        "sync",
        "store",
        "--from",
        "nowhere",
        "--root",
        root,
    )
    refused(
        12,
        "expected channel 'beta', found none of that name",
        "sync",
        "beta",
        "--from",
        "repo",
        "--root",
        root,
        "--channel",
        "beta",
    )
    refused(4, "none of them wanted", "sync", "store", "--from", "repo", "--tasks", "nope")
    refused(
        9,
        r"expected at most 10 bytes of objects \(--budget\)",
        "sync",
        "store",
        "--from",
        "repo",
        "--budget",
        10,
    )
    refused(
        12,
        "expected channel 'beta', found none of that name",
        "sync",
        "store",
        "--from",
        "repo",
        "--channel",
        "beta",
    )
    (home / "bad.json").write_text("{}")
    refused(
        12, "expected what its keys sign", "sync", "other", "--from", "repo", "--root", "bad.json"
    )
    done("keys", "init", "keys-b")
    assert run("sync", "store", "--from", "repo", "--deadline", 0).code == 2
    for seconds in ("nan", "inf", 1e9):
        for option in ("--deadline", "--jitter"):
            said = f"{option}: expected at most 31622400 seconds, a year, found"
            refused(2, said, "sync", "store", "--from", "repo", option, seconds)
        for option in ("--timeout", "--follow"):
            refused(2, f"{option}: expected at most 31622400", "serve", "none", option, seconds)
    assert run("sync", "store").code == 2


def test_generations_are_listed_with_what_answers(home: Path, tiny_bundle: Path) -> None:
    refused(
        7, "store: expected a store, found none; make one with: cfedge sync", "generations", "store"
    )
    done("sync", "store", "--from", "repo", "--root", "repo/metadata/1.root.json")
    assert "answers, not opened yet" in done("generations", "store").out
    done("predict", "store", "crimson please")
    written(relearned(read(tiny_bundle), "colors"), tiny_bundle)
    done("publish", tiny_bundle, "repo", "--keys", "keys")
    done("sync", "store", "--from", "repo")
    found = done("generations", "store", "--json").json
    rows = found["generations"]
    assert isinstance(rows, list)
    assert [(row["generation"], row["answers"], row["opened"]) for row in rows] == [
        (1, False, True),
        (2, True, False),
    ]
    assert (found["channel"], found["freshness"]) == ("stable", "fresh")
    assert rows[0]["tasks"] == ["animals", "colors"]
    assert "generation 1 answers until cfedge rollback --unpin" in done("rollback", "store").out
    assert "answers, pinned" in done("generations", "store").out


def test_rolling_back_refuses_what_is_not_there(home: Path) -> None:
    refused(
        7, "store: expected a store, found none; make one with: cfedge sync", "rollback", "store"
    )
    done("sync", "store", "--from", "repo", "--root", "repo/metadata/1.root.json")
    refused(7, "expected an earlier generation, found only 1", "rollback", "store")
    refused(
        7,
        "expected generation 9, found only 1; see: cfedge generations",
        "rollback",
        "store",
        "--to",
        9,
    )


@cases(
    "command",
    [
        "keys init",
        "keys rotate",
        "publish",
        "withdraw",
        "rollout",
        "renew",
        "merge",
        "sync",
        "generations",
        "rollback",
    ],
)
def test_every_command_has_help_with_an_example_and_json(command: str) -> None:
    text = CliRunner().invoke(app, [*command.split(), "--help"]).output
    assert f"Example: cfedge {command}" in text
    assert "--json" in text
