"""A real browser for tests: headless Chromium, driven over the W3C WebDriver protocol.

The system's own ``chromium`` and ``chromedriver`` are used; where they are not installed, the
fixture ``browser`` skips with that reason. chromedriver speaks JSON over HTTP, and the dozen commands
that tests need are here, so that no package is added for them.

- Every name but loopback's resolves to nothing, and `Browser.foreign_requests` lists what a page
  asked for elsewhere.
- `Browser.complaints` lists what the page's console complained of: errors of scripts, and what the
  Content-Security-Policy refused.
- Neither depends on when chromedriver's logs arrive: the page is asked to write a last line into each
  log, and the logs are read until that line is there. A page that asks for nothing is so told apart
  from one whose log is late.
- `Browser.screenshot` keeps a picture in ``build/screenshots``.
- `Browser.violations` lists what axe-core finds.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe import RUN_AXE

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_BINARIES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-extensions", "--no-default-browser-check",
    "--force-color-profile=srgb", "--hide-scrollbars", "--window-size=1100,900",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1",
]  # fmt: skip
#: A page is loaded with all its pictures, those too that wait until they are seen.
_WHOLE = """(() => {
  const pictures = [...document.images];
  pictures.forEach(one => { one.loading = "eager"; });
  return document.readyState === "complete" && pictures.every(one => one.complete);
})()"""
#: Writes a last line into both logs. The page's own process writes them in turn: what it asked for
#: and complained of before stands before that line. No policy of a page refuses an empty frame.
_MARK = """
const frame = document.createElement("iframe");
frame.name = arguments[0];
document.documentElement.append(frame);
frame.remove();
console.debug(arguments[0]);
"""
#: Keys that have no letter, as WebDriver writes them.
KEYS = {
    "Backspace": "\ue003", "Tab": "\ue004", "Enter": "\ue007", "Shift": "\ue008", "Control": "\ue009", "Alt": "\ue00a", "Escape": "\ue00c", "Space": " ",
    "End": "\ue010", "Home": "\ue011", "ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015", "Delete": "\ue017",
}  # fmt: skip


def missing() -> str | None:
    """Say what a browser test lacks here; None: nothing."""
    if not shutil.which("chromedriver"):
        return "chromedriver is not installed (apt-get install chromium chromium-driver)"
    if not any(map(shutil.which, _BINARIES)):
        return "chromium is not installed (apt-get install chromium chromium-driver)"
    return None


class Browser:
    """One browser with one tab; made by `started`."""

    def __init__(self, port: int, profile: Path) -> None:
        self._port, self.commands, self._marks = port, 0, 0
        binary = next(path for path in map(shutil.which, _BINARIES) if path)
        options = {"binary": binary, "args": [*_FLAGS, f"--user-data-dir={profile}"]}
        capabilities = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "unhandledPromptBehavior": "ignore",
        }
        made = self._call("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        self._session = f"/session/{made['sessionId']}"
        self._asked: list[str] = []
        self._complaints: list[str] = []

    # -- moving about -------------------------------------------------------------------------

    def open(self, address: str | Path) -> None:
        """Load a page, an address or a file, whole: chromedriver may return before."""
        if isinstance(address, Path):
            address = address.resolve().as_uri()
        before, _, _ = self.address.partition("#")
        page, fragment, _ = address.partition("#")
        if fragment and before == page:  # the document stays
            self._post("/url", {"url": address})
            return
        self.script("window.isLeft = true")
        self._post("/url", {"url": address})
        self.wait("!window.isLeft && document.readyState === 'complete'")

    @property
    def address(self) -> str:
        return str(self._get("/url"))

    def reset(self) -> None:
        """Forget cookies, storage, logs and the page."""
        with contextlib.suppress(WebDriverError):
            self._post("/alert/dismiss", {})
        self.open("about:blank")
        self.devtools("Network.clearBrowserCookies")
        self.devtools("Emulation.setEmulatedMedia", {"media": "", "features": []})
        self.window(1100, 900)
        self._read_logs()
        self._asked, self._complaints = [], []

    def window(self, width: int, height: int) -> None:
        self._post("/window/rect", {"width": width, "height": height})

    # -- what is there ------------------------------------------------------------------------

    def script(self, body: str, *arguments: Any) -> Any:
        """Run the body of a function in the page and return what it returns."""
        return self._post("/execute/sync", {"script": body, "args": list(arguments)})

    def text(self, css: str = "body") -> str:
        """Return the text that is seen in the first element that fits."""
        return str(self._get(f"/element/{self._find(css)}/text"))

    def texts(self, css: str) -> list[str]:
        """Return the text of every element that fits, seen or not."""
        found = "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent.trim())"
        return list(self.script(found, css))

    def count(self, css: str) -> int:
        return int(self.script("return document.querySelectorAll(arguments[0]).length", css))

    def wait(self, expression: str, *, seconds: float = 20.0) -> Any:
        """Wait until a JavaScript expression is true, and return it.

        Raises
        ------
        AssertionError
            It never was.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if found := self.script(f"return ({expression})"):
                return found
            time.sleep(0.05)
        raise AssertionError(f"not so after {seconds:g} s: {expression}\n{self.text()[:2000]}")

    def wait_text(self, words: str, *, seconds: float = 20.0) -> None:
        """Wait until the page shows these words."""
        self.wait(f"document.body.innerText.includes({json.dumps(words)})", seconds=seconds)

    # -- what a person does -------------------------------------------------------------------

    def click(self, css: str) -> None:
        self._post(f"/element/{self._find(css)}/click", {})

    def type(self, css: str, words: str) -> None:
        """Type into a field, after what is there."""
        self._post(f"/element/{self._find(css)}/value", {"text": words})

    def clear(self, css: str) -> None:
        self._post(f"/element/{self._find(css)}/clear", {})

    def upload(self, css: str, *files: Path) -> None:
        """Give files to an ``<input type=file>``."""
        self.type(css, "\n".join(str(path.resolve()) for path in files))

    def press(self, *keys: str) -> None:
        """Press and release keys one after another, where the focus is: letters, or names of `KEYS`.

        ``Shift+ArrowDown`` holds the first while the second is pressed.
        """
        actions = []
        for key in keys:
            held = key.split("+") if len(key) > 1 else [key]
            values = [KEYS.get(name, name) for name in held]
            actions += [{"type": "keyDown", "value": value} for value in values]
            actions += [{"type": "keyUp", "value": value} for value in reversed(values)]
        self._post("/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    # -- what it shows of itself --------------------------------------------------------------

    def devtools(self, command: str, parameters: dict[str, Any] | None = None) -> Any:
        """Call a command of the DevTools protocol."""
        return self._post("/goog/cdp/execute", {"cmd": command, "params": parameters or {}})

    def screenshot(self, name: str, *, whole: bool = True, path: Path | None = None) -> Path:
        """Keep a picture of the page (or of what is seen of it) in ``build/screenshots``."""
        options = {"format": "png", "captureBeyondViewport": whole}
        if whole:
            size = self.devtools("Page.getLayoutMetrics")["cssContentSize"]
            options["clip"] = {
                "x": 0,
                "y": 0,
                **{k: size[k] for k in ("width", "height")},
                "scale": 1,
            }
        path = path or SCREENSHOTS / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.devtools("Page.captureScreenshot", options)["data"]))
        return path

    def requests(self) -> list[str]:
        """Return every address that was asked for since the last `reset`."""
        self._read_logs()
        return list(self._asked)

    def foreign_requests(self) -> list[str]:
        """Return those addresses that are neither on this machine nor in the page itself."""
        near = ("file", "data", "blob", "about", "chrome", "chrome-untrusted", "devtools")
        return [
            one
            for one in self.requests()
            if urlsplit(one).scheme not in near
            and urlsplit(one).hostname not in ("127.0.0.1", "localhost")
        ]

    def complaints(self) -> list[str]:
        """Return the errors and warnings of the page's console since the last `reset`."""
        self._read_logs()
        return list(self._complaints)

    def violations(
        self, source: str, *, impacts: tuple[str, ...] = ("serious", "critical")
    ) -> list[str]:
        """Return axe-core's findings of these impacts, each with the first element concerned."""
        self.script(source)
        found = self._post("/execute/async", {"script": RUN_AXE, "args": []})
        return [
            f"{one['impact']}: {one['id']}: {one['help']}: {one['where']}"
            for one in found
            if one["impact"] in impacts
        ]

    def close(self) -> None:
        with contextlib.suppress(WebDriverError, OSError):
            self._call("DELETE", self._session)

    # -- the wire -----------------------------------------------------------------------------

    def _read_logs(self, *, seconds: float = 20.0) -> None:
        """Read all that the page asked for and complained of until now, however late it arrives.

        Raises
        ------
        AssertionError
            A picture did not end, or a log did not come as far as its last line.
        """
        self.wait(_WHOLE, seconds=seconds)
        self._marks += 1
        mark = f"the last line of reading {self._marks}"
        self.script(_MARK, mark)
        late, until = {"performance", "browser"}, time.monotonic() + seconds
        while late:
            assert time.monotonic() < until, f"the logs {sorted(late)} are late by {seconds:g} s"
            late = {log for log in late if not self._take(log, mark)}

    def _take(self, log: str, mark: str) -> bool:
        """Take what has arrived in a log; say whether the mark has."""
        entries = self._post("/se/log", {"type": log})
        if log == "browser":
            bad = [one for one in entries if one["level"] in ("SEVERE", "WARNING")]
            self._complaints += [one["message"] for one in bad]
            return any(mark in one["message"] for one in entries)
        events = [json.loads(one["message"])["message"] for one in entries]
        for event in events:
            if event["method"] == "Network.requestWillBeSent":
                self._asked.append(event["params"]["request"]["url"])
        frames = [
            one["params"]["frame"] for one in events if one["method"] == "Page.frameNavigated"
        ]
        return any(frame.get("name") == mark for frame in frames)

    def _find(self, css: str) -> str:
        return str(self._post("/element", {"using": "css selector", "value": css})[_ELEMENT])

    def _get(self, path: str) -> Any:
        return self._call("GET", self._session + path)

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return self._call("POST", self._session + path, body)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        self.commands += 1
        if isinstance(value, dict) and "error" in value:
            raise WebDriverError(f"{path}: {value['error']}: {value['message'].splitlines()[0]}")
        return value


class WebDriverError(Exception):
    """What chromedriver refused: there is no such element, or it cannot be clicked."""


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Browser]:
    """Start chromedriver and one browser with an empty profile in a folder; end both."""
    environment = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    process = subprocess.Popen(
        ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )  # fmt: skip
    try:
        assert process.stdout is not None
        port = next(
            int(found.group(1))
            for line in process.stdout
            if (found := re.search(r"started successfully on port (\d+)", line))
        )
        browser = Browser(port, folder / "profile")
        try:
            yield browser
        finally:
            browser.close()
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()
