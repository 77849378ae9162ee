"""Connections that are slow, many, or cut; signals; and a store that moves on under load."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from channels import NOW
from child import Child
from clients import JSON, ask, connect, crowd, get, head, is_closed, metric, reply, until
from here import publish
from made import make_texts
from served import Served
from tiny import cloned, new_store, relearned, written

from cfedge import Engine, Session
from cfedge.bundle.files import Bundle, read
from cfedge.errors import UsageError
from cfedge.publish.keys import Keys
from cfedge.runtime.drift import Monitor
from cfedge.serve.listening import is_local, listen
from cfedge.store import Store
from cfedge.sync.client import sync
from cfedge.sync.probe import probe_here
from cfedge.sync.transport import Folder

TEXTS = [text for task in ("colors", "animals") for text, _ in make_texts(task, 4, seed=7)]
SLOW = 'cfedge_connections_dropped_total{reason="slow"}'


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps({**answer, "ms": 0}))


def right(engine: Engine, text: str) -> dict[str, Any]:
    return timeless(engine.evidence(engine.predict([text])[0]))


def test_a_head_that_comes_a_byte_at_a_time_is_cut_off(
    serve: Callable[..., Served], tiny_bundle: Path
) -> None:
    served = serve(tiny_bundle, head_s=0.4)
    silent, slow = connect(served.url), connect(served.url)
    with silent, slow:
        closed = threading.Event()

        def drip() -> None:
            try:
                for byte in head(10_000):
                    slow.sendall(bytes([byte]))
                    if closed.wait(0.05):
                        return
            except OSError:
                pass

        dripping = threading.Thread(target=drip)
        dripping.start()
        assert is_closed(silent)
        assert is_closed(slow)
        closed.set()
        dripping.join()
    until(lambda: metric(served.url, SLOW) == 2)
    assert ask(served.url, {"text": TEXTS[0]}).status == 200


def test_a_later_head_on_a_connection_is_cut_off_too(
    serve: Callable[..., Served], tiny_bundle: Path
) -> None:
    served = serve(tiny_bundle, head_s=0.3, idle_s=3600, body_s=3600)
    body = json.dumps({"text": TEXTS[0]}).encode()
    with connect(served.url) as open_:
        open_.sendall(head(len(body)) + body)
        assert reply(open_).status == 200
        open_.sendall(b"POST /pre")
        assert is_closed(open_)
    assert metric(served.url, SLOW) == 1


def test_a_body_that_comes_slowly_gets_408(serve: Callable[..., Served], tiny_bundle: Path) -> None:
    served = serve(tiny_bundle, body_s=0.3)
    with connect(served.url) as open_:
        open_.sendall(head(1000) + b'{"text"')
        answer = reply(open_)
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert answer.body == {
            "error": "body: expected it within 0.3 s, found 1000 bytes coming too slowly"
        }
        assert is_closed(open_)


def test_a_connection_without_a_request_is_closed(
    serve: Callable[..., Served], tiny_bundle: Path
) -> None:
    served = serve(tiny_bundle, idle_s=0.2)
    body = json.dumps({"text": TEXTS[0]}).encode()
    with connect(served.url) as open_:
        open_.sendall(head(len(body)) + body)
        assert reply(open_).status == 200
        assert is_closed(open_)
    assert metric(served.url, SLOW) == 0


def test_a_connection_that_is_used_stays_open_for_longer_than_one_request_may_take(
    serve: Callable[..., Served], tiny_bundle: Path
) -> None:
    served = serve(tiny_bundle, head_s=0.8, body_s=0.1, answer_s=0.5, idle_s=2)
    with connect(served.url) as open_:
        for _ in range(10):
            open_.sendall(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert reply(open_).status == 200
            time.sleep(0.15)
    assert metric(served.url, SLOW) == 0


def test_the_body_of_an_answer_does_not_wait_for_its_head_to_be_acknowledged(
    served: Served,
) -> None:
    with connect(served.url) as open_:
        open_.sendall(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert reply(open_).status == 200
        (there,) = [one for one in _others(served) if one.client[1] == open_.getsockname()[1]]
        assert there.transport.get_extra_info("socket").getsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY
        )


def test_a_client_that_does_not_read_is_cut_off(
    serve: Callable[..., Served], tiny_bundle: Path
) -> None:
    served = serve(tiny_bundle, head_s=0.5, body_s=0.3, answer_s=0.3, idle_s=0.3)
    where = connect(served.url)
    where.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    where.settimeout(1.0)
    with where:
        try:
            while True:  # more answers than the buffers of both sides hold; none is read
                where.sendall(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n" * 100)
        except OSError:
            pass
        until(lambda: not _others(served))


def _others(served: Served) -> list[Any]:
    return list(served.server.server_state.connections)


def test_a_body_that_never_ends_after_its_answer_is_cut_off(
    serve: Callable[..., Served], tiny_bundle: Path
) -> None:
    served = serve(tiny_bundle, head_s=0.4, body_bytes=1000)
    with connect(served.url) as open_:
        open_.sendall(head(10**12))
        assert reply(open_).status == 413
        until(lambda: _is_refused(open_, b" " * 65536))


def _is_refused(open_: socket.socket, data: bytes) -> bool:
    try:
        open_.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


def test_connections_above_the_limit_are_closed_at_once(
    serve: Callable[..., Served], tiny_bundle: Path
) -> None:
    served = serve(tiny_bundle, connections=3)
    held = [connect(served.url) for _ in range(3)]
    until(lambda: len(_others(served)) == 3)
    with connect(served.url) as open_:
        assert is_closed(open_)
    for one in held:
        one.close()
    until(lambda: not _others(served))
    assert metric(served.url, 'cfedge_connections_dropped_total{reason="full"}') == 1
    assert ask(served.url, {"text": TEXTS[0]}).status == 200


def test_a_thousand_connections_at_once_get_the_right_answer_or_503(
    child: Callable[..., Child], tiny_bundle: Path
) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2_000:
        pytest.skip(f"needs 2,000 open files, this machine allows {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2_000), hard))
    try:
        served = child(tiny_bundle)
        engine = Engine.open(tiny_bundle)
        expected = {text: right(engine, text) for text in TEXTS}
        asked = [TEXTS[number % len(TEXTS)] for number in range(1_000)]
        found = asyncio.run(
            asyncio.wait_for(crowd(served.url, [{"text": text} for text in asked]), 120)
        )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(found) == 1_000
    assert {status for status, _ in found} <= {200, 503}
    assert sum(status == 200 for status, _ in found) >= 64
    for text, (status, answer) in zip(asked, found, strict=True):
        assert status == 503 or timeless(answer) == expected[text]
    assert ask(served.url, {"text": TEXTS[0]}).status == 200


def test_sigterm_ends_what_is_under_way_and_the_exit_code_is_0(
    child: Callable[..., Child], tiny_bundle: Path
) -> None:
    served = child(tiny_bundle)
    body = json.dumps({"text": TEXTS[0]}).encode()
    idle, silent, half = connect(served.url), connect(served.url), connect(served.url)
    with idle, silent, half:
        idle.sendall(head(len(body)) + body)
        assert reply(idle).status == 200
        half.sendall(head(len(body)) + body[:5])
        until(lambda: metric(served.url, "cfedge_body_bytes") == 5)
        served.process.send_signal(signal.SIGTERM)
        assert is_closed(idle)
        assert is_closed(silent)
        with pytest.raises(ConnectionRefusedError):
            connect(served.url)
        half.sendall(body[5:])
        answer = reply(half)
        assert is_closed(half)
    assert (answer.status, timeless(answer.body)) == (
        200,
        right(Engine.open(tiny_bundle), TEXTS[0]),
    )
    assert served.process.wait(60) == 0
    assert served.process.stderr is not None
    assert served.process.stderr.read() == ""
    # a second signal ends at once what the first would have waited for, and is no fault
    hurried = child(tiny_bundle)
    with connect(hurried.url) as half:
        half.sendall(head(len(body)) + body[:5])
        until(lambda: metric(hurried.url, "cfedge_body_bytes") == 5)
        hurried.process.send_signal(signal.SIGINT)
        until(lambda: _refuses(hurried.url))
        hurried.process.send_signal(signal.SIGINT)
        assert hurried.process.wait(5) == 0
    assert hurried.process.stderr is not None
    assert hurried.process.stderr.read() == ""


def _refuses(url: str) -> bool:
    try:
        connect(url).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_kill_in_mid_request_leaves_nothing(
    child: Callable[..., Child], tiny_bundle: Path, tmp_path: Path
) -> None:
    counts = tmp_path / "counts.json"
    before = {path: path.read_bytes() for path in tiny_bundle.rglob("*") if path.is_file()}
    served = child(tiny_bundle, "--monitor", counts, "--follow", 0.1)
    assert ask(served.url, {"inputs": TEXTS}).status == 200
    until(counts.is_file)
    with connect(served.url) as open_:
        open_.sendall(head(100) + b'{"text"')
        until(lambda: metric(served.url, "cfedge_body_bytes"))
        served.process.kill()
        assert served.process.wait(60) == -signal.SIGKILL
        assert is_closed(open_)
    assert {path: path.read_bytes() for path in tiny_bundle.rglob("*") if path.is_file()} == before
    assert sorted(tmp_path.iterdir()) == sorted({tiny_bundle, counts})
    again = child(tiny_bundle, "--monitor", counts, "--port", served.url.rpartition(":")[2])
    assert ask(again.url, {"inputs": TEXTS[:1]}).status == 200
    again.process.send_signal(signal.SIGINT)
    assert again.process.wait(60) == 0
    found = Monitor.load(counts, read(tiny_bundle).manifest).counters()
    assert found["thin margins"].inputs == len(TEXTS) + 1


class Site:
    """A workshop and a store that follows it."""

    def __init__(self, site: Path, bundle: Path, store: Path) -> None:
        self.site, self.path, self.bundle = site, bundle, read(bundle)
        self.store: Store = new_store(site, store)

    def bring(self, bundle: Bundle | None = None) -> None:
        if bundle is not None:
            publish(
                written(bundle, self.path), self.site / "repo", Keys(self.site / "keys"), now=NOW
            )
        sync(self.store, Folder(self.site / "repo"), now=lambda: NOW, probing=probe_here)


@pytest.fixture
def site(tiny_site: Path, tiny_bundle: Path, tmp_path: Path) -> Site:
    made = Site(tiny_site, tiny_bundle, tmp_path / "store")
    made.bring()
    return made


def test_a_store_is_followed_under_load_and_every_answer_is_of_one_generation(
    serve: Callable[..., Served], site: Site
) -> None:
    served = serve(site.store.folder, workers=2, follow_s=0.05)
    seen: list[tuple[int, Any]] = []
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            seen.append(ask(served.url, {"inputs": TEXTS})[:2])

    expected = {}
    states = [
        None,
        cloned(site.bundle, "colors", "paint"),
        relearned(site.bundle, "colors"),
        site.bundle,
    ]
    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for generation, state in enumerate(states, start=1):
            if state is not None:
                site.bring(state)
            until(
                lambda number=generation: (
                    get(served.url, "/health/ready").body["generation"] == number
                )
            )
            engine = Engine.open(site.store.folder)
            expected[engine.manifest.digest] = [right(engine, text) for text in TEXTS]
            count = len(seen)
            until(lambda already=count: len(seen) > already + 5)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert {status for status, _ in seen} == {200}
    found = [[timeless(one) for one in body["answers"]] for _, body in seen]
    assert all(one == expected[one[0]["bundle"]] for one in found)
    assert {one[0]["bundle"] for one in found} == set(expected)
    assert metric(served.url, "cfedge_follow_switches_total") == 3
    digest = Engine.open(site.store.folder).manifest.digest
    assert metric(served.url, f'cfedge_bundle_info{{digest="{digest}",generation="4"}}') == 1
    assert get(served.url, "/metrics").body.count("cfedge_bundle_info{") == 1
    assert [line.partition(",")[0] for line in served.said] == [
        f"generation {number} answers now" for number in (2, 3, 4)
    ]


def test_a_session_is_of_one_generation_and_begins_anew_with_the_next(
    serve: Callable[..., Served], site: Site
) -> None:
    served = serve(site.store.folder, workers=2, follow_s=0.05)
    headers = {**JSON, "cfedge-session": "shelf", "cfedge-label-switch": "0.1"}
    seen: list[tuple[str, dict[str, Any]]] = []
    engines = {}
    for state in (None, cloned(site.bundle, "colors", "paint"), relearned(site.bundle, "colors")):
        if state is not None:
            site.bring(state)
        engine = Engine.open(site.store.folder)
        engines[engine.manifest.digest] = engine
        count = 0
        while count < len(TEXTS):  # asks on while the server takes the next generation
            text = TEXTS[len(seen) % len(TEXTS)]
            answer = ask(served.url, {"text": text}, headers=headers)
            assert answer.status == 200
            seen.append((text, answer.body))
            assert len(seen) < 3_000, "the session stays with a generation that was replaced"
            count += answer.body["bundle"] == engine.manifest.digest
    assert [one["session_inputs"] for _, one in seen].count(1) == len(engines) == 3
    for text, found in seen:
        at = found["session_inputs"]
        if at == 1:
            session = Session(engines[found["bundle"]], label_switch=0.1)
        _, (expected,) = session.predict_all([text])
        assert timeless(found) == timeless({**expected, "session_inputs": at})


def test_a_generation_that_does_not_open_leaves_the_one_before_answering_and_is_told_once(
    serve: Callable[..., Served], site: Site
) -> None:
    served = serve(site.store.folder, follow_s=3600)
    before = timeless(ask(served.url, {"text": TEXTS[0]}).body)
    site.bring(cloned(site.bundle, "colors", "paint"))
    pointer = site.store.pointer()
    assert pointer is not None
    adapter = next(
        one.adapter.sha256
        for one in site.store.manifest(pointer.generation).tasks
        if one.name == "paint"
    )
    (site.store.objects / adapter).write_bytes(b"broken")
    for _ in range(2):
        served.service._follower.follow()
    assert metric(served.url, "cfedge_follow_failures_total") == 2
    assert timeless(ask(served.url, {"text": TEXTS[0]}).body) == before
    assert len(served.said) == 1
    assert served.said[0].startswith(
        "the store's latest generation does not open, generation 1 goes on answering: "
    )
    assert "adapter of task 'paint'" in served.said[0]


def test_the_monitor_counts_what_was_answered_and_begins_anew_with_another_bundle(
    serve: Callable[..., Served], site: Site, tmp_path: Path
) -> None:
    counts = tmp_path / "counts.json"
    served = serve(site.store.folder, follow_s=0.05, monitor=counts)
    ask(served.url, {"inputs": TEXTS})

    def counted() -> int:
        manifest = Engine.open(site.store.folder).manifest
        return (
            Monitor.load(counts, manifest).counters()["thin margins"].inputs
            if counts.is_file()
            else 0
        )

    until(lambda: counted() == len(TEXTS))
    site.bring(cloned(site.bundle, "colors", "paint"))
    until(lambda: get(served.url, "/health/ready").body["generation"] == 2)
    ask(served.url, {"inputs": TEXTS[:2]})
    until(lambda: counted() == 2)


def test_a_monitor_whose_disk_refuses_is_told_once_and_answers_go_on(
    serve: Callable[..., Served], tiny_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    served = serve(tiny_bundle, follow_s=0.02, monitor=tmp_path / "there" / "counts.json")
    shutil.rmtree(tmp_path / "there")
    for _ in range(3):
        assert ask(served.url, {"inputs": TEXTS}).status == 200
        time.sleep(0.05)
    until(lambda: served.said)
    served.stop()
    assert len(served.said) == 1
    assert "counts.json" in served.said[0]


def test_an_alarm_of_the_monitor_is_told(
    serve: Callable[..., Served], tiny_bundle: Path, tmp_path: Path
) -> None:
    served = serve(tiny_bundle, monitor=tmp_path / "counts.json")
    for _ in range(12):
        ask(served.url, {"inputs": ["of of of of of of the the"] * 32})
    until(lambda: metric(served.url, "cfedge_drift_alarms_total"))
    assert "the inputs changed (wrong with probability at most 1.0%)" in served.said[0]


def test_a_port_that_is_taken_is_named(served: Served) -> None:
    port = int(served.url.rpartition(":")[2])
    with pytest.raises(
        UsageError,
        match=rf"could not listen on 127\.0\.0\.1:{port}: .*; take another --host",
    ):
        listen("127.0.0.1", port)
    for host in ("no.such.host.invalid", "x" * 70):
        with pytest.raises(UsageError, match=f"could not listen on {host}:1: "):
            listen(host, 1)


def test_whether_other_machines_reach_it_is_known() -> None:
    for host, local in (("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)):
        with listen(host, 0) as bound:
            assert is_local(bound) is local


def test_an_address_for_all_machines_is_warned_of(
    child: Callable[..., Child], tiny_bundle: Path
) -> None:
    served = child(tiny_bundle, "--host", "0.0.0.0")
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(60) == 0
    assert served.process.stderr is not None
    assert "put a proxy before it" in served.process.stderr.read()


def test_where_the_packages_are_missing_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['starlette'] = None\n"
        "from cfedge.errors import MissingExtraError\n"
        "try: import cfedge.serve\n"
        "except MissingExtraError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "cfedge.serve needs starlette: pip install 'cfedge[serve]'\n"
