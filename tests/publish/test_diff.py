from __future__ import annotations

from dataclasses import replace

import pytest
from channels import backbone, task
from every import cases

from cfedge.bundle.fileref import FileRef
from cfedge.bundle.files import Bundle, reference
from cfedge.bundle.manifest import Manifest, Task
from cfedge.catalogue.entry import Entry, Measured, TaskAdded
from cfedge.catalogue.erased import erased_files
from cfedge.catalogue.view import view
from cfedge.errors import TaskError
from cfedge.publish.diff import next_clock, removal
from cfedge.publish.draft import Channel, Draft
from cfedge.publish.restate_golden import Restated


def _bundle(*tasks: Task, base: str = "tiny") -> Bundle:
    return Bundle(Manifest(backbone(base)[0], tasks), {})


def _changes(
    bundle: Bundle, log: list[Entry], site: str = "hq", golden: dict[str, FileRef] | None = None
) -> list[Entry]:
    draft = Draft.of_bundle(bundle, Channel("stable", None, log), site)
    return draft.entries(Restated(golden or {}, {}, {}, {}, {}))


RED, BLUE = task("red")[0], task("blue")[0]


def test_the_first_publication_is_the_backbone_and_every_task() -> None:
    made = _changes(_bundle(BLUE, RED), [])
    assert [(one.kind, one.name, one.clock, one.replaces) for one in made] == [
        ("backbone", "tiny", 1, ()),
        ("task", "blue", 1, ()),
        ("task", "red", 1, ()),
    ]


def test_the_same_again_is_nothing() -> None:
    log = _changes(_bundle(BLUE, RED), [])
    assert _changes(_bundle(BLUE, RED), log) == []


@cases(
    "change",
    [
        {"classes": ("c", "d")},
        {"rank": 4},
        {"adapter": reference(b"other")},
        {"signature": reference(b"other")},
    ],
)
def test_a_task_that_answers_otherwise_replaces_the_one_that_stands(
    change: dict[str, object],
) -> None:
    log = _changes(_bundle(RED), [])
    made = _changes(_bundle(replace(RED, **change)), log)  # type: ignore[arg-type]
    assert [(one.kind, one.name, one.clock, one.replaces) for one in made] == [
        ("task", "red", 2, (log[1].digest,))
    ]


@cases(
    "change",
    [
        {"threshold": 31.0},
        {"false_reject_rate": 0.06},
        {"certificate": replace(RED.certificate, errors=3)},
        {"certificate": replace(RED.certificate, rival="blue", rival_errors=1)},
    ],
)
def test_a_task_that_was_measured_anew_costs_a_measurement(change: dict[str, object]) -> None:
    log = _changes(_bundle(RED), [])
    made = _changes(_bundle(replace(RED, **change)), log)  # type: ignore[arg-type]
    assert [(one.kind, one.name, one.replaces) for one in made] == [("measured", "red", ())]
    body = made[0].body
    assert isinstance(body, Measured)
    assert (body.of, body.golden) == (log[1].digest, RED.golden)
    after = view([*log, *made])
    assert after.known(after.tasks["red"]) == replace(RED, **change)  # type: ignore[arg-type]
    assert _changes(_bundle(replace(RED, **change)), [*log, *made]) == []  # type: ignore[arg-type]


def test_a_threshold_that_hardly_moved_and_a_limit_that_follows_are_not_sent() -> None:
    log = _changes(_bundle(RED), [])
    moved = replace(
        RED, threshold=30.2, certificate=replace(RED.certificate, tasks=9, wrong_task_at_most=0.2)
    )
    assert _changes(_bundle(moved), log) == []


def test_other_golden_vectors_are_a_measurement() -> None:
    log = _changes(_bundle(RED), [])
    other = reference(b"golden")
    made = _changes(_bundle(RED), log, golden={"red": other})
    assert [(one.kind, one.files()) for one in made] == [
        ("measured", {"golden of task 'red'": other})
    ]


def test_tasks_that_only_the_channel_has_stay() -> None:
    log = _changes(_bundle(BLUE, RED), [])
    made = _changes(_bundle(RED), log)
    assert made == []
    assert set(view(log).tasks) == {"blue", "red"}


def test_another_backbone_replaces_the_one_that_stands_and_its_tasks_are_new() -> None:
    log = _changes(_bundle(BLUE, RED), [])
    made = _changes(_bundle(RED, base="bigger"), log)
    assert [(one.kind, one.name, one.replaces) for one in made] == [
        ("backbone", "bigger", (log[0].digest,)),
        ("task", "red", (log[2].digest,)),
    ]
    after = view([*log, *made])
    assert set(after.tasks) == {"red"}
    assert [(one.kind, one.task) for one in after.conflicts] == [("backbone", "blue")]


def test_publishing_after_a_meeting_of_two_sites_decides_it() -> None:
    log = _changes(_bundle(RED), [])
    base = backbone()[0].digest
    here = Entry("task", "red", "hq", 2, (log[1].digest,), TaskAdded(task("red", "2")[0], base))
    there = Entry("task", "red", "lab", 2, (log[1].digest,), TaskAdded(task("red", "3")[0], base))
    met = [*log, here, there]
    assert [one.kind for one in view(met).conflicts] == ["concurrent"]
    made = _changes(_bundle(task("red", "3")[0]), met)
    assert [(one.kind, one.replaces) for one in made] == [
        ("task", tuple(sorted((here.digest, there.digest))))
    ]
    assert view([*met, *made]).conflicts == ()


def test_a_task_can_come_back_after_it_was_removed() -> None:
    log = _changes(_bundle(RED), [])
    log.append(removal("red", view(log), erase=False, site="hq", clock=next_clock(log)))
    assert dict(view(log).tasks) == {}
    made = _changes(_bundle(RED), log)
    assert [(one.kind, one.replaces) for one in made] == [("task", (log[-1].digest,))]
    assert set(view([*log, *made]).tasks) == {"red"}


def test_only_a_task_that_stands_can_be_removed() -> None:
    log = _changes(_bundle(BLUE, RED), [])
    with pytest.raises(
        TaskError,
        match=r"task 'green': expected one of the channel's \(blue, red\), found none of that name",
    ):
        removal("green", view(log), erase=False, site="hq", clock=3)
    log.append(removal("red", view(log), erase=False, site="hq", clock=next_clock(log)))
    with pytest.raises(TaskError, match=r"\(blue\), found none"):
        removal("red", view(log), erase=False, site="hq", clock=3)


def test_a_removal_takes_the_place_of_all_that_stands_and_is_above_every_clock() -> None:
    log = _changes(_bundle(RED), [])
    base = backbone()[0].digest
    log.append(Entry("task", "red", "lab", 7, (), TaskAdded(task("red", "3")[0], base)))
    made = removal("red", view(log), erase=True, site="hq", clock=next_clock(log))
    assert made.clock == 8
    assert made.replaces == tuple(sorted((log[1].digest, log[2].digest)))
    assert erased_files([*log, made], "hq") == {
        ref.sha256 for one in log[1:] for ref in one.files().values()
    }
