"""Hosts, folders and mirrors: what they may do to whoever reads from them."""

from __future__ import annotations

import base64
import contextlib
import itertools
import socket
from pathlib import Path

import pytest
from every import cases
from servers import Clock, Raw, Static, cut, endless, once, status

from cfedge.errors import OfflineError, UsageError
from cfedge.sync.transport import Folder, Host, Mirrors, Missing, Pace, Source, source_of

DATA = bytes(range(256)) * 400
QUICK = Pace(connect_s=0.5, silence_s=0.5)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    (tmp_path / "repo" / "objects").mkdir(parents=True)
    (tmp_path / "repo" / "objects" / "a").write_bytes(DATA)
    return tmp_path / "repo"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def read(source: Source, path: str = "objects/a", start: int = 0) -> tuple[int, bytes]:
    received = source.read(path, start)
    return received.start, b"".join(received.pieces)


def test_a_host_serves_from_the_byte_that_was_asked_for(repo: Path) -> None:
    with Static(repo) as server:
        assert read(Host(server.url)) == (0, DATA)
        assert read(Host(server.url), start=1000) == (1000, DATA[1000:])
        assert server.requests == [("objects/a", 0), ("objects/a", 1000)]


def test_a_host_that_ignores_the_range_says_that_it_begins_at_zero(repo: Path) -> None:
    with Static(repo, ranges=False) as server:
        assert read(Host(server.url), start=1000) == (0, DATA)


def test_a_host_that_begins_elsewhere_than_asked_is_refused(repo: Path) -> None:
    with Static(repo) as server:
        for span in (
            "bytes 7-9/10",
            "bytes */10",
            "bytes x",
            "",
            "bytes " + "9" * 5000 + "-",
            "bytes ²-9",
        ):
            server.faults["*"] = status(206, b"abc", Content_Range=span.encode().decode("latin-1"))
            with pytest.raises(OfflineError, match="expected bytes from 5 on"):
                read(Host(server.url), start=5)


def test_a_host_that_finds_no_range_satisfiable_is_asked_once_more_and_no_more(repo: Path) -> None:
    with Static(repo) as server:
        server.faults["*"] = status(416)
        with pytest.raises(OfflineError, match="found 416"):
            read(Host(server.url), start=5)
        assert len(server.requests) == 2


@pytest.mark.parametrize("number", [403, 404, 410])
def test_what_is_not_there_is_missing(repo: Path, number: int) -> None:
    with Static(repo) as server:
        server.faults["*"] = status(number)
        with pytest.raises(Missing):
            read(Host(server.url))


@pytest.mark.parametrize("number", [204, 304, 400, 401, 429, 500, 503, 599])
def test_any_other_status_is_offline(repo: Path, number: int) -> None:
    with Static(repo) as server:
        server.faults["*"] = status(number, Retry_After="100000")
        with pytest.raises(OfflineError, match=f"found {number}"):
            read(Host(server.url))


def test_a_redirect_is_followed_with_the_range(repo: Path) -> None:
    with Static(repo) as target, Static(repo) as server:
        server.faults["*"] = status(302, Location=f"{target.url}/objects/a")
        assert read(Host(server.url), start=9) == (9, DATA[9:])
        server.faults = {"old/*": status(301, Location="../objects/a")}
        assert read(Host(server.url), "old/a") == (0, DATA)


def test_a_redirect_loop_ends_after_three(repo: Path) -> None:
    with Static(repo) as server:
        server.faults["*"] = status(302, Location="/objects/a")
        with pytest.raises(OfflineError, match="at most 3 redirects"):
            read(Host(server.url))
        assert len(server.requests) == 4


def test_a_redirect_with_a_body_without_end_is_not_read(repo: Path) -> None:
    with Static(repo) as server:
        server.faults["old"] = lambda handler, data: endless(
            handler, data, 302, Location="/objects/a"
        )
        assert read(Host(server.url), "old") == (0, DATA)
        assert server.body_bytes < 20 << 20


def test_a_redirect_does_not_make_wait(repo: Path) -> None:
    with Static(repo) as server:
        server.faults["old"] = status(302, Location="/objects/a", Retry_After="100000")
        assert read(Host(server.url), "old") == (0, DATA)


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/a",
        "http://[::1",
        "http://",
        "//",
        "javascript:1",
        "http://a:b/",
        "data:,x",
    ],
)
def test_a_redirect_to_nowhere_is_offline(repo: Path, target: str) -> None:
    with Static(repo) as server:
        server.faults["objects/*"] = status(302, Location=target)
        with pytest.raises(OfflineError):
            read(Host(server.url))


@pytest.mark.parametrize(
    "encoding", ["gzip", "GZIP", "br", "deflate", "identity, gzip", "zstd", "x"]
)
def test_compressed_bytes_are_refused_and_named(repo: Path, encoding: str) -> None:
    with Static(repo) as server:
        server.faults["*"] = status(200, b"\x1f\x8b" + b"x" * 40, Content_Encoding=encoding)
        with pytest.raises(OfflineError, match=f"found '{encoding}'"):
            read(Host(server.url))
        assert server.headers[0]["Accept-Encoding"] == "identity"


def answer(*headers: bytes, body: bytes = b"abc") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", *headers, b"Connection: close", b"", body])


@cases(
    "raw",
    [
        b"",
        b"\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\n" + b"x" * 70000,
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 " + b"x" * 70000 + b"\r\n\r\n",
        answer(b"Content-Length: 10"),
        answer(b"Transfer-Encoding: chunked", body=b"zz\r\nabc"),
        answer(b"Transfer-Encoding: chunked", body=b"-5\r\nabc"),
        answer(b"Transfer-Encoding: chunked", body=b"5\r\nab"),
        answer(b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n"),
        b"\xff\xfe\x00\x00" * 100,
    ],
)
def test_an_answer_that_is_no_http_is_offline(raw: bytes) -> None:
    with Raw(raw) as server, pytest.raises(OfflineError) as caught:
        read(Host(server.url, pace=QUICK))
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)  # urllib3's
def test_an_answer_of_two_lengths_is_offline() -> None:
    with Raw(answer(b"Content-Length: 3, 4")) as server, pytest.raises(OfflineError):
        read(Host(server.url, pace=QUICK))


@cases("length", [b"-3", b"abc", b"2", b"", b"3"])
def test_a_content_length_that_is_wrong_gives_at_most_what_came(length: bytes) -> None:
    with Raw(answer(b"Content-Length: " + length)) as server, contextlib.suppress(OfflineError):
        assert b"abc".startswith(read(Host(server.url, pace=QUICK))[1])


def test_chunks_are_put_together() -> None:
    with Raw(
        answer(b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")
    ) as server:
        assert read(Host(server.url)) == (0, b"abcde")


def test_headers_without_end_are_cut_off() -> None:
    def forever() -> itertools.chain[bytes]:
        return itertools.chain([b""], itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 200))

    with Raw(forever) as server, pytest.raises(OfflineError, match="65536 bytes of headers"):
        read(Host(server.url))


def test_headers_that_drip_are_too_slow() -> None:
    clock = Clock(step_s=5)

    def forever() -> itertools.chain[bytes]:
        return itertools.chain([b"HTTP/1.1 200 OK\r\nx: "], itertools.repeat(b"y"))

    with Raw(forever) as server, pytest.raises(OfflineError):
        read(Host(server.url, pace=Pace(least_bytes_s=1e6), now_s=clock))


def test_a_body_that_drips_is_too_slow(repo: Path) -> None:
    clock = Clock(step_s=5)
    with (
        Static(repo) as server,
        pytest.raises(OfflineError, match="bytes a second where 1000000 are the least"),
    ):
        read(Host(server.url, pace=Pace(least_bytes_s=1e6), now_s=clock))


def test_a_body_at_the_least_rate_is_fast_enough(repo: Path) -> None:
    clock = Clock(step_s=1)
    with Static(repo) as server:
        assert read(Host(server.url, pace=Pace(least_bytes_s=100), now_s=clock)) == (0, DATA)


def test_a_host_that_thinks_long_before_it_answers_is_not_too_slow(repo: Path) -> None:
    clock = Clock()

    def think(handler: object, data: bytes) -> None:
        clock.now_s += 15
        handler.serve(data)  # type: ignore[attr-defined]

    with Static(repo) as server:
        server.faults["*"] = think
        assert read(Host(server.url, now_s=clock)) == (0, DATA)


def test_a_host_that_is_silent_is_offline() -> None:
    def silent() -> itertools.repeat[bytes]:
        import time

        time.sleep(0.6)
        return itertools.repeat(b"", 1)

    with Raw(silent) as server, pytest.raises(OfflineError):
        read(Host(server.url, pace=Pace(silence_s=0.1)))


def test_a_port_without_a_server_is_offline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(
        OfflineError,
        match=f"http://127.0.0.1:{port}/objects/a: expected an answer, found .*refused",
    ):
        read(Host(f"http://127.0.0.1:{port}", pace=QUICK))


def test_a_host_that_hangs_up_in_the_middle_is_offline_after_what_came(repo: Path) -> None:
    with Static(repo) as server:
        server.faults["*"] = cut(0.4)
        received, came = Host(server.url).read("objects/a"), b""
        with pytest.raises(OfflineError, match="sync again to resume"):  # noqa: PT012 - what came before is looked at
            for piece in received.pieces:
                came += piece
    assert came == DATA[: len(came)]
    assert len(came) >= 0.9 * 0.4 * len(DATA)


def test_a_host_of_ipv6_only_is_read(repo: Path) -> None:
    try:
        server = Static(repo, family=socket.AF_INET6)
    except OSError:
        pytest.skip("::1 is missing")
    with server:
        assert read(Host(server.url), start=7) == (7, DATA[7:])


def test_what_is_escaped_in_a_path_is_not_escaped_twice(repo: Path) -> None:
    with Raw(answer(body=b"x")) as server:
        read(Host(server.url), "metadata/1.%2Fa b.json")
        assert server.asked[0].startswith(b"GET /metadata/1.%2Fa%20b.json HTTP/1.1\r\n")


def test_a_name_cannot_add_headers_or_a_query() -> None:
    with Raw(answer(body=b"x")) as server:
        read(Host(server.url), "targets/a\r\nX: y?z#w")
        assert server.asked[0].startswith(b"GET /targets/a%0D%0AX:%20y%3Fz%23w HTTP/1.1\r\n")


# Proxies


def test_a_proxy_of_the_environment_is_asked(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Raw(answer(body=b"by proxy")) as proxy:
        for value in (
            proxy.url,
            proxy.url.removeprefix("http://"),
            proxy.url.replace("http://", "http://me:p%40ss@"),
        ):
            monkeypatch.setenv("http_proxy", value)
            assert read(Host("http://models.invalid/edge")) == (0, b"by proxy")
    assert all(
        asked.startswith(b"GET http://models.invalid/edge/objects/a HTTP/1.1\r\n")
        for asked in proxy.asked
    )
    assert (
        b"proxy-authorization: basic " + base64.b64encode(b"me:p@ss").lower()
        in proxy.asked[2].lower()
    )


def test_no_proxy_is_asked_for_hosts_that_are_named(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Static(repo) as server:
        assert read(Host(server.url)) == (0, DATA)


def test_a_redirect_to_a_host_without_a_proxy_asks_none(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Static(repo) as server:
        there = f"{server.url}/objects/a".encode()
        with Raw(answer(b"Location: " + there, body=b"").replace(b"200 OK", b"302 X")) as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            assert read(Host("http://models.invalid")) == (0, DATA)
            assert len(proxy.asked) == 1


@cases("proxy", ["socks5://127.0.0.1:1", "http://[::1", "http://a:b", "ftp://x"])
def test_a_proxy_that_none_can_be_is_named(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises((UsageError, OfflineError)):
        read(Host("http://models.invalid/edge", pace=QUICK))


# Folders


def test_a_folder_serves_from_the_byte_that_was_asked_for(repo: Path) -> None:
    assert read(Folder(repo), start=1000) == (1000, DATA[1000:])
    assert read(Folder(repo), start=len(DATA) + 5) == (len(DATA) + 5, b"")


def test_a_folder_that_is_gone_is_offline_and_a_file_that_is_gone_is_missing(repo: Path) -> None:
    with pytest.raises(Missing):
        read(Folder(repo), "objects/b")
    with pytest.raises(Missing):
        read(Folder(repo), "objects/a/b")
    with pytest.raises(OfflineError, match="is the stick in"):
        read(Folder(repo / "nowhere"), "objects/b")
    with pytest.raises(OfflineError, match="check the medium"):
        read(Folder(repo), "objects")


# Mirrors


def test_a_mirror_that_is_down_is_passed_over_and_asked_last_from_then_on(repo: Path) -> None:
    with Static(repo) as down, Static(repo) as up:
        down.faults["*"] = status(500)
        mirrors = Mirrors([Host(down.url), Host(up.url)])
        for _ in range(3):
            assert read(mirrors) == (0, DATA)
        assert (len(down.requests), len(up.requests)) == (1, 3)


def test_what_a_mirror_has_not_is_missing_though_another_is_down(repo: Path) -> None:
    with Static(repo) as down, Static(repo) as up:
        down.faults["*"] = status(500)
        for order in ([down, up], [up, down]):
            with pytest.raises(Missing):
                read(Mirrors([Host(one.url) for one in order]), "metadata/2.root.json")


def test_what_one_mirror_has_not_another_may_have(repo: Path, tmp_path: Path) -> None:
    with Static(tmp_path) as empty, Static(repo) as full:
        assert read(Mirrors([Host(empty.url), Host(full.url)])) == (0, DATA)


def test_mirrors_that_are_all_down_are_offline(repo: Path) -> None:
    with Static(repo) as server:
        server.faults["*"] = status(500)
        with pytest.raises(OfflineError):
            read(Mirrors([Host(server.url), Host(server.url)]))


def test_a_mirror_that_stops_in_the_middle_is_asked_last_from_then_on(repo: Path) -> None:
    with Static(repo) as dying, Static(repo) as up:
        dying.faults["*"] = once(cut(0.5))
        mirrors = Mirrors([Host(dying.url), Host(up.url)])
        with pytest.raises(OfflineError):
            read(mirrors)
        assert read(mirrors, start=10) == (10, DATA[10:])
        assert (len(dying.requests), len(up.requests)) == (1, 1)


# Places


def test_places_are_folders_and_urls(tmp_path: Path) -> None:
    assert isinstance(source_of([str(tmp_path)]), Folder)
    assert isinstance(source_of([tmp_path.as_uri()]), Folder)
    assert isinstance(source_of(["http://127.0.0.1:1/x"]), Host)
    assert isinstance(source_of(["https://127.0.0.1:1/x", str(tmp_path)]), Mirrors)


@cases(
    "place",
    [
        "ftp://x/y",
        "http://",
        "http://[::1",
        "s3://bucket",
        "https:///path",
        "",
        " ",
        "http://h:x",
        "http://h:99999",
        "file://stick/repo",
        "file:///media/repo?x=1",
        "file:",
    ],
)
def test_a_place_that_is_neither_is_a_usage_error(place: str) -> None:
    with pytest.raises(UsageError, match="address: expected a folder or an http"):
        source_of([place])


@cases(
    "place",
    [
        " http://h",
        "http://h ",
        "http://h\n",
        "http://h/a b",
        "http://h/?x=1",
        "http://h/#x",
        "http://h\u200b/",
    ],
)
def test_an_address_that_paths_cannot_be_put_behind_is_a_usage_error(place: str) -> None:
    """They went into the query, or the network was blamed."""
    with pytest.raises(UsageError, match="address: expected an address without"):
        Host(place)


@cases(
    "place",
    ["http://127.0.0.1:99999", "http://127.0.0.1:x", "http://a b/", "http://\x00/", "http://xn--/"],
)
def test_an_address_that_none_can_be_is_offline(place: str) -> None:
    with pytest.raises((OfflineError, UsageError)):
        read(source_of([place], pace=QUICK))
