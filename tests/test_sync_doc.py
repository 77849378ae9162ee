"""docs/sync.md says what the code does: its test vectors are read by it."""

from __future__ import annotations

from pathlib import Path

from cfedge.catalogue.entry import parse_entry
from cfedge.catalogue.index import parse_index
from cfedge.catalogue.log import cut

PAGE = (Path(__file__).parent.parent / "docs" / "sync.md").read_text("utf-8")


def test_the_test_vectors_of_the_specification_are_what_the_code_reads_and_writes() -> None:
    *lines, index = PAGE.partition("**Test vectors**")[2].split("```")[1].strip().splitlines()
    entries = [parse_entry(line.encode()) for line in lines[::2]]
    assert [entry.kind for entry in entries] == ["backbone", "task", "removed"]
    assert [entry.digest for entry in entries] == lines[1::2]
    assert parse_index(index.encode(), "stable").blocks == cut([entry.line for entry in entries])[0]
