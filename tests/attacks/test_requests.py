"""Requests that take hold of more than an answer: of memory, of a connection that another one is on,
or of a server that only this machine may ask.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bounded import bounded
from clients import JSON, ask, connect, is_closed, reply
from every import cases
from served import Served, start

from cfedge.runtime.row_groups import _POSITIONS, grouped
from cfedge.serve.gate import refusal
from cfedge.serve.memory import room_for

BODY = b'{"text": "ruby"}'


@pytest.fixture(scope="module")
def served(_tiny_bundle: Path) -> Iterator[Served]:
    one = start(_tiny_bundle, hosts=("Board.example",))
    yield one
    one.stop()


def request(*lines: str, body: bytes = BODY, line: str = "POST /predict HTTP/1.1") -> bytes:
    head = [line, "content-type: application/json", *lines]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


LENGTH = f"content-length: {len(BODY)}"
HOST = "host: localhost"
CHUNKED = b"10\r\n" + BODY + b"\r\n0\r\n\r\n"
SMUGGLED = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n"

#: What is sent, and the status of the one answer to it; then the connection is closed.
REFUSED: dict[str, tuple[bytes, int]] = {
    "both lengths": (request(HOST, LENGTH, "transfer-encoding: chunked", body=CHUNKED), 400),
    "both lengths, the other way": (
        request(HOST, "transfer-encoding: chunked", LENGTH, body=CHUNKED),
        400,
    ),
    "both lengths, with a request behind": (
        request(HOST, "content-length: 5", "transfer-encoding: chunked", body=CHUNKED + SMUGGLED),
        400,
    ),
    "two lengths": (request(HOST, LENGTH, "content-length: 3"), 400),
    "a length below zero": (request(HOST, "content-length: -1"), 400),
    "a length with a sign": (request(HOST, "content-length: +16"), 400),
    "a length in hexadecimal": (request(HOST, "content-length: 0x10"), 400),
    "a length of thousands of digits": (request(HOST, "content-length: " + "9" * 5000), 400),
    "a chunk that is none": (
        request(HOST, "transfer-encoding: chunked", body=b"zz\r\n" + BODY),
        400,
    ),
    "a body of 5,000 chunks of a byte": (
        request(HOST, "transfer-encoding: chunked", body=b"1\r\n \r\n" * 5_000),
        400,
    ),
    "a coding that is none": (request(HOST, "transfer-encoding: x", body=BODY), 400),
    "a coding twice": (
        request(HOST, "transfer-encoding: chunked, chunked", body=CHUNKED),
        400,
    ),
    "a header with a space before its colon": (request(HOST, LENGTH, "a : b"), 400),
    "a header that goes on in the next line": (request(HOST, LENGTH, "a: b\r\n\x00 c"), 400),
    "a NUL in a header": (request(HOST, LENGTH, "a: b\0"), 400),
    "no host": (request(LENGTH), 400),
    "two hosts": (request(HOST, "host: example.com", LENGTH), 400),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50 + b"\r\n\r\n", 400),
    "HTTP of the future": (request(HOST, LENGTH, line="POST /predict HTTP/3.0"), 505),
    "a head of 60,000 bytes": (request(HOST, LENGTH, "a: " + "x" * 60_000), 400),
    "a head of 17,000 bytes": (request(HOST, LENGTH, "a: " + "x" * 17_000), 400),
    "a head of many headers": (request(HOST, LENGTH, *["a: b"] * 3_000), 400),
    "a path of 60,000 bytes": (request(HOST, LENGTH, line=f"POST /{'x' * 60_000} HTTP/1.1"), 400),
    "another host": (request("host: example.com", LENGTH), 421),
    "another host with the port": (request("host: example.com:8080", LENGTH), 421),
    "a host that begins like this one": (request("host: localhost.example.com", LENGTH), 421),
    "a host that ends like this one": (request("host: notlocalhost", LENGTH), 421),
    "a host that begins with an address": (request("host: 127.0.0.1.example.com", LENGTH), 421),
    "an empty host": (request("host: ", LENGTH), 421),
    "a host of many letters": (request("host: " + "x" * 5_000, LENGTH), 421),
    "a host that is a number": (request("host: 2130706433", LENGTH), 421),
    "a host in brackets": (request("host: [example.com]", LENGTH), 421),
    "an upgrade by another host": (
        request("host: example.com", LENGTH, "connection: upgrade", "upgrade: websocket"),
        421,
    ),
}


@cases("name", REFUSED)
def test_such_a_request_is_refused_in_json_and_its_connection_closed(
    name: str, served: Served
) -> None:
    sent, status = REFUSED[name]
    with bounded(), connect(served.url) as open_:
        open_.sendall(sent)
        answer = reply(open_)
        assert answer.status == status
        assert answer.headers["connection"] == "close"
        assert set(answer.body) == {"error"}
        assert len(answer.body["error"]) < 400
        assert is_closed(open_)  # and nothing behind it was answered
    assert ask(served.url, {"text": "ruby"}).status == 200


#: Sent in pieces, with a moment between them.
BROKEN: dict[str, list[bytes]] = {
    "a chunk that is none": [request(HOST, "transfer-encoding: chunked", body=b""), b"zz\r\n"],
    "a chunk behind a head that is refused": [
        b"POST /predict HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n1;"
        + b"x" * 200_000,
    ],
    "a chunk that is longer than it says": [
        request(HOST, "transfer-encoding: chunked", body=b"10\r\n" + BODY + b"xx\r\n"),
    ],
    "no HTTP behind a request": [request(HOST, LENGTH), b"\x16\x03\x01\r\n\r\n"],
}


@cases("name", BROKEN)
def test_who_breaks_the_protocol_leaves_no_traceback(
    name: str, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    with bounded(), connect(served.url) as open_:
        for piece in BROKEN[name]:
            open_.sendall(piece)
            time.sleep(0.1)
        assert reply(open_).status in (200, 400)
    assert ask(served.url, {"text": "ruby"}).status == 200
    assert [one.message for one in caplog.records if one.levelname == "ERROR"] == []


@cases(
    "host",
    ["localhost", "LOCALHOST:80", "localhost.", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:80",
     "192.168.1.7", "board.example", "BOARD.EXAMPLE:8080"],
)  # fmt: skip
def test_an_address_and_a_name_that_is_allowed_are_answered(host: str, served: Served) -> None:
    answer = ask(served.url, {"text": "ruby"}, headers={**JSON, "host": host})
    assert answer.status == 200


def test_every_path_is_behind_the_gate(served: Served) -> None:
    for path in ("/predict", "/health/live", "/health/ready", "/metrics", "/nothing"):
        for method in ("GET", "POST", "OPTIONS", "TRACE"):
            answer = ask(served.url, b"", path=path, method=method, headers={"host": "example.com"})
            assert answer.status == 421


BODIES: dict[str, tuple[bytes, int]] = {
    "a list a million deep": (b"[" * 1_000_000, 400),
    "an object a hundred thousand deep": (b'{"text":' * 100_000, 400),
    "a number of a million digits": (b'{"text":' + b"9" * 1_000_000 + b"}", 400),
    "half a million inputs": (b'{"inputs":[' + b"1," * 500_000 + b"1]}", 422),
    "33 inputs": (json.dumps({"inputs": ["ruby"] * 33}).encode(), 422),
    "a text of 8,001 characters": (json.dumps({"text": "x" * 8_001}).encode(), 422),
    "a text of a million characters": (json.dumps({"text": "x" * 1_000_000}).encode(), 422),
    "half a character": (b'{"text": "\\ud800"}', 422),
    "a text of nothing": (b'{"text": "\\u200b"}', 200),
    "half a million keys": (
        json.dumps(dict.fromkeys(map(str, range(80_000)), 0)).encode(),
        400,
    ),
    "NaN": (b'{"text": NaN}', 400),
    "a body that is not UTF-8": (b'{"text": "\xff"}', 400),
    "a mark before the body": (b"\xef\xbb\xbf" + BODY, 400),
    "a body larger than may be": (b" " * ((1 << 20) + 1), 413),
    "a name of many letters": (json.dumps({"text": "a", "task": "x" * 500_000}).encode(), 422),
    "a key of many letters": (json.dumps({"x" * 900_000: 1}).encode(), 400),
}


@cases("name", BODIES)
def test_such_a_body_is_answered_soon_and_in_little_memory(name: str, served: Served) -> None:
    body, status = BODIES[name]
    with bounded():
        answer = ask(served.url, body)
    assert answer.status == status, answer.body
    if status != 200:
        assert set(answer.body) == {"error"}
        assert len(answer.body["error"]) <= 1_000


def test_a_panic_in_a_worker_is_an_answer_in_json(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Panic(BaseException):
        """As pyo3's: no Exception."""

    def predict(*_: Any, **__: Any) -> None:
        raise Panic("retry-limit-in-match over")

    one = start(tiny_bundle)
    try:
        monkeypatch.setattr(one.engine, "predict", predict)
        answer = ask(one.url, {"text": "ruby"})
        assert (answer.status, set(answer.body)) == (500, {"error"})
        monkeypatch.undo()
        assert ask(one.url, {"text": "ruby"}).status == 200
    finally:
        one.stop()


def test_want_of_memory_fails_the_request_alone(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def predict(*_: Any, **__: Any) -> None:
        np.empty(1 << 60, np.uint8)

    one = start(tiny_bundle)
    try:
        monkeypatch.setattr(one.engine, "predict", predict)
        answer = ask(one.url, {"text": "ruby"})
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        monkeypatch.undo()
        assert ask(one.url, {"text": "ruby"}).status == 200
    finally:
        one.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone holds a process to such a limit")
def test_the_limit_of_memory_holds() -> None:
    program = (
        "import numpy as np; from cfedge.serve.memory import limit_memory\n"
        "assert limit_memory(200 << 20)\n"
        "np.ones(100 << 20, np.uint8); print('so much')\n"
        "try:\n    np.ones(300 << 20, np.uint8)\nexcept MemoryError:\n    print('no more')\n"
        "np.ones(100 << 20, np.uint8); print('so much')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n") == ["so much", "no more", "so much", ""]


def test_the_room_of_a_server_is_that_of_the_child_and_half_of_the_machine_at_most() -> None:
    assert room_for(0, 1) <= (1 << 30) + (24 << 20)
    assert room_for(1 << 50, 1) < 1 << 50


@cases("tokens", [1, 7, 128, 256, 512, 65_536])
def test_a_run_has_so_many_positions_at_most(tokens: int) -> None:
    groups = grouped([tokens] * 32, [tokens] * 32, 32)
    assert sorted(row for rows in groups for row in rows) == list(range(32))
    for rows in groups:
        assert len(rows) == 1 or len(rows) * tokens <= _POSITIONS


def test_32_long_texts_are_answered_in_little_memory(served: Served) -> None:
    with bounded():
        answer = ask(served.url, {"inputs": ["ruby " * 1_500] * 32})
    assert answer.status == 200
    assert len(answer.body["answers"]) == 32


def test_the_gate_judges_a_head_without_a_host_by_its_size_alone() -> None:
    scope = {
        "headers": [],
        "raw_path": b"/",
        "query_string": b"",
        "method": "GET",
        "http_version": "1.0",
    }
    assert refusal(scope, hosts=(), head_bytes=100) is None
