"""The routes, over loopback: each status, bad bodies, and what a client cannot have."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clients import JSON, ask, connect, get, head, metric, reply, until
from every import cases
from made import make_texts
from served import Served

from cfedge import Engine, Prediction

TEXTS = [text for task in ("colors", "animals") for text, _ in make_texts(task, 4, seed=7)]


def answers(engine: Engine, texts: list[str], task: str | None = None) -> list[dict[str, object]]:
    """What the engine answers, as the server should say it; times apart."""
    return [_timeless(engine.evidence(one)) for one in engine.predict(texts, task=task)]


def _timeless(answer: dict[str, object]) -> dict[str, object]:
    return json.loads(json.dumps({**answer, "ms": 0}))


class Held:
    """The real `Engine.predict`, each call of which waits until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.begun = threading.Event(), threading.Semaphore(0)
        real = Engine.predict

        def predict(engine: Engine, texts: list[str], **asked: Any) -> list[Prediction]:
            self.begun.release()
            assert self.go.wait(30)
            return real(engine, texts, **asked)

        monkeypatch.setattr(Engine, "predict", predict)


def in_threads(count: int, call: Callable[[], object]) -> tuple[list[threading.Thread], list[Any]]:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(call())) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, found


def test_answers_are_those_of_the_engine(served: Served) -> None:
    one = ask(served.url, {"text": TEXTS[0]})
    assert (one.status, _timeless(one.body)) == (200, answers(served.engine, TEXTS[:1])[0])
    many = ask(served.url, {"inputs": TEXTS, "task": None})
    assert (many.status, [_timeless(one) for one in many.body["answers"]]) == (
        200,
        answers(served.engine, TEXTS),
    )
    given = ask(served.url, {"inputs": TEXTS, "task": "colors"})
    assert [_timeless(one) for one in given.body["answers"]] == answers(
        served.engine, TEXTS, "colors"
    )
    assert ask(served.url, {"inputs": []}).body == {"answers": []}


def test_further_answers_are_named_where_they_are_asked_for(served: Served) -> None:
    alone = ask(served.url, {"text": TEXTS[0]}).body
    one = ask(served.url, {"text": TEXTS[0], "top": 2.0, "coverage": 0.5}).body
    (expected,) = served.engine.predict(TEXTS[:1], top=2, coverage=0.5)
    assert _timeless(one) == _timeless(served.engine.evidence(expected))
    assert len(one["top"]) == 2
    assert _timeless({name: one[name] for name in alone}) == _timeless(alone)
    many = ask(served.url, {"inputs": TEXTS, "task": "colors", "top": 1, "coverage": None}).body
    assert [len(one["top"]) for one in many["answers"]] == [1] * len(TEXTS)
    assert "label_set" not in many["answers"][0]


@cases(
    "asked, status, said",
    [
        ({"top": "2"}, 400, "top: expected a whole number, found a string"),
        ({"top": True}, 400, "top: expected a whole number, found a truth value"),
        ({"top": 1.5}, 400, "top: expected a whole number, found a number"),
        ({"top": 0}, 400, "top: expected how many answers, 1 or more, found 0"),
        ({"top": -(10**30)}, 400, "top: expected how many answers"),
        ({"top": 101}, 422, "top: expected at most 100, found 101"),
        ({"top": 10**300}, 422, "top: expected at most 100, found 1000"),
        ({"coverage": "0.9"}, 400, "coverage: expected a number, found a string"),
        ({"coverage": []}, 400, "coverage: expected a number, found an array"),
        ({"coverage": 0}, 400, "coverage: expected a share from 0.5 to 0.99, found 0"),
        ({"coverage": 1e308}, 400, "coverage: expected a share from 0.5"),
        ({"coverage": -(10**300)}, 400, "coverage: expected a share from 0.5"),
        ({"coverage": 0.99}, 400, "expected at least 99 held-out examples"),
        ({"tops": 2}, 400, "found the key 'tops'"),
    ],
)
def test_what_cannot_be_wanted_is_refused(
    served: Served, asked: dict[str, object], status: int, said: str
) -> None:
    found = ask(served.url, {"text": TEXTS[0], **asked})
    assert (found.status, said in found.body["error"]) == (status, True), found.body


def test_health_and_metrics_tell_what_answers(
    serve: Callable[..., Served], tiny_bundle: Path
) -> None:
    served = serve(tiny_bundle)
    assert get(served.url, "/health/live").body == {"status": "live"}
    digest = served.engine.manifest.digest
    assert get(served.url, "/health/ready").body == {
        "status": "ready",
        "bundle": digest,
        "generation": None,
        "tasks": 2,
    }
    ask(served.url, {"inputs": TEXTS})
    ask(served.url, {"text": "of of of of of of the the"})
    ask(served.url, b"{")
    assert metric(served.url, f'cfedge_bundle_info{{digest="{digest}",generation=""}}') == 1
    assert metric(served.url, 'cfedge_requests_total{route="/predict",status="200"}') == 2
    assert metric(served.url, 'cfedge_requests_total{route="/predict",status="400"}') == 1
    assert metric(served.url, "cfedge_predict_seconds_count") == 2
    assert metric(served.url, "cfedge_inputs_total") == len(TEXTS) + 1
    expected = served.engine.predict([*TEXTS, "of of of of of of the the"])
    assert metric(served.url, "cfedge_inputs_unknown_total") == sum(one.unknown for one in expected)
    assert metric(served.url, "cfedge_inputs_thin_margin_total") == sum(
        one.stages > 1 for one in expected
    )
    assert metric(served.url, "cfedge_queue_depth") == 0


@cases(
    ("body", "status", "pattern"),
    [
        (b"", 400, "found no JSON"),
        (b'{"text": "cr\xefmson"}', 400, "found no JSON: bytes that are no UTF-8"),
        (b"{", 400, "found no JSON"),
        (b"\xff\xfe{\x00}\x00", 400, "found no JSON"),
        (b'{"text": NaN}', 400, "found no JSON: NaN"),
        (b'{"text": "a", "text": "b"}', 400, "a key that comes twice"),
        (b"[" * 100_000, 400, "found no JSON: brackets that are nested too deep"),
        (b'{"text": ' + b"1" * 5_000 + b"}", 400, "found no JSON: a number of thousands of digits"),
        ([], 400, "found an array"),
        ("crimson", 400, "found a string"),
        ({}, 400, "found neither of text and inputs"),
        ({"text": "a", "inputs": ["a"]}, 400, "found both of text and inputs"),
        ({"txet": "a"}, 400, "found the key 'txet'"),
        ({"text": None}, 400, "input 0: expected a text, found null"),
        ({"inputs": "crimson"}, 400, "inputs: expected an array, found a string"),
        ({"inputs": ["crimson", 2]}, 400, "input 1: expected a text, found a number"),
        ({"text": "crimson", "task": 1}, 400, "task: expected a name, found a number"),
        (
            {"inputs": [], "task": "none"},
            422,
            "task: expected one of animals, colors, found 'none'",
        ),
        ({"text": ""}, 422, "input 0: expected a text, found an empty one"),
        ({"inputs": ["crimson", " \n"]}, 422, "input 1: expected a text, found white space only"),
        (b'{"text": "\\ud800"}', 422, "found a lone surrogate"),
        (
            {"text": "crimson", "task": "weather"},
            422,
            "task: expected one of animals, colors, found 'weather'",
        ),
        (
            b'{"text": "crimson", "task": "\\ud800"}',
            422,
            "task: expected one of animals, colors, found",
        ),
        ({"text": "a" * 8_001}, 422, "input 0: expected at most 8000 characters, found 8001"),
        ({"inputs": ["a"] * 33}, 422, "inputs: expected at most 32 in one request, found 33"),
    ],
)
def test_a_body_that_cannot_be_answered_is_refused_in_one_line(
    served: Served, body: object, status: int, pattern: str
) -> None:
    answer = ask(served.url, body if isinstance(body, bytes) else json.dumps(body).encode())
    assert (answer.status, list(answer.body)) == (status, ["error"])
    assert pattern in answer.body["error"]
    assert "\n" not in answer.body["error"]
    assert ask(served.url, {"text": TEXTS[0]}).status == 200


def test_what_is_not_there_is_said_to_be_so(served: Served) -> None:
    for path in (
        "/",
        "/predict/",
        "/../manifest.json",
        "/manifest.json",
        "/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/docs",
    ):
        answer = ask(served.url, path=path, method="GET", headers={})
        assert answer.status == 404, path
    assert (
        get(served.url, "/docs")
        .body["error"]
        .startswith("path: expected one of /predict, /health/live")
    )
    odd = ask(served.url, path="/docs", method="GET", headers={"host": "[::1"})
    assert odd.status == 421
    wrong = get(served.url, "/predict")
    assert (wrong.status, wrong.headers["allow"], wrong.body) == (
        405,
        "POST",
        {"error": "method: expected POST, found 'GET'"},
    )
    assert metric(served.url, 'cfedge_requests_total{route="other",status="404"}') > 0


def test_a_body_must_say_that_it_is_json(served: Served) -> None:
    """A page in a browser can post a form, or a text, to this machine without asking; JSON it
    cannot.
    """
    for kind in (
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
    ):
        assert ask(served.url, {"text": "crimson"}, headers=kind).status == 415
    refused = ask(served.url, {"text": "crimson"}, path="/predict?task=colors&top=2")
    assert refused.status == 400
    assert refused.body["error"].startswith(
        "query: expected none, found 'task=colors&top=2'; write"
    )
    packed = {"content-type": "application/json", "content-encoding": "gzip"}
    refused = ask(served.url, {"text": "crimson"}, headers=packed)
    assert refused.status == 415
    assert refused.body["error"].startswith("content-encoding: expected none, found 'gzip'; send")
    assert (
        ask(
            served.url,
            {"text": "crimson"},
            headers={"content-type": "Application/JSON; charset=utf-8"},
        ).status
        == 200
    )


def test_a_body_that_says_that_it_is_too_large_is_refused_before_it_comes(
    serve: Callable[..., Served], tiny_bundle: Path
) -> None:
    served = serve(tiny_bundle, body_bytes=1000)
    for length in (1001, 10**15, int("9" * 19)):
        with connect(served.url) as open_:
            open_.sendall(head(length))
            answer = reply(open_)
        assert (answer.status, answer.body["error"][:34]) == (
            413,
            "body: expected at most 1000 bytes,",
        )
    whole = ask(served.url, b"x" * 2_000_000)
    assert whole.status == 413
    exact = json.dumps({"text": TEXTS[0]}).encode()
    assert ask(served.url, exact + b" " * (1000 - len(exact))).status == 200


def test_a_client_that_asks_whether_to_send_is_told_before_it_does(served: Served) -> None:
    body = json.dumps({"text": TEXTS[0]}).encode()
    with connect(served.url) as open_:
        open_.sendall(head(10**9, "expect: 100-continue"))
        assert reply(open_).status == 413
    with connect(served.url) as open_:
        open_.sendall(head(len(body), "expect: 100-continue"))
        assert open_.recv(100).startswith(b"HTTP/1.1 100 ")
        open_.sendall(body)
        assert reply(open_).status == 200


def test_a_body_in_pieces_is_refused_when_it_becomes_too_large(
    serve: Callable[..., Served], tiny_bundle: Path
) -> None:
    served = serve(tiny_bundle, body_bytes=1000)
    with connect(served.url) as open_:
        open_.sendall(head(None, "transfer-encoding: chunked"))
        for _ in range(4):
            open_.sendall(b"fa\r\n" + b" " * 250 + b"\r\n")
        open_.settimeout(0.2)
        with pytest.raises(TimeoutError):
            open_.recv(1)  # a thousand bytes may be
        open_.settimeout(30)
        open_.sendall(b"1\r\n \r\n")
        assert reply(open_).status == 413
    with connect(served.url) as open_:
        open_.sendall(
            head(None, "transfer-encoding: chunked") + b'13\r\n{"text": "crimson"}\r\n0\r\n\r\n'
        )
        assert reply(open_).status == 200


def test_all_bodies_together_are_bounded(serve: Callable[..., Served], tiny_bundle: Path) -> None:
    served = serve(tiny_bundle, buffered_bytes=3000, body_bytes=1000)
    held = [connect(served.url) for _ in range(3)]
    for open_ in held:
        open_.sendall(head(1000) + b" " * 950)
    until(lambda: metric(served.url, "cfedge_body_bytes") == 2850)
    refused = ask(served.url, b" " * 900)
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert refused.body == {
        "error": "bodies: expected at most 3000 bytes at once, found more; try again in 1 s"
    }
    for open_ in held:
        open_.close()
    until(lambda: not metric(served.url, "cfedge_body_bytes"))
    assert ask(served.url, {"text": "crimson"}).status == 200


def test_a_full_queue_refuses_and_says_when_to_come_again(
    serve: Callable[..., Served], tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve(tiny_bundle, workers=1, queue=2, retry_s=7)
    held = Held(monkeypatch)
    threads, found = in_threads(3, lambda: ask(served.url, {"text": TEXTS[0]}).status)
    assert held.begun.acquire(timeout=30)
    until(lambda: metric(served.url, "cfedge_queue_depth") == 2)
    refused = ask(served.url, {"text": TEXTS[0]})
    assert (refused.status, refused.headers["retry-after"]) == (503, "7")
    assert refused.body == {"error": "queue: expected room, found it full; try again in 7 s"}
    with connect(served.url) as open_:
        open_.sendall(head(100))  # and no body
        assert reply(open_).status == 503
    ready = get(served.url, "/health/ready")
    assert (ready.status, ready.body["status"]) == (503, "full")
    assert get(served.url, "/health/live").status == 200
    held.go.set()
    for thread in threads:
        thread.join()
    assert found == [200, 200, 200]
    assert get(served.url, "/health/ready").status == 200


def test_a_queue_that_fills_while_a_body_comes_refuses_it(
    serve: Callable[..., Served], tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve(tiny_bundle, workers=1, queue=0)
    held = Held(monkeypatch)
    body = json.dumps({"text": TEXTS[0]}).encode()
    with connect(served.url) as open_:
        open_.sendall(head(len(body)) + body[:5])
        until(lambda: metric(served.url, "cfedge_body_bytes") == 5)
        threads, found = in_threads(1, lambda: ask(served.url, {"text": TEXTS[0]}).status)
        assert held.begun.acquire(timeout=30)
        open_.sendall(body[5:])
        assert reply(open_).status == 503
    held.go.set()
    threads[0].join()
    assert found == [200]


def test_an_answer_that_takes_too_long_is_given_up_and_its_worker_counted_until_it_ends(
    serve: Callable[..., Served], tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve(tiny_bundle, workers=1, queue=1, answer_s=0.2)
    held = Held(monkeypatch)
    threads, found = in_threads(2, lambda: ask(served.url, {"text": TEXTS[0]}))
    for thread in threads:
        thread.join()
    assert [(one.status, one.headers["retry-after"], one.body) for one in found] == [
        (503, "1", {"error": "answer: expected within 0.2 s, found none; try again in 1 s"})
    ] * 2
    assert metric(served.url, "cfedge_workers_busy") == 1
    held.go.set()
    until(lambda: not metric(served.url, "cfedge_workers_busy"))
    assert ask(served.url, {"text": TEXTS[0]}).status == 200
    assert held.begun._value == 2  # the one that waited was never begun


def test_what_a_client_that_left_had_asked_is_left_out(
    serve: Callable[..., Served], tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve(tiny_bundle, workers=1)
    held = Held(monkeypatch)
    threads, found = in_threads(1, lambda: ask(served.url, {"text": TEXTS[0]}).status)
    assert held.begun.acquire(timeout=30)
    body = json.dumps({"text": TEXTS[1]}).encode()
    with connect(served.url) as open_:
        open_.sendall(head(len(body)) + body)
        until(lambda: metric(served.url, "cfedge_queue_depth") == 1)
    until(lambda: metric(served.url, 'cfedge_requests_total{route="/predict",status="499"}'))
    held.go.set()
    threads[0].join()
    assert found == [200]
    assert ask(served.url, {"text": TEXTS[0]}).status == 200
    assert held.begun._value == 1


def test_a_failure_inside_is_a_500_and_its_reason_goes_to_the_log_alone(
    serve: Callable[..., Served],
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    served = serve(tiny_bundle)

    def predict(*_: object, **__: object) -> None:
        raise RuntimeError("secret of the inside")

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "predict", predict)
        answer = ask(served.url, {"text": "crimson"})
    assert (answer.status, answer.body) == (500, {"error": "the server failed: its log says why"})
    until(lambda: "secret of the inside" in caplog.text)
    assert ask(served.url, {"text": "crimson"}).status == 200


def test_a_connection_serves_many_requests_in_a_row_and_pipelined(served: Served) -> None:
    body = json.dumps({"text": TEXTS[0]}).encode()
    with connect(served.url) as open_:
        for _ in range(5):
            open_.sendall(head(len(body)) + body)
            assert reply(open_).status == 200
        open_.sendall((head(len(body)) + body) * 2 + head(len(body), "connection: close") + body)
        received = b""
        while piece := open_.recv(1 << 16):
            received += piece
    assert received.count(b"HTTP/1.1 200 OK") == 3


def test_requests_that_are_no_http_are_refused(served: Served) -> None:
    for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET\r\n\r\n", head(None, "content-length: -1"),
                 head(None, "content-length: 4", "content-length: 5"), head(None, "x: " + "y" * 20_000)):  # fmt: skip
        with connect(served.url) as open_:
            open_.sendall(data)
            assert reply(open_).status == 400
    assert (
        ask(
            served.url,
            {"text": "crimson"},
            headers={**JSON, "upgrade": "websocket", "connection": "upgrade"},
        ).status
        == 200
    )
