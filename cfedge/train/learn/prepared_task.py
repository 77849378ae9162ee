"""What learning a task begins and ends with, whichever way it is learned: checked examples,
features, evidence; the record.

NumPy and ONNX Runtime alone: a task can be added where there is no torch
(`cfedge.train.learn.head`).

Longer than other files: what is prepared and what is stored of it are the same fields.

Letters: N examples, D width, C classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.manifest import Backbone
from cfedge.inputs.modality import Input
from cfedge.lookup import Features, Slices
from cfedge.progress import Progress, Quiet
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.backbone import Encoded
from cfedge.runtime.encoder import Encoder
from cfedge.train.examples.draw import drawn
from cfedge.train.examples.examples import (
    Examples,
    check_labels,
    repeated,
    split_held_out,
    unambiguous,
)
from cfedge.train.examples.near import near_learned
from cfedge.train.examples.reading import Reading, reading
from cfedge.train.features.curve import curve
from cfedge.train.features.feature_cache import (
    adapted_features,
    cached_features,
    empty_cache,
    encoded,
)
from cfedge.train.features.statistics import TaskStatistics
from cfedge.train.learn.closed_part import no_head
from cfedge.train.learn.finished_head import finished, judged_scores
from cfedge.train.learn.mirror import mirrored_states
from cfedge.train.measures.early_exit import no_exit
from cfedge.train.measures.trial import Trial
from cfedge.train.settings import Settings
from cfedge.train.workspace.backbone_source import BackboneSource
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.learned_task import HeldOut, LearnedTask, TaskRecord

__all__ = ["PreparedTask", "prepare_task", "store"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class PreparedTask:
    """A task ready to be learned.

    Attributes
    ----------
    inputs, keys
        The examples, and what no split may cut through
        (`cfedge.train.examples.examples.Examples.units`).
    alike
        What equal inputs have in common, of each example (`Examples.keys`).
    targets
        int64 [N], positions in `classes`.
    hidden
        float32 [...] of each example, from the shipped trunk; empty where none are needed, as no
        adapter is trained. So are those of the held-out examples.
    features
        Of the examples, behind trunk and tail.
    evidence
        Inputs, classes and features of the held-out examples.
    encoder, held_out_hidden
        What the adapted tail is run on, once learned, to know the held-out examples' scores.
    repeated
        Held-out inputs that are, by their keys, also learned from.
    reading
        What of all inputs the encoder cannot read.
    backbone
        That it is learned on.
    mirrored
        As `hidden`, of the examples in a mirror, where an adapter is trained on these too.
    threads
        So many inputs are at once in the encoder.
    """

    name: str
    classes: tuple[str, ...]
    inputs: tuple[Input, ...]
    keys: tuple[str, ...]
    alike: tuple[str, ...]
    targets: NDArray[np.int64]
    hidden: list[Floats]
    features: Features
    evidence: HeldOut
    encoder: Encoder
    held_out_hidden: list[Floats]
    repeated: int
    reading: Reading
    backbone: Backbone
    mirrored: list[Floats]
    threads: int

    def part(self, rows: Sequence[int], aside: Sequence[int]) -> PreparedTask:
        """Return the same task learned from the examples `rows` alone, with those `aside` as its
        evidence.
        """
        inputs = self.inputs
        evidence = HeldOut(
            tuple(inputs[row] for row in aside),
            self.targets[list(aside)],
            Features(*(views[list(aside)] for views in self.features)),
            np.zeros(len(aside), np.int64),
            np.zeros(len(aside), np.float32),
            np.zeros(len(aside), np.float32),
        )
        return dataclasses.replace(
            self,
            inputs=tuple(inputs[row] for row in rows),
            keys=tuple(self.keys[row] for row in rows),
            alike=tuple(self.alike[row] for row in rows),
            targets=self.targets[list(rows)],
            hidden=[self.hidden[row] for row in rows] if self.hidden else [],
            features=Features(*(views[list(rows)] for views in self.features)),
            evidence=evidence,
            held_out_hidden=[self.hidden[row] for row in aside] if self.hidden else [],
            mirrored=[self.mirrored[row] for row in rows] if self.mirrored else [],
        )

    def right(self, adapter: Mapping[str, Floats]) -> NDArray[np.bool_]:
        """Return which of the held-out examples slots and head answer right, without early
        exits.
        """
        behind, statistics = self._behind(adapter)
        scores = sum(judged_scores(adapter, statistics, self.evidence, behind))
        right: NDArray[np.bool_] = np.asarray(scores).argmax(axis=1) == self.evidence.classes
        return right

    def learned(
        self,
        workspace: BackboneSource,
        adapter: Mapping[str, Floats],
        *,
        settings: Settings,
        packages: Sequence[str],
        transfer: Mapping[str, float] | None = None,
        kept_energy: float = 1.0,
        trial: Trial | None = None,
    ) -> LearnedTask:
        """Return the task as the workspace keeps it; `adapter` is slots and head, and `settings`
        say the method that was decided on.
        """
        record = TaskRecord(
            name=self.name,
            classes=self.classes,
            examples=len(self.targets),
            base=workspace.backbone.digest,
            settings=settings,
            versions={package: version(package) for package in packages},
            transfer=dict(transfer or {}),
            kept_energy=kept_energy,
            repeated=self.repeated,
            reading=self.reading,
            trial=trial,
            curve=curve(
                self.features.tail,
                self.targets,
                self.evidence.features.tail,
                self.evidence.classes,
                np.random.default_rng(settings.seed),
            ),
        )
        behind, statistics = self._behind(adapter)
        exit_share = settings.exit_share
        made, held_out = finished(adapter, statistics, self.evidence, behind, exit_share)
        return LearnedTask.made(record, made, statistics, held_out)

    def _behind(self, adapter: Mapping[str, Floats]) -> tuple[Floats, TaskStatistics]:
        """Return the held-out examples' features behind the adapted tail, and the statistics of the
        others.
        """
        behind = self._adapted(self.held_out_hidden, adapter, self.evidence.features)
        return behind, self.statistics(self._adapted(self.hidden, adapter, self.features))

    def statistics(self, adapted: Floats) -> TaskStatistics:
        """Summarise the examples, with the features that the head reads behind the tail."""
        slices = Slices.of(self.backbone.views, self.backbone.frozen_views)
        width = self.backbone.lookup_width
        return TaskStatistics.of(self.features, adapted, self.targets, width, self.alike, slices)

    def _adapted(
        self, hidden: Sequence[Floats], adapter: Mapping[str, Floats], frozen: Features
    ) -> Floats:
        """Return features behind the tail with an adapter; where that changes nothing they are those
        behind the frozen tail, and no hidden states are needed.
        """
        whole = Adapter.from_arrays({**no_head(adapter), **no_exit()})
        if whole.changes_nothing:
            return frozen.tail
        rows = [states[None] for states in hidden]
        encoded = Encoded([False] * len(rows), rows, list(frozen.trunk))
        return adapted_features(self.encoder, encoded, whole, threads=self.threads)


def store(workspace: WorkspaceFolder, task: LearnedTask, *, replace: bool) -> None:
    """Add a learned task to the workspace, and empty its cache."""
    workspace.put(task, replace=replace)
    empty_cache(workspace.cache)


def prepare_task(
    workspace: BackboneSource,
    name: str,
    examples: Examples,
    held_out: Examples | None,
    *,
    settings: Settings,
    threads: int,
    hidden: bool,
    progress: Progress,
) -> PreparedTask:
    """Split where no held-out examples are given, check the labels, and encode everything once. An
    input of several labels is no evidence, whoever held it out.

    Parameters
    ----------
    settings
        The share of each class that is held out where none are given, how many examples are learned
        from at most, and the seed of both.
    threads
        So many inputs are encoded at once.
    hidden
        An adapter is to be trained, so hidden states are kept.
    """
    examples, held_out = _apart(examples, held_out, settings)
    classes, encoder = examples.classes, workspace.encoder()
    digest, cache = workspace.backbone.digest, workspace.cache
    states, features = cached_features(
        encoder, digest, cache, examples, progress, threads=threads, hidden=hidden
    )
    held_states, features_held_out = encoded(
        encoder, held_out.inputs, Quiet(), threads=threads, hidden=hidden
    )
    read = _read(encoder, examples, held_out, (features.trunk, features_held_out.trunk))
    held_out = held_out.take(kept := unambiguous(examples, held_out))
    read = dataclasses.replace(read, near=len(near_learned(examples, held_out)))
    features_held_out = Features(*(part[kept] for part in features_held_out))
    targets, mirrored = _targets(examples, classes), list[Floats]()
    if hidden:
        mirrored = mirrored_states(
            encoder, digest, cache, examples, features, targets, settings, threads, progress
        )
    return PreparedTask(
        name,
        classes,
        examples.inputs,
        examples.units,
        examples.keys,
        targets,
        states,
        features,
        _unanswered(held_out, _targets(held_out, classes), features_held_out),
        encoder,
        [held_states[row] for row in kept] if hidden else [],
        len(repeated(examples, held_out)),
        read,
        workspace.backbone,
        mirrored,
        threads,
    )


def _apart(
    examples: Examples, held_out: Examples | None, settings: Settings
) -> tuple[Examples, Examples]:
    """Return the examples to learn from and those to be judged by."""
    rng = np.random.default_rng(settings.seed)
    if held_out is None:
        examples, held_out = split_held_out(examples, settings.held_out, rng)
    examples = drawn(examples, settings.most_examples, rng)
    check_labels(held_out, examples.classes)
    return examples, held_out


def _read(
    encoder: Encoder, examples: Examples, held_out: Examples, trunk: tuple[Floats, Floats]
) -> Reading:
    """What the encoder cannot read of both; `trunk`: their features."""
    return reading(
        encoder.modality,
        (*examples.inputs, *held_out.inputs),
        (*examples.keys, *held_out.keys),
        (*examples.labels, *held_out.labels),
        np.concatenate(trunk),
    )


def _unanswered(held_out: Examples, targets: NDArray[np.int64], features: Features) -> HeldOut:
    """Return held-out evidence before anything was answered."""
    count = len(held_out)
    answers, scores = np.zeros(count, np.int64), np.zeros(count, np.float32)
    return HeldOut(held_out.inputs, targets, features, answers, scores, scores.copy())


def _targets(examples: Examples, classes: Sequence[str]) -> NDArray[np.int64]:
    position = {label: index for index, label in enumerate(classes)}
    return np.array([position[label] for label in examples.labels], np.int64)
