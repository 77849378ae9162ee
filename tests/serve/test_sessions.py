"""Sessions of clients: their answers are a `Session`'s, and they are few, short-lived and apart."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from clients import JSON, ask, connect, get, head, metric, reply
from every import cases
from made import make_texts
from served import Served, start
from starlette.exceptions import HTTPException

from cfedge import Engine, Session
from cfedge.serve.limits import Limits
from cfedge.serve.sessions import Key, Sessions

TEXTS = [text for task in ("colors", "animals") for text, _ in make_texts(task, 4, seed=7)]


def in_session(served: Served, body: object, name: str = "camera-1", **more: str) -> Any:
    stated = {f"cfedge-{header.replace('_', '-')}": value for header, value in more.items()}
    return ask(served.url, body, headers={**JSON, "cfedge-session": name, **stated})


def replayed(session: Session, texts: list[str]) -> list[dict[str, Any]]:
    """What a stream answers, as the server should say it; times apart."""
    _, evidence = session.predict_all(texts)
    return [timeless({**one, "session_inputs": at}) for at, one in enumerate(evidence, start=1)]


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps({**answer, "ms": 0}))


def test_answers_of_a_session_are_those_of_a_stream_whatever_others_ask(served: Served) -> None:
    found: dict[str, list[Any]] = {"plain": [], "steady": []}
    for text in TEXTS:
        found["plain"].append(in_session(served, {"text": text}, "same").body)
        settings = {"switch": "0.2", "label_switch": "0.05"}
        found["steady"].append(in_session(served, {"text": text}, "same", **settings).body)
    engine = served.engine
    assert [timeless(one) for one in found["plain"]] == replayed(Session(engine), TEXTS)
    steady = Session(engine, switch=0.2, label_switch=0.05)
    assert [timeless(one) for one in found["steady"]] == replayed(steady, TEXTS)
    assert found["plain"] != found["steady"]
    at_once = in_session(served, {"inputs": TEXTS}, "at-once").body["answers"]
    assert [timeless(one) for one in at_once] == replayed(Session(engine), TEXTS)
    assert "posterior" not in ask(served.url, {"text": TEXTS[0]}).body
    schema = get(served.url, "/openapi.json").body["components"]["schemas"]["Answer"]
    assert set(found["steady"][0]) <= set(schema["properties"])


def test_inputs_of_which_one_cannot_be_answered_leave_a_session_as_it_was(served: Served) -> None:
    in_session(served, {"inputs": TEXTS[:2]}, "kept", label_switch="0.1")
    refused = in_session(served, {"inputs": [TEXTS[-1], TEXTS[-2], ""]}, "kept", label_switch="0.1")
    assert (refused.status, "input 2: expected a text" in refused.body["error"]) == (422, True)
    after = in_session(served, {"text": TEXTS[2]}, "kept", label_switch="0.1").body
    expected = replayed(Session(served.engine, label_switch=0.1), TEXTS[:3])
    assert timeless(after) == expected[-1]


@cases(
    "stated, body, said",
    [
        ({"session": ""}, {}, "cfedge-session: expected a name of 1 to 100 letters"),
        ({"session": "a" * 101}, {}, "cfedge-session: expected a name of 1 to 100 letters"),
        ({"session": "a" * 15_000}, {}, "cfedge-session: expected a name of 1 to 100 letters"),
        ({"session": "../../etc"}, {}, "found '../../etc'"),
        ({"session": "na\xefve"}, {}, "cfedge-session: expected a name"),
        ({"session": "a b"}, {}, "found 'a b'"),
        ({"switch": "0.1"}, {}, "cfedge-switch: expected the header cfedge-session beside it"),
        ({"label-switch": "0.1"}, {}, "cfedge-label-switch: expected the header cfedge-session"),
        ({"session": "a", "switch": "0"}, {}, "cfedge-switch: expected a probability"),
        ({"session": "a", "switch": "nan"}, {}, "cfedge-switch: expected a probability"),
        ({"session": "a", "switch": "1e309"}, {}, "cfedge-switch: expected a probability"),
        ({"session": "a", "label-switch": "1.01"}, {}, "cfedge-label-switch: expected a"),
        ({"session": "a", "label-switch": "9" * 9_000}, {}, "cfedge-label-switch: expected a"),
        ({"session": "a", "label-switch": "half"}, {}, "found 'half'"),
        ({"session": "a"}, {"task": "colors"}, "task: expected no header cfedge-session"),
        ({"session": "a"}, {"top": 2}, "top: expected no header cfedge-session"),
        ({"session": "a"}, {"coverage": 0.5}, "coverage: expected no header cfedge-session"),
    ],
)
def test_what_is_no_session_is_refused_in_one_short_line(
    served: Served, stated: dict[str, str], body: dict[str, object], said: str
) -> None:
    named = {f"cfedge-{name}": value for name, value in stated.items()}
    found = ask(served.url, {"text": TEXTS[0], **body}, headers={**JSON, **named})
    assert (found.status, said in found.body["error"]) == (400, True), found.body
    assert len(found.body["error"]) < 250
    assert not metric(served.url, "cfedge_sessions_evicted_total")


def test_a_header_that_comes_twice_is_refused(served: Served) -> None:
    body = json.dumps({"text": TEXTS[0]}).encode()
    with connect(served.url) as open_:
        open_.sendall(head(len(body), "cfedge-session: a", "cfedge-session: b") + body)
        answer = reply(open_)
    assert (answer.status, answer.body) == (
        400,
        {"error": "cfedge-session: expected it once, found 2; send one"},
    )


def test_ten_thousand_names_keep_the_latest_and_idle_ones_are_forgotten(
    tiny_bundle: Any,
) -> None:
    now, evicted = [0.0], []
    sessions = Sessions(
        Engine.open(tiny_bundle),
        Limits(sessions=50, session_idle_s=10),
        lambda: evicted.append(1),
        lambda: now[0],
    )
    keys = [Key(f"name-{number}", 0.05, None) for number in range(10_000)]
    for number, key in enumerate(keys):
        with sessions.using(key) as held:
            held.inputs += 1
        if number >= 49:  # the first is used again and again
            with sessions.using(keys[0]) as first:
                assert first.inputs == 1
    assert (len(sessions), len(evicted)) == (50, 10_000 - 50)
    with sessions.using(keys[-49]) as held:
        assert held.inputs == 1
    with sessions.using(keys[-50]) as held:
        assert held.inputs == 0  # the one that was used longest ago is gone
    now[0] = 9.0
    with sessions.using(keys[0]) as held:
        assert held.inputs == 1
    now[0] = 10.5
    assert len(sessions) == 1
    one, another = sessions.using(keys[0]), sessions.using(keys[0])
    with pytest.raises(HTTPException, match="one request at a time") as refusal, one, another:
        pass
    assert refusal.value.status_code == 409
    with sessions.using(keys[0]) as held:
        assert held.inputs == 1


def test_requests_of_one_session_at_once_are_answered_or_told_to_wait(tiny_bundle: Any) -> None:
    served = start(tiny_bundle, workers=4, sessions=2)
    try:
        found: list[Any] = []

        def client() -> None:
            for text in TEXTS:
                found.append(in_session(served, {"text": text}))

        threads = [threading.Thread(target=client) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {one.status for one in found} <= {200, 409}
        counted = sorted(one.body["session_inputs"] for one in found if one.status == 200)
        assert counted == list(range(1, len(counted) + 1))
        for number in range(5):
            assert in_session(served, {"text": TEXTS[0]}, f"other-{number}").status == 200
        assert metric(served.url, "cfedge_sessions") == 2
        assert metric(served.url, "cfedge_sessions_evicted_total") == 4
        assert in_session(served, {"text": TEXTS[0]}).body["session_inputs"] == 1
    finally:
        served.stop()
