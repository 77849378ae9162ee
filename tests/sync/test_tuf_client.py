"""The client of the TUF conformance suite against repositories that python-tuf signs, one attack of
the specification a test.

The suite itself is not a dependency: these are its subjects, in our words and on a repository of
our own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from securesystemslib.signer import CryptoSigner
from servers import Static
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer
from tuf_client import main

TOP = ("root", "timestamp", "snapshot", "targets")
SIGNERS = [CryptoSigner.generate_ed25519() for _ in range(12)]


class Repository:
    """A repository that signs whatever it is told to, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "metadata").mkdir(parents=True)
        (folder / "targets").mkdir()
        safe = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=30)
        self.safe = safe
        self.signers: dict[str, list[CryptoSigner]] = {}
        self.md: dict[str, Metadata[Any]] = {
            role: Metadata(kind(expires=safe))
            for role, kind in (
                ("root", Root),
                ("timestamp", Timestamp),
                ("snapshot", Snapshot),
                ("targets", Targets),
            )
        }
        self.hashes = False
        self._unused = [*SIGNERS]
        for role in TOP:
            self.rotate(role)
        self.publish(*TOP, bump=False)

    def __getattr__(self, role: str) -> Any:
        return self.md[role].signed

    def rotate(self, role: str) -> None:
        for keyid in list(self.root.roles[role].keyids):
            self.root.revoke_key(keyid, role)
        self.signers[role] = [self._unused.pop()]
        self.root.add_key(self.signers[role][0].public_key, role)

    def publish(self, *roles: str, bump: bool = True) -> None:
        """Sign and write; snapshot and timestamp learn of what was published before them."""
        for role in roles:
            md = self.md[role]
            md.signed.version += bump
            if role == "snapshot":
                for one in set(self.md) - {"root", "timestamp", "snapshot"}:
                    self.snapshot.meta[f"{one}.json"] = self._meta(one)
            if role == "timestamp":
                self.timestamp.snapshot_meta = self._meta("snapshot")
            self.write(role)

    def _meta(self, role: str) -> MetaFile:
        if not self.hashes:
            return MetaFile(self.md[role].signed.version)
        data = self.md[role].to_bytes(JSONSerializer(compact=True))
        return MetaFile.from_data(self.md[role].signed.version, data, ["sha256"])

    def write(self, role: str) -> bytes:
        """Sign as it is and write."""
        md = self.md[role]
        md.signatures.clear()
        for signer in self.signers[role]:
            md.sign(signer, append=True)
        data = md.to_bytes(JSONSerializer(compact=True))
        name = (
            role
            if role == "timestamp" or (not self.root.consistent_snapshot and role != "root")
            else f"{md.signed.version}.{role}"
        )
        # As a host that decodes an address stores it: the name's slashes are part of a file's name
        # here.
        (self.folder / "metadata" / f"{name}.json".replace("/", "%2F")).write_bytes(data)
        return data

    def add(self, path: str, data: bytes, role: str = "targets") -> None:
        target = TargetFile.from_data(path, data, ["sha256"])
        self.md[role].signed.targets[path] = target
        folder, _, name = path.rpartition("/")
        (self.folder / "targets" / folder).mkdir(parents=True, exist_ok=True)
        prefix = f"{target.hashes['sha256']}." if self.root.consistent_snapshot else ""
        (self.folder / "targets" / folder / f"{prefix}{name}").write_bytes(data)

    def delegate(
        self, delegator: str, role: str, paths: Sequence[str] = ("*",), *, terminating: bool = False
    ) -> None:
        signed = self.md[delegator].signed
        signed.delegations = signed.delegations or Delegations({}, {})
        signed.delegations.roles[role] = DelegatedRole(role, [], 1, terminating, [*paths])
        if role not in self.md:
            self.md[role], self.signers[role] = (
                Metadata(Targets(expires=self.safe)),
                [self._unused.pop()],
            )
            self.md[role].signed.version = 0  # `publish` counts on
        signed.add_key(self.signers[role][0].public_key, role)


class Client:
    """The client under test, as the suite runs it."""

    def __init__(self, repo: Repository, server: Static, folder: Path) -> None:
        self.metadata, self.targets, self.server, self._folder = (
            folder / "md",
            folder / "got",
            server,
            folder,
        )
        self.metadata.mkdir()
        self.targets.mkdir()
        self.root = (repo.folder / "metadata" / "1.root.json").read_bytes()

    def __call__(self, *arguments: str) -> int:
        self.server.requests.clear()
        return main(
            [
                "--metadata-url",
                f"{self.server.url}/metadata/",
                "--metadata-dir",
                str(self.metadata),
                *arguments,
            ]
        )

    def init(self) -> int:
        (self._folder / "root.json").write_bytes(self.root)
        return main(["--metadata-dir", str(self.metadata), "init", str(self._folder / "root.json")])

    def refresh(self) -> int:
        return self("refresh")

    def download(self, name: str) -> int:
        where = (
            "--target-dir",
            str(self.targets),
            "--target-base-url",
            f"{self.server.url}/targets/",
        )
        return self("--target-name", name, *where, "download")

    @property
    def asked(self) -> list[str]:
        return [
            path.removeprefix("metadata/").removesuffix(".json") for path, _ in self.server.requests
        ]

    def trusted(self) -> dict[str, int]:
        return {
            path.stem: json.loads(path.read_bytes())["signed"]["version"]
            for path in sorted(self.metadata.iterdir())
            if path.suffix == ".json"
        }

    def got(self) -> list[bytes]:
        return sorted(path.read_bytes() for path in self.targets.rglob("*") if path.is_file())


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


@pytest.fixture
def client(repo: Repository, tmp_path: Path) -> Iterator[Client]:
    with Static(repo.folder) as server:
        made = Client(repo, server, tmp_path)
        assert made.init() == 0
        yield made


def versions(
    root: int = 1, snapshot: int = 1, targets: int = 1, timestamp: int = 1
) -> dict[str, int]:
    return {"root": root, "snapshot": snapshot, "targets": targets, "timestamp": timestamp}


# The interface


def test_the_client_is_a_program_with_exit_codes(repo: Repository, tmp_path: Path) -> None:
    def run(*arguments: str) -> int:
        program = Path(__file__).parents[1] / "tuf_client.py"
        command = [sys.executable, str(program), "--metadata-dir", str(tmp_path / "md"), *arguments]
        return subprocess.run(command, capture_output=True, check=False).returncode

    repo.add("file.txt", b"content")
    repo.add("first.txt", b"1")
    repo.add("second.txt", b"2")
    repo.publish("targets", "snapshot", "timestamp")
    with Static(repo.folder) as server:
        assert run("init", str(repo.folder / "metadata" / "1.root.json")) == 0
        assert server.requests == []
        url = ("--metadata-url", f"{server.url}/metadata")
        assert run(*url, "refresh") == 0
        where = ("--target-base-url", f"{server.url}/targets", "--target-dir", str(tmp_path))
        assert run(*url, "--target-name", "file.txt", *where, "download") == 0
        assert (tmp_path / "file.txt").read_bytes() == b"content"
        assert run(*url, "--target-name", "none.txt", *where, "download") == 1
        several = ("--target-name", "first.txt", "--target-name", "second.txt")
        assert run(*url, *several, *where, "download") == 0
        assert (tmp_path / "first.txt").read_bytes() == b"1"
        assert (tmp_path / "second.txt").read_bytes() == b"2"
        assert run("init", str(tmp_path / "file.txt")) == 0, "what is trusted already stays so"


def test_a_refresh_asks_once_for_each_role_and_keeps_them_under_their_plain_names(
    client: Client, repo: Repository
) -> None:
    assert client.refresh() == 0
    assert client.asked == ["2.root", "timestamp", "1.snapshot", "1.targets"]
    assert client.trusted() == versions()
    for role in TOP:
        name = role if role == "timestamp" else f"1.{role}"
        assert (client.metadata / f"{role}.json").read_bytes() == (
            repo.folder / "metadata" / f"{name}.json"
        ).read_bytes()
    assert client.refresh() == 0
    assert client.asked == ["2.root", "timestamp"]


def test_a_download_refreshes_first(client: Client) -> None:
    assert client.download("none") == 1
    assert client.asked == ["2.root", "timestamp", "1.snapshot", "1.targets"]
    assert client.trusted() == versions()


# The root that came with the client


@pytest.mark.parametrize("spoiled", ["no version", "other signature", "no JSON"])
def test_a_root_that_is_no_good_is_asked_nothing_with(spoiled: str, client: Client) -> None:
    content = json.loads(client.root)
    if spoiled == "no version":
        del content["signed"]["version"]
    content["signatures"][0]["sig"] = "00" * 64
    client.root = b"{" if spoiled == "no JSON" else json.dumps(content).encode()
    for path in [*client.metadata.rglob("*.json")]:
        path.unlink()
    client.init()
    assert client.refresh() == 1
    assert client.asked == []


# Signatures


@pytest.mark.parametrize(
    ("role", "trusted"),
    [
        ("root", {"root"}),
        ("timestamp", {"root"}),
        ("snapshot", {"root", "timestamp"}),
        ("targets", {"root", "timestamp", "snapshot"}),
    ],
)
def test_an_unsigned_role_ends_the_refresh_there(
    role: str, trusted: set[str], client: Client, repo: Repository
) -> None:
    repo.signers[role] = []
    repo.md[role].signed.version += role == "root"
    repo.write(role)
    assert client.refresh() == 1
    assert set(client.trusted()) == trusted
    assert client.trusted()["root"] == 1


ROOTS: dict[str, list[tuple[list[int], int, list[int]]]] = {
    "1 of 1 rotated": [([1], 1, [1]), ([2], 1, [2, 1]), ([2], 1, [2])],
    "signatures that do not count": [
        ([1], 1, [3, 1, 4]),
        ([2], 1, [3, 2, 1, 4]),
        ([2], 1, [3, 2, 4]),
    ],
    "3 of 5, other three": [
        ([0, 1, 2, 3, 4], 3, [0, 2, 4]),
        ([0, 1, 2, 3, 4], 3, [0, 4, 1]),
        ([0, 1, 2, 3, 4], 3, [0, 1, 3]),
    ],
    "3 of 5, one rotated": [([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 1, 3, 4, 5], 3, [0, 4, 1])],
    "3 of 5, all rotated": [
        ([0, 1, 2, 3, 4], 3, [0, 2, 4]),
        ([5, 6, 7, 8, 9], 3, [0, 2, 4, 5, 6, 7]),
        ([5, 6, 7, 8, 9], 3, [5, 6, 7]),
    ],
    "threshold raised": [([1, 2, 3], 1, [1]), ([1, 2, 3], 2, [1, 2])],
    "threshold lowered": [([1, 2, 3], 2, [1, 2]), ([1, 2, 3], 1, [1, 2]), ([1, 2, 3], 1, [1])],
    "refused: not by the old key": [([1], 1, [1]), ([2], 1, [2, 3, 4])],
    "refused: not by the new key": [([1], 1, [1]), ([2], 1, [1, 3, 4])],
    "refused: not by 3 new keys": [
        ([0, 1, 2, 3, 4], 3, [0, 2, 4]),
        ([0, 1, 3, 4, 5], 3, [0, 2, 4]),
    ],
    "refused: not by 3 old keys": [
        ([0, 1, 2, 3, 4], 3, [0, 2, 4]),
        ([0, 1, 3, 4, 5], 3, [0, 4, 5]),
    ],
    "refused: new threshold": [([1, 2, 3], 1, [1]), ([1, 2, 3], 2, [2])],
    "refused: old threshold": [([1, 2, 3], 2, [1, 2]), ([1, 2, 3], 1, [1])],
}


@pytest.mark.parametrize("case", ROOTS)
def test_a_root_follows_when_enough_old_and_new_keys_sign_it(
    case: str, repo: Repository, tmp_path: Path
) -> None:
    datas = []
    for number, (keys, threshold, signing) in enumerate(ROOTS[case], 1):
        repo.root.version = number
        for keyid in list(repo.root.roles["root"].keyids):
            repo.root.revoke_key(keyid, "root")
        for key in keys:
            repo.root.add_key(SIGNERS[key].public_key, "root")
        repo.root.roles["root"].threshold = threshold
        repo.signers["root"] = [SIGNERS[one] for one in signing]
        datas.append(repo.write("root"))
    with Static(repo.folder) as server:
        client = Client(repo, server, tmp_path)
        assert client.init() == 0
        refused = case.startswith("refused")
        assert client.refresh() == int(refused)
        assert (client.metadata / "root.json").read_bytes() == datas[-2 if refused else -1]


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
@pytest.mark.parametrize(
    ("keys", "threshold", "signing", "good"),
    [
        ([2], 1, [2], True), ([1], 1, [3, 1, 4], True), ([2], 1, [1, 3, 4], False), ([0, 1, 2, 3, 4], 3, [0, 4, 1], True),
        ([0, 1, 3, 4, 5], 3, [0, 2, 4], False), ([0, 1, 3, 4, 5], 3, [0, 4], False),
    ],
)  # fmt: skip
def test_a_role_needs_its_threshold_of_the_roots_keys(
    role: str,
    keys: list[int],
    threshold: int,
    signing: list[int],
    good: bool,
    client: Client,
    repo: Repository,
) -> None:
    for keyid in list(repo.root.roles[role].keyids):
        repo.root.revoke_key(keyid, role)
    for key in keys:
        repo.root.add_key(SIGNERS[key].public_key, role)
    repo.root.roles[role].threshold = threshold
    repo.signers[role] = [SIGNERS[one] for one in signing]
    repo.publish("root", "targets", "snapshot", "timestamp")
    assert client.refresh() == int(not good)
    assert client.trusted()["root"] == 2
    assert (role in client.trusted()) == good


def test_one_key_under_many_names_counts_once(client: Client, repo: Repository) -> None:
    signer = repo.signers["snapshot"][0]
    for number in range(5):
        key = deepcopy(signer.public_key)
        key.keyid = f"{number:064x}"
        repo.root.add_key(key, "snapshot")
    repo.root.roles["snapshot"].threshold = 3
    repo.publish("root", "snapshot", "timestamp")
    assert client.refresh() == 1
    assert "snapshot" not in client.trusted()


def test_fields_that_are_not_known_are_signed_with_the_others(
    client: Client, repo: Repository
) -> None:
    repo.root.unrecognized_fields["custom"] = {"a": 1}
    repo.root.keys[repo.root.roles["root"].keyids[0]].unrecognized_fields["more"] = [1, 2]
    repo.publish("root")
    assert client.refresh() == 0
    assert client.trusted()["root"] == 2


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_keys_of_other_kinds_are_verified_where_cryptography_is_installed(
    kind: str, client: Client, repo: Repository
) -> None:
    signer = CryptoSigner.generate_rsa() if kind == "rsa" else CryptoSigner.generate_ecdsa()
    repo.root.add_key(signer.public_key, "timestamp")
    repo.signers["timestamp"] = [signer]
    repo.publish("root", "timestamp")
    assert client.refresh() == 0
    assert client.trusted() == versions(root=2, timestamp=2)


# Rollback, and what is not listed


def test_rollback_of_the_timestamp_is_refused(client: Client, repo: Repository) -> None:
    repo.publish("timestamp")
    assert client.refresh() == 0
    repo.timestamp.version = 1
    repo.write("timestamp")
    assert client.refresh() == 1
    assert client.asked[-1] == "timestamp"
    assert client.trusted() == versions(timestamp=2)


@pytest.mark.parametrize("hashes", [False, True])
@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_rollback_of_a_role_is_refused(
    role: str, hashes: bool, client: Client, repo: Repository
) -> None:
    repo.hashes = hashes
    repo.publish("targets", "snapshot", "timestamp")
    assert client.refresh() == 0
    repo.md[role].signed.version = 1
    repo.write(role)
    if role == "targets":
        repo.publish("snapshot")
    repo.publish("timestamp")
    assert client.refresh() == 1
    assert client.trusted()[role] == 2


def test_a_timestamp_that_changed_under_its_version_is_not_taken(
    client: Client, repo: Repository
) -> None:
    assert client.refresh() == 0
    repo.timestamp.snapshot_meta.version = 100
    repo.write("timestamp")
    assert client.refresh() == 0
    assert client.asked[-1] == "timestamp"
    assert (
        json.loads((client.metadata / "timestamp.json").read_bytes())["signed"]["meta"][
            "snapshot.json"
        ]["version"]
        == 1
    )


def test_targets_that_no_snapshot_lists_are_not_asked_for(client: Client, repo: Repository) -> None:
    assert client.refresh() == 0
    repo.publish("targets")
    assert client.refresh() == 0
    assert client.trusted() == versions()


def test_a_snapshot_of_another_version_than_listed_is_refused(
    client: Client, repo: Repository
) -> None:
    repo.snapshot.version = 2
    data = repo.write("snapshot")
    (repo.folder / "metadata" / "1.snapshot.json").write_bytes(data)
    assert client.refresh() == 1
    assert client.trusted() == {"root": 1, "timestamp": 1}


@pytest.mark.parametrize(("role", "listing"), [("targets", "snapshot"), ("snapshot", "timestamp")])
def test_a_role_of_another_digest_or_length_than_listed_is_refused(
    role: str, listing: str, client: Client, repo: Repository
) -> None:
    repo.hashes = True
    repo.publish("targets", "snapshot", "timestamp")
    assert client.refresh() == 0
    for spoil in ({"hashes": {"sha256": "0" * 64}}, {"length": 10}):
        repo.publish("targets", "snapshot", "timestamp")
        listed = (
            repo.snapshot.meta["targets.json"]
            if role == "targets"
            else repo.timestamp.snapshot_meta
        )
        for name, value in spoil.items():
            setattr(listed, name, value)
        repo.md[listing].signed.version += 1
        repo.write(listing)
        if listing == "snapshot":
            repo.publish("timestamp")
        assert client.refresh() == 1
        assert client.trusted()[role] == 2


# Fast-forward and recovery


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_fast_forward_is_recovered_from_by_rotating_keys(
    role: str, client: Client, repo: Repository
) -> None:
    repo.md[role].signed.version = 99999
    repo.publish(*TOP[TOP.index(role) :][::-1] if role != "timestamp" else ("timestamp",))
    repo.publish("snapshot", "timestamp")
    assert client.refresh() == 0
    for one in ("snapshot", "timestamp") if role != "timestamp" else ("timestamp",):
        repo.rotate(one)
    repo.md[role].signed.version = 0
    repo.publish("root", "targets", "snapshot", "timestamp")
    assert client.refresh() == 0
    assert client.trusted()[role] == 1


# Freeze


@pytest.mark.parametrize(
    ("role", "kept"),
    [
        ("root", versions(root=2)), ("timestamp", versions()), ("snapshot", versions(timestamp=2)),
        ("targets", versions(timestamp=2, snapshot=2)),
    ],
)  # fmt: skip
def test_freeze_by_an_expired_role_ends_the_refresh_there(
    role: str, kept: dict[str, int], client: Client, repo: Repository
) -> None:
    assert client.refresh() == 0
    repo.md[role].signed.expires = repo.safe - timedelta(days=60)
    repo.publish(*(("root",) if role == "root" else ("targets", "snapshot", "timestamp")))
    assert client.refresh() == 1
    found = client.trusted()
    assert found["root"] == kept["root"]
    assert found[role] == kept[role]


def test_roots_that_expired_lead_to_one_that_did_not(client: Client, repo: Repository) -> None:
    repo.root.expires = repo.safe - timedelta(days=60)
    repo.publish("root")
    repo.root.expires = repo.safe
    repo.publish("root")
    assert client.refresh() == 0
    assert client.trusted()["root"] == 3


# Artifacts


@pytest.mark.parametrize(
    "path", ["file.txt", "path/to/a/file.txt", "a+b@c!(1)~.bin", "with space.txt"]
)
@pytest.mark.parametrize("consistent", [True, False])
def test_an_artifact_is_downloaded_once(
    path: str, consistent: bool, client: Client, repo: Repository
) -> None:
    repo.root.consistent_snapshot = consistent
    repo.add(path, b"content")
    repo.publish("root", "targets", "snapshot", "timestamp")
    assert client.refresh() == 0
    assert client.got() == []
    assert client.download(path) == 0
    assert client.got() == [b"content"]
    assert client.download(path) == 0
    assert not [one for one in client.server.requests if one[0].startswith("targets/")]
    repo.add(path, b"other content")
    repo.publish("targets", "snapshot", "timestamp")
    assert client.download(path) == 0
    assert client.got() == [b"other content"]


@pytest.mark.parametrize("evil", [b"evil", b"evil content", b"", b"content and more"])
def test_an_artifact_that_was_replaced_is_not_stored(
    evil: bytes, client: Client, repo: Repository
) -> None:
    repo.add("one", b"content")
    repo.add("two", b"another")
    repo.publish("targets", "snapshot", "timestamp")
    assert client.download("one") == 0
    for path in (repo.folder / "targets").iterdir():
        path.write_bytes(evil)
    client.download("one")
    assert client.download("two") == 1
    assert client.got() == [b"content"]


@pytest.mark.parametrize(
    "path", ["../../out.txt", "/out.txt", "a/../../../out.txt", "..%2fout.txt"]
)
def test_an_artifact_with_a_malicious_name_stays_in_its_folder(
    path: str, client: Client, repo: Repository, tmp_path: Path
) -> None:
    target = TargetFile.from_data(path, b"content", ["sha256"])
    repo.targets.targets[path] = target
    repo.publish("targets", "snapshot", "timestamp")
    before = {one for one in tmp_path.rglob("*") if "md" not in one.parts}
    client.server.faults["*content*"] = lambda handler, data: handler.serve(b"content")
    client.server.faults[f"*{target.hashes['sha256']}*"] = lambda handler, data: handler.serve(
        b"content"
    )
    assert client.download(path) == 0
    after = {one for one in tmp_path.rglob("*") if "md" not in one.parts}
    assert after - before == {client.targets / quote(path, safe="")}


# Delegations

GRAPHS: dict[str, tuple[list[tuple[str, str, list[str], bool]], list[str]]] = {
    "one": ([("targets", "A", ["*"], False)], ["A"]),
    "two": ([("targets", "A", ["*"], False), ("targets", "B", ["*"], False)], ["A", "B"]),
    "depth first": (
        [("targets", "A", ["*"], False), ("targets", "B", ["*"], False), ("A", "C", ["*"], False), ("A", "D", ["*"], False)],
        ["A", "C", "D", "B"],
    ),
    "terminating": (
        [("targets", "A", ["*"], False), ("targets", "B", ["*"], False), ("A", "C", ["*"], True), ("A", "D", ["*"], False)],
        ["A", "C"],
    ),
    "paths": ([("targets", "A", ["*.py"], False), ("targets", "B", ["*"], False), ("A", "C", ["*"], False)], ["B"]),
    "cycle": (
        [
            ("targets", "A", ["*"], False), ("targets", "B", ["*"], False), ("B", "C", ["*"], False), ("C", "D", ["*"], False),
            ("D", "B", ["*"], False),
        ],
        ["A", "B", "C", "D"],
    ),
    "two to a third": (
        [("targets", "A", ["*"], False), ("targets", "B", ["*"], False), ("B", "C", ["*"], False), ("A", "C", ["*"], False)],
        ["A", "C", "B"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("graph", GRAPHS)
def test_delegations_are_walked_in_order(graph: str, client: Client, repo: Repository) -> None:
    edges, order = GRAPHS[graph]
    for delegator, role, paths, terminating in edges:
        repo.delegate(delegator, role, paths, terminating=terminating)
    repo.publish(*(set(repo.md) - {*TOP}), "targets", "snapshot", "timestamp")
    assert client.download("missing") == 1
    assert client.asked[4:] == [f"1.{role}" for role in order]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("top", True),
        ("README.md", True),
        ("releases/x/1", True),
        ("releases/y/1.zip", True),
        ("releases/z/1", False),
    ],
)
def test_an_artifact_counts_where_all_roles_on_its_way_delegate_it(
    path: str, found: bool, client: Client, repo: Repository
) -> None:
    repo.delegate("targets", "A", ["*.md"])
    repo.delegate("targets", "B", ["releases/*/*"])
    repo.delegate("B", "C", ["releases/x/*"])
    repo.delegate("B", "D", ["releases/y/*.zip"])
    repo.add("top", b"by targets")
    repo.add("README.md", b"by A", "A")
    repo.add("releases/x/1", b"by C", "C")
    repo.add("releases/y/1.zip", b"by D", "D")
    repo.add("releases/z/1", b"by D", "D")
    repo.publish("A", "B", "C", "D", "targets", "snapshot", "timestamp")
    assert client.download(path) == int(not found)
    assert len(client.got()) == found


@pytest.mark.parametrize("role", ["?", "#", "/delegatedrole", "../delegatedrole", "a%2Fb", "é"])
def test_a_role_of_a_malicious_name_is_escaped_once_and_stays_in_its_folder(
    role: str, client: Client, repo: Repository, tmp_path: Path
) -> None:
    repo.delegate("targets", role)
    repo.publish(role, "targets", "snapshot", "timestamp")
    data = (repo.folder / "metadata" / f"1.{role}.json".replace("/", "%2F")).read_bytes()
    client.server.faults[f"metadata/1.{role}.json".replace("[", "[[]").replace("?", "[?]")] = (
        lambda handler, _: handler.serve(data)
    )
    before = {path for path in tmp_path.rglob("*") if path.parent != client.metadata}
    asked: list[str] = []
    client.server.RequestHandlerClass.log_request = lambda handler, *_: asked.append(handler.path)  # type: ignore[attr-defined]
    try:
        assert client.download("missing") == 1
    finally:
        del client.server.RequestHandlerClass.log_request  # type: ignore[attr-defined]
    assert asked[-1] == f"/metadata/1.{quote(role, safe='')}.json"
    assert client.trusted() == {
        **versions(snapshot=2, targets=2, timestamp=2),
        quote(role, safe=""): 1,
    }
    assert {path for path in tmp_path.rglob("*") if path.parent != client.metadata} - before <= {
        client.metadata / "root_history"
    }


@pytest.mark.parametrize("fault", ["expired", "unsigned", "not listed", "another version"])
def test_a_delegated_role_that_is_no_good_is_not_trusted(
    fault: str, client: Client, repo: Repository
) -> None:
    repo.delegate("targets", "A")
    repo.add("file", b"by A", "A")
    if fault == "expired":
        repo.A.expires = repo.safe - timedelta(days=60)
    if fault == "unsigned":
        repo.signers["A"] = [SIGNERS[0]]
    repo.publish("A", "targets", "snapshot")
    if fault == "not listed":
        del repo.snapshot.meta["A.json"]
        repo.write("snapshot")
    if fault == "another version":
        repo.A.version = 5
        (repo.folder / "metadata" / "1.A.json").write_bytes(repo.write("A"))
    repo.publish("timestamp")
    assert client.refresh() == 0
    assert client.download("file") == 1
    assert client.got() == []
    assert "A" not in client.trusted()


def test_a_delegated_role_that_is_here_is_verified_against_whoever_delegates_it_now(
    client: Client, repo: Repository
) -> None:
    """A delegates file1 to C with C's key, B delegates file2 to C with another: what C's key signed
    is nothing to B.
    """
    repo.delegate("targets", "A", ["file1"])
    repo.delegate("targets", "B", ["file2"])
    repo.delegate("A", "C")
    repo.delegate("B", "C")
    for keyid in list(repo.B.delegations.roles["C"].keyids):
        repo.B.revoke_key(keyid, "C")
    repo.B.add_key(SIGNERS[0].public_key, "C")
    repo.add("file1", b"by C for A", "C")
    repo.add("file2", b"by C for B", "C")
    repo.publish("C", "A", "B", "targets", "snapshot", "timestamp")
    assert client.download("file1") == 0
    assert client.download("file2") == 1
    assert client.got() == [b"by C for A"]


def test_a_rollback_of_a_delegated_role_is_refused(client: Client, repo: Repository) -> None:
    repo.delegate("targets", "A")
    repo.publish("A", "targets", "snapshot", "timestamp")
    repo.publish("A", "snapshot", "timestamp")
    assert client.download("missing") == 1
    assert client.trusted()["A"] == 2
    repo.A.version = 1
    repo.write("A")
    repo.publish("snapshot", "timestamp")
    assert client.refresh() == 1
    assert client.trusted()["A"] == 2
