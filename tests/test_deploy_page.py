"""The files of the page on deploying are what systemd and nginx take, and the server does behind the
proxy what the page says.
"""

from __future__ import annotations

import base64
import re
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from every import every
from served import Served, start
from typer.testing import CliRunner

from cfedge.cli import app
from cfedge.serve.limits import Limits
from cfedge.version import __version__

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "how-to" / "deploy.md").read_text("utf-8")
UNITS = dict(
    zip(
        re.findall(r"`/etc/systemd/system/([\w.-]+)`", PAGE),
        re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL),
        strict=True,
    )
)
PROXY = re.findall(r"```nginx\n(.*?)```", PAGE, re.DOTALL)[0]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze here")
def test_systemd_takes_every_unit(tmp_path: Path) -> None:
    program = tmp_path / "cfedge"
    program.write_text("#!/bin/sh\n", "utf-8")
    program.chmod(0o755)
    for name, unit in UNITS.items():
        (tmp_path / name).write_text(unit.replace("/opt/cfedge/bin/cfedge", str(program)), "utf-8")

    def taken(name: str) -> None:
        done = subprocess.run(
            ["systemd-analyze", "verify", str(tmp_path / name)],
            capture_output=True,
            text=True,
            check=False,
        )
        said = [line for line in done.stderr.splitlines() if str(tmp_path) in line or name in line]
        assert not said, said

    every(((name, name) for name in UNITS), taken)


def test_the_units_start_commands_that_are_there() -> None:
    from test_docs import _options

    for unit in UNITS.values():
        for words in re.findall(r"ExecStart=/opt/cfedge/bin/cfedge (.*)", unit):
            options = set(re.findall(r"--[a-z-]+", words))
            assert options <= _options(words.split()), words


def test_the_boards_commands_run_but_for_the_network(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_bundle.parent)
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    doctor, sync = re.findall(r"^/opt/cfedge/bin/cfedge (.*)$", block, re.MULTILINE)
    assert CliRunner().invoke(app, doctor.split()).exit_code in (0, 13)
    Path("1.root.json").write_text("{}", "utf-8")
    refused = CliRunner().invoke(app, sync.replace("models.example", "localhost:9").split())
    assert refused.exit_code not in (0, 2), refused.output


def test_the_proxy_lets_as_much_through_as_the_server_takes() -> None:
    assert "client_max_body_size 1m;" in PROXY
    assert Limits().body_bytes == 1 << 20


@pytest.fixture
def proxied(tiny_bundle: Path, tmp_path: Path) -> Iterator[tuple[str, Served]]:
    """The page's nginx before a server that runs: its address, and the server."""
    if not (shutil.which("nginx") and shutil.which("openssl")):
        pytest.skip("there is no nginx and openssl here")
    served = start(tiny_bundle, hosts=["cfedge"])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=tmp_path, capture_output=True, check=True,
    )  # fmt: skip
    (tmp_path / "users").write_text("somebody:{PLAIN}secret\n", "utf-8")
    site = PROXY.replace("127.0.0.1:8080", served.url.removeprefix("http://"))
    site = site.replace("listen 8443 ssl", f"listen 127.0.0.1:{port} ssl")
    site = re.sub(r"(cert\.pem|key\.pem|file users)", lambda m: _inside(m[1], tmp_path), site)
    places = "".join(
        f"    {kind}_temp_path {tmp_path};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {tmp_path}/pid;\nerror_log stderr;\n"
        f"events {{}}\nhttp {{\n    access_log off;\n{places}{site}}}\n",
        "utf-8",
    )
    process = subprocess.Popen(
        ["nginx", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)], stderr=subprocess.PIPE
    )
    try:
        for _ in range(100):
            if _answers(port):
                break
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            time.sleep(0.1)
        yield f"https://localhost:{port}", served
    finally:
        process.kill()
        process.communicate()
        served.stop()


def _inside(words: str, folder: Path) -> str:
    directive, _, name = words.rpartition(" ")
    return f"{directive} {folder / name}".strip()


def _answers(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def _ask(
    url: str, folder: Path, body: bytes | None, user: str | None = "somebody:secret"
) -> tuple[int, bytes]:
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    if user:
        request.add_header("authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
    trusted = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
    )
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_behind_the_pages_proxy_only_who_may_is_answered(
    proxied: tuple[str, Served], tmp_path: Path
) -> None:
    url, _ = proxied
    question = b'{"text": "the red one"}'
    status, answer = _ask(f"{url}/predict", tmp_path, question)
    assert (status, b'"task"' in answer) == (200, True), answer
    assert _ask(f"{url}/predict", tmp_path, question, user=None)[0] == 401
    assert _ask(f"{url}/predict", tmp_path, question, user="somebody:else")[0] == 401
    assert _ask(f"{url}/health/ready", tmp_path, None, user=None)[0] == 200
    assert _ask(f"{url}/metrics", tmp_path, None)[0] == 404
    assert _ask(f"{url}/predict", tmp_path, b"{}")[0] == 400
    assert _ask(f"{url}/predict", tmp_path, b" " * ((1 << 20) + 1))[0] == 413


def test_the_container_installs_extras_that_are_there_and_asks_a_path_that_answers() -> None:
    recipe = re.findall(r"```dockerfile\n(.*?)```", PAGE, re.DOTALL)[0]
    wheel = f"cfedge-{__version__}-py3-none-any.whl"
    assert f"COPY {wheel} " in recipe
    for page in (PAGE, (ROOT / "docs" / "how-to" / "answer.md").read_text("utf-8")):
        assert set(re.findall(r"cfedge-[\w.-]+\.whl", page)) == {wheel}
    (extras,) = re.findall(rf"{re.escape(wheel)}\[([\w,]+)\]", recipe)
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    for extra in extras.split(","):
        assert re.search(rf"^{extra} = \[", project, re.MULTILINE), extra
    assert "/health/ready" in recipe
