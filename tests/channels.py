"""Channels of small made-up files, for tests that need no encoder: what is fetched, kept and
merged, not what it answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from cfedge.bundle.files import reference
from cfedge.bundle.manifest import Backbone, Certificate, Slot, Task
from cfedge.calibration import NOTHING_UNKNOWN
from cfedge.catalogue.entry import Body, Entry, Removed, TaskAdded
from cfedge.catalogue.view import view
from cfedge.inputs.text.spec import Text
from cfedge.margins import Margins
from cfedge.publish.appending import appended
from cfedge.publish.keys import Keys
from cfedge.publish.repository import Repository
from cfedge.store import Store
from cfedge.sync.trust import Trust

NOW = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)


def content(name: str, size: int = 200) -> bytes:
    """Bytes that depend on `name` alone."""
    seed = hashlib.sha256(name.encode()).digest()
    return (seed * (size // len(seed) + 1))[:size]


def backbone(name: str = "tiny", size: int = 3000) -> tuple[Backbone, dict[str, bytes]]:
    """A backbone of made-up files, and these by SHA-256."""
    files = {part: content(f"{name}/{part}", size) for part in ("trunk", "tail", "tokenizer")}
    refs = {part: reference(data) for part, data in files.items()}
    record = Backbone(
        name,
        "0" * 64,
        "int8-row",
        6,
        4,
        8,
        (None, 8),
        (8, 8, 8),
        (Slot("l4.qkv", 8, 24),),
        refs["trunk"],
        refs["tail"],
        Text("text", 32, refs["tokenizer"]),
    )
    return record, {refs[part].sha256: data for part, data in files.items()}


def task(
    name: str, version: str = "1", size: int = 200, classes: Collection[str] | None = None
) -> tuple[Task, dict[str, bytes]]:
    """A task of made-up files, and these by SHA-256; another `version` has other files."""
    files = {
        part: content(f"{name}/{version}/{part}", size)
        for part in ("adapter", "signature", "golden")
    }
    refs = {part: reference(data) for part, data in files.items()}
    certificate = Certificate(
        held_out=100,
        errors=2,
        wrong_task_at_most=0.1,
        alpha=0.05,
        tasks=1,
        rival=None,
        rival_errors=0,
        wrong=3,
        wrong_answer_at_most=0.12,
    )
    made = Task(
        name,
        tuple(classes or (f"{name} a", f"{name} b")),
        8,
        30.0,
        0.05,
        NOTHING_UNKNOWN,
        certificate,
        refs["adapter"],
        refs["signature"],
        refs["golden"],
    )
    return made, {refs[part].sha256: data for part, data in files.items()}


@dataclass
class Site:
    """A repository with keys of its own, changed without looking at what its files mean."""

    folder: Path
    name: str = "hq"
    channel: str = "stable"
    now: datetime = NOW
    backbone: str = "tiny"
    keys: Keys = field(init=False)
    repository: Repository = field(init=False)

    def __post_init__(self) -> None:
        self.keys = Keys.create(self.folder / "keys", site=self.name, root_keys=1, root_threshold=1)
        self.repository = Repository.create(self.folder / "repo", self.keys, self.now)
        record, files = backbone(self.backbone)
        self.append("backbone", record.name, record, files)

    @property
    def repo(self) -> Path:
        """The repository's folder."""
        return self.repository.folder

    def entries(self) -> list[Entry]:
        """The channel's log."""
        index = self.repository.index(self.channel)
        return self.repository.entries(index) if index else []

    def teach(
        self,
        name: str,
        version: str = "1",
        *,
        share: float = 1.0,
        size: int = 200,
        classes: Collection[str] | None = None,
    ) -> Entry:
        """Publish a task, in the place of what stands under its name."""
        made, files = task(name, version, size, classes)
        seen = view(self.entries())
        base = seen.backbone.body.digest  # type: ignore[union-attr]
        return self.append(
            "task",
            name,
            TaskAdded(made, base),
            files,
            replaces=seen.standing.get(name, ()),
            share=share,
        )

    def remove(self, name: str, *, erase: bool = False) -> Entry:
        """Publish a tombstone."""
        return self.append(
            "removed", name, Removed(erase), {}, replaces=view(self.entries()).standing[name]
        )

    def append(
        self,
        kind: str,
        name: str,
        body: Body,
        files: dict[str, bytes],
        *,
        replaces: Collection[Entry] = (),
        share: float = 1.0,
    ) -> Entry:
        """Append one entry and sign."""
        before = self.entries()
        clock = max((one.clock for one in before), default=0) + 1
        entry = Entry(
            kind, name, self.name, clock, tuple(sorted(one.digest for one in replaces)), body
        )
        index, blocks = appended(
            self.repository.index(self.channel),
            self.channel,
            before,
            [entry],
            site=self.name,
            margins=Margins(1.0, 0.5),
            now=self.now,
            share=share,
        )
        self.repository.commit(self.keys, index, {**files, **blocks}, self.now)
        return entry

    def store(self, folder: Path) -> Store:
        """A new, empty store that trusts this site."""
        made = Store.create(folder, self.channel)
        Trust.begin(folder / "trust", (self.repo / "metadata" / "1.root.json").read_bytes())
        return made


def no_probe(store: Store, generation: int, new: Collection[str]) -> None:
    """Take every generation for good: its files are made up."""


def renamed(made: Task, name: str) -> Task:
    """The same task under another name."""
    return replace(made, name=name)
