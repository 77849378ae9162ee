"""What addresses may give away: passwords in errors, encryption in redirects, keys in their modes."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import ipaddress
import os
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from bounded import bounded
from every import cases
from typer.testing import CliRunner

from cfedge.cli import app
from cfedge.errors import OfflineError, UsageError
from cfedge.publish.keys import ROLES, Keys
from cfedge.sync.transport import Host, Received, source_of
from cfedge.sync.transport.address import redirected, shown

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@cases(
    "place",
    [
        f"https://me:{SECRET}@host/edge",
        f"http://me:{SECRET}@host/edge",
        f"https://{SECRET}@host/edge",
        f"https://:{SECRET}@host",
        f"ftp://me:{SECRET}@host/edge",
        f"http://me:{SECRET}@",
        f"http://me:{SECRET}@[::1",
        f"https://me:{SECRET}@host?x=@/y",
        f"HTTPS://me:{SECRET}@host/edge",
        f"https://a@b:{SECRET}@host/edge",
        f"http:me:{SECRET}@host/edge",
        f"http:/me:{SECRET}@host/edge",
        f"http:\\\\me:{SECRET}@host/edge",
        f"me:{SECRET}@host/edge",
        f"http://me:{SECRET}/x@host/edge",
        f"http://me:{SECRET}\uff03@host/edge",
        f"http://host/edge?token={SECRET}",
        f"http://host/edge#{SECRET}",
        f" http://me:{SECRET}@host/edge",
    ],
)
def test_a_password_in_an_address_is_refused_and_never_printed(place: str) -> None:
    with bounded(), pytest.raises(UsageError, match="address: expected") as caught:
        source_of([place])
    assert SECRET not in str(caught.value)
    assert "me:" not in str(caught.value)


def test_the_command_does_not_print_it_either(tmp_path: Path) -> None:
    (tmp_path / "root.json").write_bytes(b"{}")
    found = CliRunner().invoke(
        app,
        ["sync", str(tmp_path / "store"), "--from", f"https://me:{SECRET}@host",
         "--root", str(tmp_path / "root.json")],
    )  # fmt: skip
    assert found.exit_code != 0
    assert SECRET not in found.output + str(found.exception)
    assert not (tmp_path / "store").exists()


def test_a_password_of_a_proxy_is_sent_to_it_and_not_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", f"socks9://me:{SECRET}@127.0.0.1:1")
    with bounded(), pytest.raises(UsageError, match="http_proxy: expected the URL") as caught:
        Host("http://models.example.org")
    assert SECRET not in str(caught.value)
    monkeypatch.setenv("http_proxy", f"http://me:{SECRET}@127.0.0.1:1")
    with bounded(), pytest.raises(OfflineError) as unreachable:
        Host("http://models.example.org").read("x")
    assert SECRET not in str(unreachable.value)


@cases(
    ("url", "plain"),
    [
        ("https://me:x@host/a", "https://...@host/a"),
        ("https://host/a@b", "https://host/a@b"),
        ("https://me@host?q=a@b", "https://...@host?..."),
        ("https://host/a?signature=1#x", "https://host/a?..."),
        ("http:me:x@host/a", "http:...@host/a"),
        ("me:x@host/a", "...@host/a"),
        ("stick/a:b@c", "stick/a:b@c"),
        ("https://a@b@host", "https://...@host"),
        ("/media/stick@home", "/media/stick@home"),
        ("https://host", "https://host"),
    ],
)
def test_an_address_is_shown_without_who_asks(url: str, plain: str) -> None:
    assert shown(url) == plain


# Redirects


@cases(
    ("url", "target"),
    [
        ("https://host/x", "http://host/x"),
        ("https://host/x", "HTTP://host/x"),
        ("https://host/x", "http://127.0.0.1/x"),
        ("https://host/x", f"https://me:{SECRET}@host/x"),
        ("http://host/x", f"//me:{SECRET}@host/x"),
        ("http://host/x", "file:///etc/passwd"),
        ("http://host/x", "ftp://host/x"),
        ("http://host/x", "javascript:0"),
        ("http://host/x", "http://[::1"),
    ],
)
def test_a_redirect_gives_up_neither_encryption_nor_a_password(url: str, target: str) -> None:
    with bounded(), pytest.raises(OfflineError, match="expected a redirect") as caught:
        redirected(url, target)
    assert SECRET not in str(caught.value)


@cases(
    ("url", "target", "there"),
    [
        ("https://host/x", "https://other/y", "https://other/y"),
        ("https://host/x", "/y", "https://host/y"),
        ("http://host/x", "https://host/x", "https://host/x"),
        ("http://host/x", "http://other/x", "http://other/x"),
    ],
)
def test_other_redirects_are_followed(url: str, target: str, there: str) -> None:
    assert redirected(url, target) == there


class _Sends(http.server.BaseHTTPRequestHandler):
    target = ""
    asked: list[str]

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        if self.path.startswith("/there"):
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")
            return
        self.send_response(302)
        self.send_header("Location", type(self).target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "host.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@contextlib.contextmanager
def serving(pem: Path | None = None) -> Iterator[tuple[str, type[_Sends]]]:
    handler = type("Handler", (_Sends,), {"asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
    thread.start()
    try:
        scheme = "http" if pem is None else "https"
        yield f"{scheme}://127.0.0.1:{server.server_address[1]}", handler
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def taken(received: Received) -> bytes:
    return b"".join(received.pieces)


def test_a_host_that_was_asked_by_https_cannot_send_to_http(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with serving() as (plain, there), serving(pem) as (safe, here):
        here.target = f"{plain}/there"
        with bounded(), pytest.raises(OfflineError, match="a redirect that stays encrypted"):
            Host(safe).read("x")
        assert there.asked == []
        here.target = f"{safe}/there"
        with bounded():
            assert taken(Host(safe).read("x")) == b"ok"


def test_a_host_whose_certificate_nobody_vouches_for_is_not_asked(tmp_path: Path) -> None:
    with serving(certificate(tmp_path)) as (safe, here):
        with (
            bounded(),
            pytest.raises(OfflineError, match=r"certificate.*; check this machine's clock, and"),
        ):
            Host(safe).read("x")
        assert here.asked == []


# Keys


@pytest.mark.skipif(os.name == "nt", reason="modes are those of POSIX")
@cases(
    ("role", "mode"),
    [(role, mode) for role in ROLES for mode in (0o644, 0o640, 0o660, 0o604, 0o602, 0o610)],
)
def test_a_key_that_others_can_read_is_told(role: str, mode: int, tmp_path: Path) -> None:
    keys = Keys.create(tmp_path / "keys", root_keys=1, root_threshold=1)
    assert keys.exposed == []
    path = keys.folder / f"{role}-1.pem"
    path.chmod(mode)
    assert keys.exposed == [path]


@pytest.mark.skipif(os.name == "nt", reason="modes are those of POSIX")
def test_whoever_signs_is_told_of_it(tmp_path: Path) -> None:
    from channels import Site

    site = Site(tmp_path / "site")
    path = site.keys.folder / "targets-1.pem"
    path.chmod(0o644)
    found = CliRunner().invoke(app, ["renew", str(site.repo), "--keys", str(site.keys.folder)])
    assert f"{path} can be read by others than its owner (mode 644)" in found.output.replace(
        "\n", ""
    )


def test_a_host_that_names_a_new_one_every_time_leaves_few_connections() -> None:
    with bounded():
        host = Host("http://127.0.0.1:9")
        pools = [host._pool(f"http://h{number}.example/edge") for number in range(300)]
    assert len(host._pools) <= 8
    assert host._pool("http://h299.example/other") is pools[-1]
    assert host._pool("http://127.0.0.1:9") is host._pool("http://127.0.0.1:9")
