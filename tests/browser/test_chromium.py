"""The browser harness itself: what it blocks, what it sees, and that it complains."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import Browser


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page <b>.html"
    path.write_text(
        """<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title>
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src *">
        <h1>Hello</h1><p class="a">one</p><p class="a" hidden>two</p><input aria-label="name">
        <img alt="" src="http://192.0.2.1/a.png"><img alt="" src="https://example.com/b.png">
        <script>document.title = "run"</script>""",
        "utf-8",
    )
    return path


def test_a_page_is_read_typed_into_and_drawn(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.text("h1") == "Hello"
    assert browser.texts(".a") == ["one", "two"]
    browser.type("input", "abc")
    browser.press("1", "Backspace", "z")
    assert browser.script("return document.querySelector('input').value") == "abcz"
    path = browser.screenshot("harness")
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(AssertionError, match="not so after"):
        browser.wait("document.title === 'never'", seconds=0.2)


def test_what_a_page_asks_of_others_is_seen_and_nothing_comes_back(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    asked = browser.foreign_requests()
    assert asked == ["http://192.0.2.1/a.png", "https://example.com/b.png"]
    assert browser.script("return [...document.images].every(i => i.naturalWidth === 0)")
    told = browser.complaints()
    assert sum("ERR_NAME_NOT_RESOLVED" in one for one in told) == 2
    assert any("Content Security Policy" in one for one in told), told
    assert browser.script("return document.title") == "t"
    browser.reset()
    assert (browser.requests(), browser.complaints()) == ([], [])


def test_what_is_asked_for_by_a_script_is_seen_at_once(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.script("document.body.append(Object.assign(new Image(), {src: 'http://192.0.2.1/c'}))")
    assert browser.foreign_requests()[-1] == "http://192.0.2.1/c"
    browser.script("console.error('a last word')")
    assert "a last word" in browser.complaints()[-1]


def test_a_log_that_arrives_late_is_waited_for_and_no_log_is_not_an_empty_one(
    browser: Browser, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each log gives what it had three readings ago; then nothing at all."""
    post, held = browser._post, {"performance": [[], [], []], "browser": [[], [], []]}

    def late(path: str, body: dict[str, Any]) -> Any:
        if path != "/se/log":
            return post(path, body)
        held[body["type"]].append(post(path, body))
        return held[body["type"]].pop(0)

    monkeypatch.setattr(browser, "_post", late)
    browser.open(page)
    asked = browser.foreign_requests()
    assert asked == ["http://192.0.2.1/a.png", "https://example.com/b.png"]
    assert sum("ERR_NAME_NOT_RESOLVED" in one for one in browser.complaints()) == 2
    browser.reset()
    assert (browser.requests(), browser.complaints()) == ([], [])
    monkeypatch.setattr(
        browser, "_post", lambda path, body: [] if path == "/se/log" else post(path, body)
    )
    with pytest.raises(AssertionError, match=r"the logs \['browser', 'performance'\] are late"):
        browser._read_logs(seconds=0.2)


@pytest.fixture
def loopback() -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/nothing-here"
        server.shutdown()
        thread.join()


def test_loopback_is_reached(browser: Browser, loopback: str) -> None:
    browser.open(loopback)
    assert "404" in browser.text()
    assert browser.foreign_requests() == []


def test_axe_finds_what_cannot_be_read(browser: Browser, page: Path, axe: str) -> None:
    browser.open(page)
    assert browser.violations(axe) == []
    page.write_text(
        "<!doctype html><title>t</title><img src='x'><input><p style='color:#bbb'>pale", "utf-8"
    )
    browser.open(page)
    found = {one.split(": ")[1] for one in browser.violations(axe)}
    assert {"html-has-lang", "image-alt", "label", "color-contrast"} <= found
