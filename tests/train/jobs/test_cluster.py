"""A real scheduler and real workers of Dask on loopback, each with a cache of its own: nothing is
shared but the network. Those that are killed are killed in ``make soak``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from made import make_texts

from cfedge.errors import CfedgeError, MissingExtraError, OfflineError, StorageError, UsageError
from cfedge.train.examples.examples import Examples, LabelledData
from cfedge.train.jobs import cluster
from cfedge.train.jobs.choosing import chosen_place
from cfedge.train.jobs.learning import learn_many
from cfedge.train.jobs.place import parsed_address
from cfedge.train.jobs.running import Outcome
from cfedge.train.settings import Settings
from cfedge.train.workspace.folder import WorkspaceFolder

pytestmark = pytest.mark.slow
QUICK = Settings(method="adapter", rank=2, epochs=1, min_steps=10, threads=1)
ROOT = Path(__file__).parents[3]


def tasks(*names: str) -> dict[str, LabelledData]:
    data = {}
    for name in names:
        rows = [(text, f"{label} {name}") for text, label in make_texts("food", 8, 0)]
        data[name] = LabelledData(Examples(*zip(*rows, strict=True), f"{name}.csv"))
    return data


@dataclass
class Cluster:
    """A scheduler and its workers, in a folder of their own."""

    folder: Path
    address: str = ""
    started: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *words: str, cfedge: Path = ROOT, limit: int = 0) -> None:
        """Start a process; `limit` are the bytes that a file of its may have."""
        path = os.pathsep.join(map(str, (cfedge, ROOT / "export")))
        command = [sys.executable, "-m", "distributed.cli." + words[0], *words[1:]]
        environment = {**os.environ, "PYTHONPATH": path, "CFEDGE_CACHE": str(self.folder / name)}
        if limit:
            command = ["prlimit", f"--fsize={limit}", *command]
            environment["PYTHONDONTWRITEBYTECODE"] = "1"  # Python would leave it cut short
        with (self.folder / f"{name}.log").open("wb") as log:
            self.started[name] = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
            )

    def worker(self, name: str, **more: Any) -> None:
        """Start a worker with one thread and no nanny."""
        words = ("--no-nanny", "--nthreads", "1", "--name", name, "--no-dashboard")
        place = ("--local-directory", str(self.folder / f"{name}-dask"))
        self.start(name, "dask_worker", self.address, *words, *place, **more)

    def kept(self, name: str) -> set[str]:
        """What a worker has in its cache."""
        folder = self.folder / name / "jobs"
        return {path.name for path in folder.iterdir()} if folder.is_dir() else set()

    def waits_for(self, count: int) -> None:
        """Wait until so many workers are there."""
        from distributed import Client

        with Client(self.address, set_as_default=False, timeout=60) as client:
            client.wait_for_workers(count, timeout=120)

    def end(self) -> None:
        for process in self.started.values():
            process.kill()
            process.wait()


def _scheduler(folder: Path, *words: str) -> Cluster:
    made = Cluster(folder)
    found = folder / "scheduler.json"
    made.start(
        "scheduler", "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
        "--scheduler-file", str(found), *words,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, KeyError):
            made.address = json.loads(found.read_text())["address"]
            return made
        time.sleep(0.1)
    made.end()
    raise AssertionError((folder / "scheduler.log").read_text())


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers like this process, one on a full disk, and one of another cfedge."""
    folder = tmp_path_factory.mktemp("cluster")
    other = folder / "other"
    shutil.copytree(ROOT / "cfedge", other / "cfedge")
    version = other / "cfedge" / "version.py"
    version.write_text(version.read_text().replace('= "0.', '= "99.'))
    made = _scheduler(folder)
    try:
        made.worker("one")
        made.worker("full", limit=20_000)
        made.worker("old", cfedge=other)
        made.waits_for(3)
        yield made
    finally:
        made.end()


def on(address: str) -> str:
    return address.replace("tcp://", "dask://")


def learned(
    running: Cluster, workspace: Path, *names: str, settings: Settings = QUICK, **more: Any
) -> Outcome:
    with chosen_place(on=on(running.address)) as place:
        return learn_many(
            WorkspaceFolder(workspace),
            tasks(*names),
            settings=dict.fromkeys(names, settings),
            place=place,
            **more,
        )


def files(workspace: Path) -> dict[str, bytes]:
    found = [path for path in (workspace / "tasks").rglob("*") if path.is_file()]
    return {str(path.relative_to(workspace)): path.read_bytes() for path in found}


def test_tasks_have_the_bytes_of_those_learned_here(
    running: Cluster, tiny_workspace: Path, tmp_path: Path
) -> None:
    """And workers of another version are named, a full disk is told, of the data nothing is kept."""
    here = Path(shutil.copytree(tiny_workspace, tmp_path / "here"))
    names = [f"t{number}" for number in range(6)]
    learn_many(WorkspaceFolder(here), tasks(*names), settings=dict.fromkeys(names, QUICK))
    outcome = learned(running, tiny_workspace, *names)
    assert outcome.failed == {}
    assert files(tiny_workspace) == files(here)
    told = "\n".join(outcome.notes)
    assert "expected cfedge 0." in told
    assert "found cfedge 99." in told
    assert "it is kept in memory while this worker runs" in told
    backbone = {
        WorkspaceFolder(here).backbone_digest(name)
        for name in ("trunk.onnx", "tail.onnx", "tokenizer.json", "train_tail.onnx")
    }
    assert backbone <= running.kept("one")
    assert running.kept("old") == set()
    for path in (running.folder / "one" / "jobs").iterdir():
        assert b"broth" not in path.read_bytes() or path.name in backbone


class Once:
    """A listener that does something when the first task is over."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act, self._done = act, False

    @contextmanager
    def track(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        def advance(steps: int) -> None:
            if steps and not self._done:
                self._done = True
                self._act()

        yield advance


@pytest.mark.soak
def test_a_worker_that_is_killed_in_mid_task_loses_nothing(
    running: Cluster, tiny_workspace: Path, tmp_path: Path
) -> None:
    here = Path(shutil.copytree(tiny_workspace, tmp_path / "here"))
    longer = replace(QUICK, min_steps=150)
    names = [f"k{number}" for number in range(3)]
    learn_many(WorkspaceFolder(here), tasks(*names), settings=dict.fromkeys(names, longer))
    running.worker("two")
    running.waits_for(4)
    kill = Once(lambda: os.kill(running.started["two"].pid, signal.SIGKILL))
    outcome = learned(running, tiny_workspace, *names, settings=longer, progress=kill)
    assert outcome.failed == {}
    assert running.started["two"].wait(10) == -signal.SIGKILL
    assert files(tiny_workspace) == files(here)


def test_two_coordinators_share_a_workspace(running: Cluster, tiny_workspace: Path) -> None:
    """Both learn the same tasks: each is there once, and neither fails."""
    outcomes: list[Outcome] = []
    together = [
        threading.Thread(
            target=lambda: outcomes.append(learned(running, tiny_workspace, "a", "b", "c"))
        )
        for _ in range(2)
    ]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert [outcome.failed for outcome in outcomes] == [{}, {}]
    workspace = WorkspaceFolder(tiny_workspace)
    assert workspace.tasks == ("a", "animals", "b", "c", "colors")
    assert len(list((tiny_workspace / "tasks").iterdir())) == 5
    for name in workspace.tasks:
        workspace.task(name)


def test_a_scheduler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_S", 0.5)
    with (
        pytest.raises(OfflineError, match=r"could not reach a scheduler at tcp://127.0.0.1:9: "),
        chosen_place(on="dask://127.0.0.1:9"),
    ):
        pass


@contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """A process that hangs: its connections stay open, and nothing is said."""
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def test_a_worker_or_a_scheduler_that_hangs_is_named_and_not_waited_for_without_end(
    running: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with chosen_place(on=on(running.address)):  # all have loaded what they are asked for
        pass
    monkeypatch.setattr(cluster, "_WORKER_ANSWER_S", 3.0)
    monkeypatch.setattr(cluster, "_SCHEDULER_ANSWER_S", 0.5)
    with (
        stopped(running.started["full"]),
        chosen_place(on=on(running.address)) as place,
    ):
        assert any("no answer within 3 s" in note for note in place.notes)
        with stopped(running.started["scheduler"]):
            assert place.trouble() == "the scheduler does not answer (TimeoutError)"
    greeted = cluster._client

    def then_hangs(address: Any) -> Any:
        client = greeted(address)
        hanging.enter_context(stopped(running.started["scheduler"]))
        return client

    monkeypatch.setattr(cluster, "_client", then_hangs)
    with (
        contextlib.ExitStack() as hanging,
        pytest.raises(
            OfflineError, match="expected a scheduler that answers, found that it greets"
        ),
        chosen_place(on=on(running.address)),
    ):
        pass


def test_an_address_that_cannot_be_is_refused() -> None:
    assert parsed_address("dask://[::1]:8786") == ("tcp://[::1]:8786", {})
    assert parsed_address("dask+tls://h:1?ca=a&cert=b&key=c").tls == {
        "ca": "a",
        "cert": "b",
        "key": "c",
    }
    for odd in (
        "", "dask", "dask://", "dask://host", "ray://host:1", "dask://h:99999", "dask://h:1/x",
        "dask://h:1?ca=x", "dask+tls://h:1?ca=a&ca=b", "dask+tls://h:1?pem=a", "tcp://h:1",
    ):  # fmt: skip
        with pytest.raises(UsageError, match="--on: expected"):
            parsed_address(odd)
    with (
        pytest.raises(UsageError, match="expected one place for the jobs, found --jobs and --on"),
        chosen_place(jobs=2, on="dask://h:1"),
    ):
        pass


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "cfedge.train.jobs.cluster")
    with (
        pytest.raises(MissingExtraError, match=r"pip install 'cfedge\[cluster\]'"),
        chosen_place(on="dask://127.0.0.1:9"),
    ):
        pass


def _certificates(folder: Path) -> dict[str, str]:
    """A certificate authority, and a certificate of it; and one that it did not sign."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.now(timezone.utc)

    def made(name: str, issuer: tuple[Any, Any] | None, *, ca: bool) -> tuple[Any, Any]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        signer, by = (key, subject) if issuer is None else (issuer[0], issuer[1].subject)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(signer, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(pem))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return key, certificate

    authority = made("ca", None, ca=True)
    made("us", authority, ca=False)
    made("stranger", None, ca=True)
    return {name: str(folder / name) for name in ("ca.pem", "us.pem", "us.key")}


def test_a_stranger_is_refused_by_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without TLS, and with a certificate that the cluster's authority did not sign: nothing of
    theirs is unpickled there.
    """
    pems = _certificates(tmp_path)
    options = (
        "--tls-ca-file",
        pems["ca.pem"],
        "--tls-cert",
        pems["us.pem"],
        "--tls-key",
        pems["us.key"],
    )
    made = _scheduler(tmp_path, "--protocol", "tls", *options)
    host = made.address.removeprefix("tls://")
    mine = f"dask+tls://{host}?ca={pems['ca.pem']}&cert={pems['us.pem']}&key={pems['us.key']}"
    monkeypatch.setattr(cluster, "_CONNECT_S", 3.0)
    try:
        with (
            pytest.raises(CfedgeError, match="can do these jobs, found none"),  # it let us in
            chosen_place(on=mine),
        ):
            pass
        for stranger in (f"dask://{host}", mine.replace("us.", "stranger.")):
            with (
                pytest.raises(OfflineError, match="could not reach a scheduler"),
                chosen_place(on=stranger),
            ):
                pass
        with (
            pytest.raises(StorageError, match="could not read the TLS file"),
            chosen_place(on=mine.replace("us.key", "gone.key")),
        ):
            pass
    finally:
        made.end()


@pytest.mark.soak
def test_where_nobody_is_left_every_task_is_named(
    running: Cluster, tiny_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the workers go in the middle of a run, then the scheduler."""
    monkeypatch.setattr(cluster, "_NO_WORKER_S", 1.0)
    endless = replace(QUICK, min_steps=10**6)
    for gone, words in (
        (("one", "full"), "could not do its job: no worker was fit for 1 s"),
        (("scheduler",), "could not do its job: "),
    ):
        kill = threading.Timer(2.0, lambda gone=gone: [running.started[one].kill() for one in gone])
        kill.start()
        outcome = learned(running, tiny_workspace, "x", "y", settings=endless)
        kill.join()
        assert list(outcome.failed) == ["x", "y"]
        assert all(words in str(error) for error in outcome.failed.values())
        assert all("what is done is not done twice" in str(e) for e in outcome.failed.values())
        if gone != ("scheduler",):
            running.worker("last")
            running.waits_for(2)
    assert WorkspaceFolder(tiny_workspace).tasks == ("animals", "colors")
