"""The manifest has one byte form; anything else is refused with `SchemaError`, in one line that names the thing."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import sys
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from cfedge.bundle.manifest import (
    LIMITS,
    SCHEMA,
    Backbone,
    Certificate,
    FileRef,
    Manifest,
    Slot,
    Task,
    canonical_json,
    parse,
    serialize,
)
from cfedge.errors import SchemaError

PATH = tuple[str | int, ...]
ABSENT = object()


def ref(digit: str) -> FileRef:
    return FileRef(digit * 64, 5)


def task(name: str, classes: tuple[str, ...]) -> Task:
    certificate = Certificate(held_out=12, errors=1, limit=0.34, alpha=0.05, tasks=2, rival=None, rival_errors=0)
    return Task(name, classes, 8, 2.5, 0.05, certificate, ref("1"), ref("2"), ref("3"))


SMALL = Manifest(
    backbone=Backbone(
        name="tiny", source_sha256="0" * 64, scheme="int8", blocks=3, split=2, width=4, max_tokens=16,
        slots=(Slot("l2.qkv", 4, 12), Slot("l2.o", 4, 4)), trunk=ref("a"), tail=ref("b"), tokenizer=ref("c"),
    ),
    tasks=(task("lights", ("on", "off")), task("doors", ("open", "zu\u00df"))),
    versions={"numpy": "2.0.0"},
)  # fmt: skip

#: `SMALL` as format 1 writes it. It must never change: a device in the field reads it.
GOLDEN = (
    '{"backbone":{"blocks":3,"max_tokens":16,"name":"tiny","scheme":"int8","slots":[{"columns":12,"name":"l2.qkv","rows":4},'
    '{"columns":4,"name":"l2.o","rows":4}],"source_sha256":"0000000000000000000000000000000000000000000000000000000000000000",'
    '"split":2,"tail":{"sha256":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","size":5},'
    '"tokenizer":{"sha256":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","size":5},'
    '"trunk":{"sha256":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size":5},"width":4},'
    '"head_scale":8.0,"lookup":"class-clusters","schema":1,'
    '"sha256":"@",'
    '"tasks":[{"adapter":{"sha256":"1111111111111111111111111111111111111111111111111111111111111111","size":5},'
    '"certificate":{"alpha":0.05,"errors":1,"held_out":12,"limit":0.34,"rival":null,"rival_errors":0,"tasks":2},'
    '"classes":["on","off"],"false_reject_rate":0.05,'
    '"golden":{"sha256":"3333333333333333333333333333333333333333333333333333333333333333","size":5},"name":"lights","rank":8,'
    '"signature":{"sha256":"2222222222222222222222222222222222222222222222222222222222222222","size":5},"threshold":2.5},'
    '{"adapter":{"sha256":"1111111111111111111111111111111111111111111111111111111111111111","size":5},'
    '"certificate":{"alpha":0.05,"errors":1,"held_out":12,"limit":0.34,"rival":null,"rival_errors":0,"tasks":2},'
    '"classes":["open","zu\u00df"],"false_reject_rate":0.05,'
    '"golden":{"sha256":"3333333333333333333333333333333333333333333333333333333333333333","size":5},"name":"doors","rank":8,'
    '"signature":{"sha256":"2222222222222222222222222222222222222222222222222222222222222222","size":5},"threshold":2.5}],'
    '"versions":{"numpy":"2.0.0"}}'
)
