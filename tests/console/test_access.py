"""Who may ask: each refusal with its attack."""

from __future__ import annotations

from every import cases

from cfedge.console.access import POLICY, Access

HOST = {"host": "127.0.0.1:8090"}


def test_the_key_alone_opens_a_session() -> None:
    access = Access()
    assert [access.log_in(wrong) for wrong in ("", None, access.key[:-1], "\ud800", "ä")] == [
        None
    ] * 5
    session = access.log_in(access.key)
    assert access.judged("GET", HOST, session) is None
    assert Access().key != access.key
    assert len(access.key) >= 32


@cases(
    ("method", "headers", "status"),
    [
        ("GET", {}, None),
        ("GET", {"origin": "http://127.0.0.1:8090", "sec-fetch-site": "same-origin"}, None),
        ("GET", {"origin": "https://evil.example"}, 403),
        ("GET", {"origin": "null"}, 403),
        ("GET", {"origin": "http://127.0.0.1:9999"}, 403),
        ("GET", {"sec-fetch-site": "cross-site"}, 403),
        ("GET", {"sec-fetch-site": "same-site"}, 403),
        ("POST", {}, 403),
        ("POST", {"x-cfedge-csrf": "0" * 64}, 403),
        ("POST", {"x-cfedge-csrf": "ä"}, 403),
        ("POST", {"x-cfedge-csrf": "WORD"}, None),
        ("POST", {"x-cfedge-csrf": "WORD", "origin": "https://evil.example"}, 403),
        ("DELETE", {}, 403),
    ],
)
def test_a_request_needs_its_origin_and_a_change_its_word(
    method: str, headers: dict[str, str], status: int | None
) -> None:
    access = Access()
    session = access.log_in(access.key)
    assert session is not None
    sent = {k: v.replace("WORD", access.word(session)) for k, v in headers.items()}
    refused = access.judged(method, {**HOST, **sent}, session)
    assert (refused.status if refused else None) == status


def test_without_a_session_nothing_is_answered_and_old_sessions_go() -> None:
    access = Access()
    for session in (None, "", "made up"):
        refused = access.judged("GET", HOST, session)
        assert refused is not None
        assert refused.status == 401
    first = access.log_in(access.key)
    for _ in range(64):
        last = access.log_in(access.key)
    assert access.judged("GET", HOST, last) is None
    assert access.judged("GET", HOST, first) is not None
    assert first is not None
    assert last is not None
    assert access.word(first) != access.word(last)


def test_the_policy_lets_nothing_inline_run_and_nothing_from_elsewhere_in() -> None:
    assert POLICY.startswith("default-src 'none'")
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
    assert "*" not in POLICY
