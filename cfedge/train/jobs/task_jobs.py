"""The jobs of learning tasks on one workspace's backbone: their digests, and the bytes behind them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from cfedge.bundle.canonical import canonical_json
from cfedge.errors import CfedgeError
from cfedge.train.examples.examples import LabelledData
from cfedge.train.jobs.job import Job, digest_of_bytes
from cfedge.train.jobs.labelled import dumped_examples
from cfedge.train.jobs.running import Order, Shared
from cfedge.train.jobs.versions import versions_here
from cfedge.train.settings import Settings
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.index import file_name

__all__ = ["TaskJobs"]


class TaskJobs:
    """The jobs of tasks on one workspace's backbone."""

    def __init__(
        self,
        workspace: WorkspaceFolder,
        tasks: Mapping[str, LabelledData],
        settings: Mapping[str, Settings],
    ) -> None:
        self.workspace, self.tasks, self.settings = workspace, tasks, settings
        self._known: dict[str, Job] = {}
        self._record = canonical_json(dataclasses.asdict(workspace.backbone))
        roles = sorted(map(file_name, workspace.backbone.files()))
        self._files = {False: (*roles,), True: (*roles, "train_tail.onnx")}
        self._versions = {
            torch: versions_here(workspace.kind, torch=torch)
            for torch in {one.method != "closed-form" for one in settings.values()}
        }

    def unread(self) -> dict[str, CfedgeError]:
        """Return what cannot be sent, by task: a file that is gone."""
        failed: dict[str, CfedgeError] = {}
        for name in self.tasks:
            try:
                self._known[name] = self._job(name, self._own(name))
            except CfedgeError as error:
                failed[name] = error
        return failed

    def shared(self) -> Shared:
        """What every job reads: the backbone's record and files."""
        read: dict[str, Callable[[], bytes]] = {digest_of_bytes(self._record): lambda: self._record}
        hints = {}
        for name in self._files[True]:
            sha256 = self.workspace.backbone_digest(name)
            read[sha256] = partial(self.workspace.backbone_file, name)
            hints[sha256] = str(self.workspace.folder.resolve() / "backbone" / name)
        return Shared(read, hints)

    def order(self, name: str) -> Order:
        """Return a task's job and its examples."""
        own = self._own(name)
        return Order(self._job(name, own), {digest_of_bytes(data): data for data in own.values()})

    def job(self, name: str) -> Job:
        """Return a task's job, as it was when `unread` looked."""
        return self._known[name]

    def _own(self, name: str) -> dict[str, bytes]:
        data = self.tasks[name]
        own = {"train": dumped_examples(data.train)}
        if data.held_out is not None:
            own["held_out"] = dumped_examples(data.held_out)
        return own

    def _job(self, name: str, own: Mapping[str, bytes]) -> Job:
        settings = self.settings[name]
        adapter = settings.method != "closed-form"
        contents = {role: digest_of_bytes(data) for role, data in own.items()}
        contents["backbone"] = digest_of_bytes(self._record)
        for file in self._files[adapter]:
            contents[f"backbone/{file}"] = self.workspace.backbone_digest(file)
        arguments: dict[str, Any] = {
            "inputs": self.workspace.kind,
            "settings": dataclasses.asdict(settings),
        }
        return Job("learn", name, arguments, contents, self._versions[adapter])
