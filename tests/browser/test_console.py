"""The console as a person meets it: every part in a real browser, by mouse and by keys."""

from __future__ import annotations

import http.server
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import desks
import pytest
from chromium import Browser
from desks import keep_food, label
from tiny import only

from cfedge.bundle.files import read, write
from cfedge.console import routes_review
from cfedge.console.grouping import groups

XSS = '<img src=x onerror="document.title=1"><script>document.title=1</script>"\'&{{7*7}}'


def enter(browser: Browser, console: desks.Opened, view: str = "try") -> None:
    """Log in with the link, and go to one of the parts."""
    browser.open(console.link)
    browser.wait("document.querySelector('#input')")
    if view != "try":
        browser.script("location.hash = arguments[0]", f"#{view}")
        browser.wait(f"document.querySelector('h1').textContent.toLowerCase() === '{view}'")


def is_clean(browser: Browser, axe: str | None = None) -> None:
    """Nothing was asked of other machines, nothing failed, and (with axe) nothing is in the way."""
    assert browser.foreign_requests() == []
    assert browser.complaints() == []
    if axe is not None:
        assert browser.violations(axe) == []


def test_the_link_opens_it_and_a_wrong_key_does_not(
    browser: Browser, console: desks.Opened
) -> None:
    browser.open(f"{console.url}/#not-the-key-at-all")
    browser.wait("document.querySelector('#key')")
    assert "expected the one that the console printed" in browser.text("main")
    browser.type("#key", console.console.access.key)
    browser.press("Enter")
    browser.wait("document.querySelector('#input')")
    assert console.console.access.key not in browser.address
    browser.open(f"{console.url}/#watch")  # the session stays, the word is asked for again
    browser.wait_text("Are the inputs still the same?")


#: What a page of another origin tries: the browser has a session with the console.
FOREIGN = """
const [url, send] = [arguments[0], {method: "POST", credentials: "include", body: '{"all": true}'}];
const tries = {
  "/api/state": {credentials: "include"}, "/api/word": {credentials: "include"},
  "/api/erase": {...send, mode: "no-cors"}, "/api/erase?2": {...send, headers: {"x-cfedge-csrf": "x"}},
};
const one = async ([path, how]) => fetch(url + path, how).then(got => `${got.type} ${got.status}`, error => "refused");
const frame = document.createElement("iframe");
frame.src = url;
frame.onload = async () => {
  window.found = [frame.contentDocument ? "seen" : "closed", ...await Promise.all(Object.entries(tries).map(one))];
};
document.body.append(frame);
"""


def test_a_page_of_another_origin_gets_nothing_and_changes_nothing(
    browser: Browser, console: desks.Opened, tmp_path: Path
) -> None:
    keep_food(console)
    enter(browser, console)
    (tmp_path / "index.html").write_text("<!doctype html><title>another</title><p>another page")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        browser.open(f"http://127.0.0.1:{server.server_address[1]}/index.html")
        browser.script(FOREIGN, console.url)
        found = browser.wait("window.found")
        server.shutdown()
    assert found[0] == "closed"
    assert not any(one.startswith(("basic", "cors")) for one in found)
    assert console.good("/api/state")["counts"]["waiting"] == 48


def test_an_input_is_tried_and_shown_with_its_evidence(
    browser: Browser, console: desks.Opened, axe: str
) -> None:
    enter(browser, console)
    browser.type("#input", "crimson ruby scarlet")
    browser.press("Enter")
    browser.wait("document.querySelector('.verdict')")
    assert "colors / red" in browser.text(".verdict").replace("\n", " ")
    assert "at most" in browser.text(".evidence")
    browser.click(".card summary")
    browser.wait("document.querySelector('.card svg .ring')")
    browser.click("#json")
    browser.clear("#input")
    browser.type("#input", '{"text": "tabby kitten", "task": "animals"}')
    browser.click("form button.go")
    browser.wait("document.querySelectorAll('.verdict').length === 2")
    assert "animals / cat" in browser.text(".verdict").replace("\n", " ")
    browser.screenshot("console-try")
    is_clean(browser, axe)


def test_what_is_wrong_is_said_in_words(browser: Browser, console: desks.Opened) -> None:
    enter(browser, console)
    browser.click("#json")
    browser.type("#input", "no json")
    browser.click("form button.go")
    browser.wait_text("body: expected")
    console.stop()
    browser.click("form button.go")
    browser.wait_text("is it still running?")


def test_groups_are_labelled_with_single_keys_and_undone(
    browser: Browser, console: desks.Opened, axe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_food(console)
    enter(browser, console, "review")
    browser.wait("document.querySelector('.group')")
    waiting = "Number(document.getElementById('waiting').textContent)"
    assert browser.script(f"return {waiting}") == 48
    browser.press("ArrowDown", "Shift+ArrowDown", "Shift+ArrowDown")
    assert browser.count("li[data-chosen=true]") == 3
    browser.press("n")
    browser.wait("document.querySelector('dialog[open] #new-label')")
    browser.press("s", "o", "u", "p", "Enter")
    browser.wait(f"{waiting} === 45")
    assert browser.text(".slot") == "1\nsoup\n3"
    browser.press("u")
    browser.wait(f"{waiting} === 48")
    browser.press("ArrowDown", " ", "1", "1")  # the second key is about what the first one left
    browser.wait("document.querySelector('.empty')")
    browser.press("u")
    browser.wait(f"{waiting} === 47")
    browser.press("u")
    browser.wait(f"{waiting} === 48")
    browser.press("1")  # the head stands for the whole group
    browser.wait("document.querySelector('.empty')")
    assert "Teach 48 inputs" in browser.text(".slots").replace("\n", " ")
    browser.press("u")
    browser.wait(f"{waiting} === 48")
    browser.press("0")
    browser.wait("document.body.innerText.includes('48 inputs set aside')")
    browser.press("u")
    browser.wait(f"{waiting} === 48")
    browser.press("ArrowDown", " ", "ArrowDown", " ", "Escape")
    assert browser.count("li[data-chosen=true]") == 0
    browser.screenshot("console-review", whole=False)
    is_clean(browser, axe)
    assert browser.count(".by-itself") == 0  # every input has its like
    # the tests' encoder finds all texts alike, so they are told apart by what they do not share
    monkeypatch.setattr(
        routes_review, "groups", lambda rows, alike: groups(rows - rows.mean(axis=0), alike)
    )
    for _ in range(40):
        if browser.count(".by-itself"):
            break
        before = browser.script("return performance.now()")
        browser.press("+")
        browser.wait(f"performance.now() > {before} + 300 && document.querySelector('.group')")
    below = ".by-itself ~ .group"
    assert browser.count(below) == browser.count(f"{below} li") > 0
    assert browser.count(f"{below} .count") == 0
    assert browser.count(".group .count") == browser.count(".group") - browser.count(below)
    assert "like no other" in browser.script(
        f"return document.querySelector('{below}').getAttribute('aria-label')"
    )
    browser.screenshot("console-review-alone", whole=False)
    is_clean(browser, axe)


def test_erasing_asks_first(browser: Browser, console: desks.Opened) -> None:
    keep_food(console)
    enter(browser, console, "review")
    browser.wait("document.querySelector('.group')")
    browser.script(
        "[...document.querySelectorAll('button')].find(b => b.textContent === 'Erase all').click()"
    )
    browser.wait("document.querySelector('dialog[open]')")
    browser.press("Escape")
    browser.wait("!document.querySelector('#sure-title')")
    assert console.good("/api/state")["counts"]["waiting"] == 48
    browser.script(
        "[...document.querySelectorAll('button')].find(b => b.textContent === 'Erase all').click()"
    )
    browser.wait("document.querySelector('dialog[open] .danger')")
    browser.click("dialog[open] .danger")
    browser.wait_text("48 inputs erased")
    assert console.good("/api/state")["counts"]["waiting"] == 0


@pytest.mark.slow
def test_a_selection_is_taught_switched_on_and_taken_back(
    browser: Browser, console: desks.Opened, axe: str
) -> None:
    label(console, keep_food(console))
    enter(browser, console, "review")
    browser.wait("document.querySelector('.slots .go')")
    browser.press("t")
    browser.wait("document.activeElement.id === 'task'")
    browser.press("f", "o", "o", "d", "Enter")
    browser.wait("document.querySelector('[data-state=working] progress')")
    browser.open("about:blank")  # the browser is closed, and it goes on
    time.sleep(1)
    browser.open(f"{console.url}/#teach")
    browser.wait("document.querySelector('[data-state=ready]')", seconds=120)
    assert list(console.good("/api/state")["tasks"]) == ["animals", "colors"]
    assert "food" in browser.text(".compare")
    assert "How many more?" in browser.text("#jobs")
    browser.screenshot("console-teach")
    is_clean(browser, axe)
    browser.click("[data-state=ready] .row button")
    browser.wait("document.querySelector('[data-state=answers]')")
    browser.wait("document.getElementById('answers').textContent.includes('3 tasks')")
    assert "food" in console.good("/api/state")["tasks"]
    browser.wait("!document.querySelector('#task')")  # what was taught is not to be taught again
    browser.click("[data-state=answers] .row button")
    browser.wait("document.querySelector('[data-state=\"taken back\"]')")
    browser.wait("document.getElementById('answers').textContent.includes('2 tasks')")
    browser.wait("document.querySelector('#task')")
    assert "food" not in console.good("/api/state")["tasks"]
    bundle = console.place.answers  # what a sync or another console switches is seen, too
    write(only(read(bundle), "colors"), bundle, replace=True)
    browser.wait("document.getElementById('answers').textContent.includes('1 task')")


def test_what_becomes_worse_is_said_in_red_and_nothing_is_switched_by_itself(
    browser: Browser, console: desks.Opened, axe: str
) -> None:
    _lay_ready(console)
    enter(browser, console, "teach")
    browser.wait("document.querySelector('[data-state=ready]')")
    assert "1 task would become worse." in browser.text(".alarm")
    assert "80 of 100 right, 90 of 100 before" in browser.text(".alarm")
    assert browser.text("[data-state=ready] button.danger") == "Switch it on all the same"
    assert browser.count("[data-state=ready] button.go") == 0
    assert browser.text("td.worse") == "80 of 100"
    browser.screenshot("console-worse")
    is_clean(browser, axe)


def _lay_ready(console: desks.Opened, name: str = "colors") -> None:
    """A job as its process leaves it, of a change that makes another task worse."""
    import json

    figures: dict[str, Any] = {
        "held_out": 100,
        "unknown": 1,
        "wrong_answer_at_most": 0.2,
        "wrong_task_at_most": 0.1,
        "classes": 2,
    }
    folder = console.jobs.state / "jobs" / "1-a"
    folder.mkdir()
    rows = [
        {"task": "food", "changed": True, "before": None, "after": {**figures, "right": 99}, "worse": []},
        {"task": name, "changed": False, "before": {**figures, "right": 90}, "after": {**figures, "right": 80},
         "worse": ["80 of 100 right, 90 of 100 before"]},
    ]  # fmt: skip
    result = {"base": "0", "rows": rows, "worse": True, "bytes": 1_000, "seconds": 2.0, "task_bytes": 10,
              "method": "closed-form", "advice": [name], "outlook": None}  # fmt: skip
    request = {"heading": f"New task {name}", "begun": time.time(), "change": {"kind": "new task"}}
    (folder / "request.json").write_text(json.dumps(request))
    (folder / "result.json").write_text(json.dumps(result))


def test_tasks_and_watch_show_what_is_promised_and_what_was_met(
    browser: Browser, console: desks.Opened, axe: str
) -> None:
    for _ in range(4):
        console.good("/api/try", {"inputs": ["crimson ruby", "zz yy xx", "tabby kitten purr"]})
    enter(browser, console, "tasks")
    browser.wait("document.querySelector('.chart')")
    assert browser.texts("tbody th[scope=row]")[0].startswith("animals")
    browser.type("#export-name", "copy")
    browser.press("Enter")
    browser.wait_text("Exported to")
    browser.screenshot("console-tasks")
    is_clean(browser, axe)
    browser.press("Alt+5")
    browser.wait("document.querySelectorAll('.chart').length === 3")
    assert "false alarm is at most 1%" in browser.text("main")
    browser.screenshot("console-watch")
    is_clean(browser, axe)


def test_the_keys_are_shown_on_a_question_mark(
    browser: Browser, console: desks.Opened, axe: str
) -> None:
    enter(browser, console, "review")
    browser.wait("document.querySelector('.slots')")
    browser.press("?")
    browser.wait("document.querySelector('#keys[open]')")
    assert "give the label of that number" in browser.text("#keys")
    is_clean(browser, axe)
    browser.press("Escape")
    browser.wait("!document.querySelector('#keys[open]')")


def test_no_text_label_task_or_file_name_becomes_markup(
    browser: Browser, console: desks.Opened
) -> None:
    assert console.keeper is not None
    answer = {"kept": XSS, "task": XSS, "label": XSS, "probability": 0.5}
    console.keeper.inputs.keep_several([(f"{XSS} {row}", answer) for row in range(3)])
    (number, *_) = console.keeper.inputs.numbers(["waiting"], limit=3)
    label(console, {XSS: [number]})
    _lay_ready(console, XSS)
    enter(browser, console)
    browser.type("#input", XSS)
    browser.press("Enter")
    browser.wait("document.querySelector('.verdict')")
    for view in ("review", "teach", "tasks", "watch"):
        browser.script("location.hash = arguments[0]", f"#{view}")
        browser.wait(f"document.querySelector('h1').textContent.toLowerCase() === '{view}'")
        browser.wait("document.querySelector('.group, .card, .chart, table')")
        time.sleep(0.3)
        assert browser.count("main img, main script, #status img") == 0
        assert browser.script("return document.title").endswith("cfedge console")
    is_clean(browser)


def test_a_long_label_a_narrow_screen_and_the_dark_stay_readable(
    browser: Browser, console: desks.Opened, axe: str
) -> None:
    numbers = keep_food(console)
    label(console, {"W" * 200: numbers["soup"]})
    browser.window(420, 800)
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.devtools("Emulation.setEmulatedMedia", {"media": "screen", **dark})
    enter(browser, console)
    browser.type("#input", "W" * 300)
    browser.press("Enter")
    browser.wait("document.querySelector('.verdict')")
    fits = "return document.documentElement.scrollWidth <= innerWidth + 1"
    assert browser.script(fits)
    for view in ("teach", "tasks", "watch", "review"):
        browser.script("scrollTo(0, 999); location.hash = arguments[0]", f"#{view}")
        browser.wait(f"document.querySelector('h1').textContent.toLowerCase() === '{view}'")
        assert browser.script("return scrollY") == 0  # a part is read from its beginning
        browser.wait("document.querySelector('.group, .chips, .chart')")
        assert (view, browser.script(fits), browser.violations(axe)) == (view, True, [])
    # An input takes a line or two, and no more of a small screen.
    assert browser.script("return document.querySelector('.inputs li').offsetHeight") < 80
    browser.screenshot("console-narrow-dark", whole=False)
    is_clean(browser, axe)


def test_a_label_that_cannot_be_is_refused_and_what_was_typed_stays(
    browser: Browser, console: desks.Opened
) -> None:
    keep_food(console)
    enter(browser, console, "review")
    browser.wait("document.querySelector('.group')")
    browser.press("n")
    browser.wait("document.querySelector('#new-label')")
    browser.script("document.querySelector('#new-label').value = 'x'.repeat(10000)")
    browser.press("Enter")
    browser.wait("document.querySelector('dialog[open] .fault').textContent")
    assert browser.text(".fault").startswith(
        "label: expected labels of at most 200 characters, found 10000"
    )
    browser.clear("#new-label")
    browser.type("#new-label", "\u05de\u05e8\u05e7 (3)")
    browser.press("Enter")
    browser.wait("!document.querySelector('#new-label')")
    browser.wait("document.body.innerText.includes('Nothing is waiting')")
    browser.press("t")
    browser.wait("document.querySelector('.chips li')")
    # The count stands behind the label, though the label is read from right to left.
    label, count = browser.script(
        "const [label, count] = document.querySelector('.chips li').childNodes, range = document.createRange();"
        "range.selectNode(count);"
        "return [label.getBoundingClientRect().right, range.getBoundingClientRect().left]"
    )
    assert label <= count + 1


def test_a_task_that_is_deleted_under_ones_hands_is_named(
    browser: Browser, console: desks.Opened
) -> None:
    from cfedge.train.workspace.folder import WorkspaceFolder

    enter(browser, console, "tasks")
    browser.wait("document.querySelector('.chart')")
    assert console.place.workspace is not None
    WorkspaceFolder(console.place.workspace).remove("colors")
    browser.click('button[aria-label="remove colors"]')
    browser.wait("document.querySelector('dialog[open] .danger')")
    browser.click("dialog[open] .danger")
    browser.wait_text("expected one of animals, found 'colors'; see what there is in Tasks")
    assert console.good("/api/jobs")["jobs"] == []
    browser.open("about:blank")
    browser.open(f"{console.url}/#tasks")
    browser.wait_text("Answering, and no more in the workspace: colors.")
    assert browser.count('button[aria-label="rename animals"]') == 1
    assert browser.count('button[aria-label="rename colors"]') == 0
