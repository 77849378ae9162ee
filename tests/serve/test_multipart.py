"""Forms with pictures in them: what browsers and curl send is read, and what is odd is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from every import cases

from cfedge.errors import InputError, UsageError
from cfedge.inputs import of
from cfedge.inputs.image.spec import Image
from cfedge.serve.limits import Limits
from cfedge.serve.multipart import read_parts

MODALITY = of(Image("image", 32, 32, "squash"), {})
TYPE = "multipart/form-data; boundary=xYz"
#: Bytes with line ends, dashes and the boundary's letters in them.
PICTURE = b"\x89PNG\r\n\x1a\n--xY\r\n\r\n--\x00\xff"


def _body(*parts: tuple[str, bytes], end: bytes = b"--xYz--\r\n") -> bytes:
    made = b""
    for name, content in parts:
        head = f'Content-Disposition: form-data; name="{name}"; filename="name.png"'
        made += b"--xYz\r\n" + head.encode() + b"\r\nContent-Type: image/png\r\n\r\n"
        made += content + b"\r\n"
    return made + end


def test_one_picture_several_and_a_task_are_read() -> None:
    one = read_parts(_body(("image", PICTURE)), TYPE, MODALITY, Limits())
    assert one[:3] == ([PICTURE], None, True)
    both = _body(("image", PICTURE), ("task", b"pets"), ("image", b""))
    assert read_parts(both, TYPE, MODALITY, Limits())[:3] == ([PICTURE, b""], "pets", False)
    quoted = 'multipart/form-data; charset=x; boundary="xYz"'
    assert read_parts(_body(("image", PICTURE)), quoted, MODALITY, Limits()) == one


def test_further_answers_are_asked_for_by_numbers() -> None:
    parts = ("image", PICTURE), ("top", b"3"), ("coverage", b"0.9")
    asked = read_parts(_body(*parts), TYPE, MODALITY, Limits())
    assert (asked.top, asked.coverage) == (3, 0.9)
    bare = read_parts(_body(("image", PICTURE)), TYPE, MODALITY, Limits())
    assert (bare.top, bare.coverage) == (None, None)


def test_what_another_program_writes_is_read() -> None:
    httpx = pytest.importorskip("httpx", reason="comes with the tests of the server")
    request = httpx.Request("POST", "http://x/", files=[("image", ("a.png", PICTURE, "image/png"))])
    asked = read_parts(request.read(), request.headers["content-type"], MODALITY, Limits())
    assert asked.inputs == [PICTURE]


@cases(
    "body, content_type, said",
    [
        (_body(("image", b"a")), "multipart/form-data", "expected a boundary"),
        (b"", TYPE, "up to the closing boundary"),
        (b"<html>", TYPE, "up to the closing boundary"),
        (_body(("image", PICTURE))[:-12], TYPE, "up to the closing boundary"),
        (_body(), TYPE, "expected a part named 'image', found none"),
        (_body(("file", b"a")), TYPE, "found 'file'"),
        (_body(("image", b"a"), ("task", b"x"), ("task", b"y")), TYPE, "found 'task'"),
        (_body(("image", b"a"), ("top", b"2"), ("top", b"2")), TYPE, "found 'top'"),
        (_body(("image", b"a"), ("top", b"two")), TYPE, "top: expected a number, found 'two'"),
        (_body(("image", b"a"), ("top", b"\xff\x00")), TYPE, "top: expected a number"),
        (_body(("image", b"a"), ("top", b"1_0")), TYPE, "top: expected a number, found '1_0'"),
        (_body(("image", b"a"), ("top", "\u0663".encode())), TYPE, "top: expected a number"),
        (_body(("image", b"a"), ("top", b" " * 39 + b"5 or")), TYPE, "top: expected a number"),
        (_body(("image", b"a"), ("coverage", b"")), TYPE, "coverage: expected a number, found ''"),
        (b"--xYz\r\nno header\r\n--xYz--\r\n", TYPE, "headers and a blank line"),
        (b"--xYzA\r\nA: b\r\n\r\nc\r\n--xYz--\r\n", TYPE, "headers and a blank line"),
        (b"--xYz\r\nA: b\r\n\r\nc\r\n--xYz--\r\n", TYPE, "a name in each part's"),
        (
            b"--xYz\r\nA: " + b"b" * 5_000 + b"\r\n\r\nc\r\n--xYz--\r\n",
            TYPE,
            "headers and a blank line",
        ),
    ],
)
def test_a_body_that_is_no_such_form_is_refused(body: bytes, content_type: str, said: str) -> None:
    with pytest.raises(UsageError) as refusal:
        read_parts(body, content_type, MODALITY, Limits())
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_more_pictures_than_a_request_may_have_are_refused() -> None:
    limits = replace(Limits(), inputs=2)
    body = _body(*3 * [("image", b"a")])
    with pytest.raises(InputError, match="at most 2 parts 'image'"):
        read_parts(body, TYPE, MODALITY, limits)
