"""Peers, sticks and stores that would hold a sync up for ever: each is refused, or waited for no
longer than its deadline.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bounded import bounded
from channels import NOW, Site, no_probe

from cfedge.bundle.files import read
from cfedge.errors import CfedgeError, DamagedError, OfflineError, StorageError, UsageError
from cfedge.plain_files import NotPlainError, open_plain
from cfedge.publish.keys import Keys
from cfedge.publish.repository import Repository
from cfedge.store import Store
from cfedge.sync.client import Plan, sync
from cfedge.sync.transport import Folder, Host, Mirrors, Pace
from cfedge.train.jobs.choosing import chosen_place

pytestmark = pytest.mark.skipif(os.name == "nt", reason="FIFOs and signals are POSIX's")

#: Longest that an attack may hold its victim up here, and the deadline that it is given.
HELD_S, DEADLINE_S = 5.0, 0.4


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path / "site")
    made.teach("lights")
    return made


@pytest.fixture
def store(site: Site, tmp_path: Path) -> Store:
    return site.store(tmp_path / "store")


@contextlib.contextmanager
def held() -> Iterator[None]:
    """The body takes no longer than `HELD_S` on the wall, nor what `bounded` allows."""
    start = time.monotonic()
    with bounded():
        yield
    assert time.monotonic() - start < HELD_S


def run(store: Store, source: Host | Folder | Mirrors, **plan: object) -> None:
    sync(store, source, Plan(deadline_s=DEADLINE_S, **plan), now=lambda: NOW, probing=no_probe)  # type: ignore[arg-type]


# Peers


@contextlib.contextmanager
def peer(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server on loopback that does with each connection what `behave` says, until told to stop."""
    listening = socket.create_server(("127.0.0.1", 0))
    open_ones: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            open_ones.append(connection)
            threading.Thread(target=handle, args=[connection], daemon=True).start()

    def handle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            behave(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.close()
        for connection in open_ones:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


def asked(connection: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(65536) or b"\r\n\r\n"


def for_ever(connection: socket.socket, piece: bytes, pause_s: float = 0.0) -> None:
    while True:
        connection.sendall(piece)
        if pause_s:
            time.sleep(pause_s)


def silent(connection: socket.socket) -> None:
    asked(connection)
    time.sleep(60)


def deaf(connection: socket.socket) -> None:
    time.sleep(60)


def silent_after_the_status(connection: socket.socket) -> None:
    asked(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
    time.sleep(60)


def silent_in_the_body(connection: socket.socket) -> None:
    asked(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
    time.sleep(60)


def dripping_head(connection: socket.socket) -> None:
    asked(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for_ever(connection, b"X: y\r\n", 0.05)


def dripping_body(connection: socket.socket) -> None:
    asked(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for_ever(connection, b"x" * 200, 0.05)


def endless_trailers(connection: socket.socket) -> None:
    asked(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
    for_ever(connection, b"X-Trailer: " + b"y" * 1000 + b"\r\n")


def slow_trailers(connection: socket.socket) -> None:
    asked(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
    for_ever(connection, b"X-Trailer: y\r\n", 0.01)


def chunks_of_size_lines(connection: socket.socket) -> None:
    asked(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for_ever(connection, b"1;" + b"e" * 60_000 + b"\r\nx\r\n", 0.05)


def continuing(connection: socket.socket) -> None:
    asked(connection)
    for_ever(connection, b"HTTP/1.1 100 Continue\r\n\r\n")


def redirecting(connection: socket.socket) -> None:
    host, port = connection.getsockname()
    asked(connection)
    time.sleep(0.4)
    connection.sendall(
        f"HTTP/1.1 302 Found\r\nLocation: http://{host}:{port}/x\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n".encode()
    )
    connection.close()


def endless_body(connection: socket.socket) -> None:
    asked(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for_ever(connection, b"{" * 65536)


PEERS = {
    one.__name__: one
    for one in (
        silent,
        deaf,
        silent_after_the_status,
        silent_in_the_body,
        dripping_head,
        dripping_body,
        endless_trailers,
        slow_trailers,
        chunks_of_size_lines,
        continuing,
        redirecting,
        endless_body,
    )
}


@pytest.mark.parametrize("name", PEERS)
def test_no_peer_holds_a_sync_beyond_its_deadline(name: str, store: Store) -> None:
    with peer(PEERS[name]) as address, held(), pytest.raises(CfedgeError):
        run(store, Host(f"http://{address}"))


@pytest.mark.parametrize("name", ["endless_trailers", "continuing"])
def test_what_holds_none_of_a_body_is_counted_where_there_is_no_deadline(name: str) -> None:
    with (
        peer(PEERS[name]) as address,
        held(),
        pytest.raises(OfflineError, match="more than 65536 bytes of headers or trailers"),
    ):
        b"".join(Host(f"http://{address}").read("x").pieces)


@pytest.mark.parametrize("name", ["silent", "endless_trailers", "dripping_body"])
def test_no_mirror_holds_a_sync_beyond_its_deadline(name: str, store: Store) -> None:
    with peer(PEERS[name]) as address, held(), pytest.raises(CfedgeError):
        run(store, Mirrors([Host(f"http://{address}/{number}") for number in range(5)]))


@pytest.mark.parametrize("answer", ["nothing", "a byte at a time"])
def test_no_handshake_holds_a_sync_beyond_its_deadline(answer: str, store: Store) -> None:
    def behave(connection: socket.socket) -> None:
        if answer == "nothing":
            time.sleep(60)
        connection.recv(65536)
        connection.sendall(b"\x16\x03\x03\x3f\xff")  # a record of 16 kB begins
        for_ever(connection, b"\x02", 0.05)

    with peer(behave) as address, held(), pytest.raises(OfflineError):
        run(store, Host(f"https://{address}"))


def test_what_is_no_scheduler_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = pytest.importorskip("cfedge.train.jobs.cluster")
    monkeypatch.setattr(cluster, "_CONNECT_S", 0.5)
    peers = {
        deaf: "no answer in time",
        (
            lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        ): "is no scheduler",
        (lambda connection: connection.sendall(b"\xff" * 65_536)): "could not reach a scheduler",
    }
    for behave, said in peers.items():
        with (
            peer(behave) as host,
            bounded(),
            pytest.raises(OfflineError, match=said),
            chosen_place(on=f"dask://{host}"),
        ):
            pass
    with (
        pytest.raises(UsageError, match="expected TLS files, found none"),
        chosen_place(on="dask+tls://127.0.0.1:9"),
    ):
        pass


def test_no_handshake_takes_longer_than_connecting_may(store: Store) -> None:
    def behave(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"\x16\x03\x03\x3f\xff")
        for_ever(connection, b"\x02", 0.05)

    with peer(behave) as address, held(), pytest.raises(OfflineError):
        Host(f"https://{address}", pace=Pace(connect_s=0.5)).read("x")


def test_a_resolver_that_never_answers_is_not_waited_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def slow(host: str, port: int, family: int = 0, kind: int = 0, proto: int = 0, flags: int = 0):  # type: ignore[no-untyped-def]
        if not flags & socket.AI_NUMERICHOST:
            time.sleep(60)
        return real(host, port, family, kind, proto, flags)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with held(), pytest.raises(OfflineError, match=r"no answer to who 'models\.example\.org' is"):
        run(store, Host("http://models.example.org"))


def test_many_addresses_share_the_deadline(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host of many addresses that never answer, each of which may be waited for."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(0)
    waiting = [socket.socket() for _ in range(4)]
    for sock in waiting:  # the queue is full: whoever comes next waits
        sock.setblocking(False)
        sock.connect_ex(listening.getsockname())
    address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", listening.getsockname())
    monkeypatch.setattr(socket, "getaddrinfo", lambda *rest, **more: [address] * 20)
    with held(), pytest.raises(OfflineError):
        run(store, Host("http://models.example.org"))
    for sock in (listening, *waiting):
        sock.close()


def test_waits_between_attempts_end_with_the_deadline(store: Store, site: Site) -> None:
    for path in (site.repo / "objects").iterdir():
        if path.stat().st_size == 200:
            path.unlink()
    with held(), pytest.raises(OfflineError):
        run(store, Folder(site.repo))


# Sticks and stores


def fifo(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def socket_at(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path.name)


def handles() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_no_fifo_on_a_stick_is_waited_for(store: Store, site: Site, tmp_path: Path) -> None:
    names = files_of(site.repo)
    assert len(names) >= 10
    for name in names:
        path = site.repo / name
        data = path.read_bytes()
        fifo(path)
        with held(), contextlib.suppress(CfedgeError):
            run(store, Folder(site.repo))
        path.unlink()
        path.write_bytes(data)
    run(store, Folder(site.repo))


@pytest.mark.parametrize("what", ["a folder", "a link to a FIFO", "a socket", "a device"])
def test_nothing_but_a_plain_file_is_read_from_a_stick(
    what: str, store: Store, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = site.repo / "metadata" / "timestamp.json"
    path.unlink()
    if what == "a folder":
        path.mkdir()
    elif what == "a link to a FIFO":
        os.mkfifo(tmp_path / "fifo")
        path.symlink_to(tmp_path / "fifo")
    elif what == "a socket":
        socket_at(path, monkeypatch)
    else:
        path.symlink_to("/dev/zero")
    with held(), pytest.raises(OfflineError, match="check the medium"):
        run(store, Folder(site.repo))


def test_no_fifo_in_a_store_is_waited_for(store: Store, site: Site) -> None:
    run(store, Folder(site.repo))
    store.boot_attempts.expect(1)
    names = [name for name in files_of(store.folder) if name not in ("store.json", "lock")]
    assert {"current", "trust/root.json", "log/entries", "boot_attempts/1"} <= set(names)
    for name in names:
        path = store.folder / name
        if not path.is_file():  # a sync that put something right went on to a later generation
            continue
        data = path.read_bytes()
        fifo(path)
        with held():
            for use in (
                lambda: run(store, Folder(site.repo), retry=True),
                lambda: store.bundle(store.to_open()),
                lambda: store.rollback(1),
                lambda: store.boot_attempts.start(1),
                lambda: store.unpin(),
            ):
                with contextlib.suppress(CfedgeError):
                    use()
        if not path.is_file():
            path.unlink(missing_ok=True)
            path.write_bytes(data)
    run(store, Folder(site.repo), retry=True)
    assert store.bundle(store.to_open())


def test_the_pointer_is_put_right_where_a_fifo_lies_in_its_place(store: Store, site: Site) -> None:
    run(store, Folder(site.repo))
    fifo(store.folder / "current")
    with held(), pytest.raises(DamagedError, match="expected a file, found something else"):
        store.pointer()
    with held():
        run(store, Folder(site.repo))
    assert store.pointer() is not None


def test_a_record_of_a_store_that_is_a_fifo_is_named(store: Store) -> None:
    fifo(store.folder / "store.json")
    with held():
        assert not Store.exists(store.folder)
        with pytest.raises(DamagedError, match="found something else"):
            Store(store.folder)


def test_no_download_that_was_cut_is_waited_for(store: Store, site: Site) -> None:
    (store.folder / "partial").mkdir()
    for path in (site.repo / "objects").iterdir():
        os.mkfifo(store.folder / "partial" / path.name)
    with held():
        run(store, Folder(site.repo))
    assert store.to_open() == 1


@pytest.mark.parametrize("where", ["timestamp.json", "root", "objects"])
def test_no_fifo_in_a_repository_holds_its_publisher(where: str, site: Site) -> None:
    folder = site.repo / "metadata"
    path = {
        "timestamp.json": folder / "timestamp.json",
        "root": folder / "1.root.json",
        "objects": next(iter(sorted((site.repo / "objects").iterdir()))),
    }[where]
    fifo(path)
    with held(), contextlib.suppress(CfedgeError):
        repository = Repository(site.repo)
        repository.renew(site.keys, NOW)
        repository.entries(repository.index("stable"))  # type: ignore[arg-type]


def test_no_fifo_among_keys_is_waited_for(site: Site) -> None:
    fifo(site.keys.folder / "targets-1.pem")
    with held(), pytest.raises((DamagedError, StorageError)):
        site.keys.signers("targets")
    fifo(site.keys.folder / "keys.json")
    with held(), pytest.raises((DamagedError, StorageError)):
        Keys(site.keys.folder)


def test_what_turns_into_a_fifo_between_a_look_and_the_opening_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look is of what was opened, so that there is no between."""
    os.mkfifo(tmp_path / "manifest.json")
    monkeypatch.setattr(Path, "stat", lambda path, **more: os.lstat(__file__))
    with held(), pytest.raises(DamagedError):
        read(tmp_path)


@pytest.mark.parametrize("name", ["fifo", "folder", "socket"])
def test_opening_says_that_it_is_no_plain_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    if name == "fifo":
        os.mkfifo(path)
    elif name == "folder":
        path.mkdir()
    else:
        socket_at(path, monkeypatch)
    before = handles()
    with held(), pytest.raises(OSError if name == "socket" else NotPlainError):
        open_plain(path)
    assert handles() == before
