"""Another site that would have one's own tasks: by entries that take their place, their labels,
their threshold or their files. Nothing is signed before somebody asked for it by name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from bounded import bounded
from channels import NOW, Site, no_probe, task
from here import merge

from cfedge.catalogue.entry import Entry, Measured, Removed, TaskAdded
from cfedge.catalogue.view import view
from cfedge.errors import DamagedError, SchemaError, TamperedError, TaskError
from cfedge.publish.appending import appended
from cfedge.publish.diff import next_clock
from cfedge.publish.handover import handovers
from cfedge.publish.merge import Merged
from cfedge.store import Store
from cfedge.sync.client import sync
from cfedge.sync.transport import Folder


@pytest.fixture
def hq(tmp_path: Path) -> Site:
    """The site under attack, with two tasks."""
    site = Site(tmp_path / "hq", "hq")
    site.teach("lights")
    site.teach("heating")
    return site


@pytest.fixture
def lab(tmp_path: Path, hq: Site) -> Site:
    """A site that knows all that hq published, and may add anything to it."""
    site = Site(tmp_path / "lab", "lab")
    add(site, [entry for entry in hq.entries() if entry.kind == "task"], hq)
    return site


def add(site: Site, entries: Sequence[Entry], files_of: Site | None = None) -> None:
    """Have any entries signed by a site."""
    repository = site.repository
    index, before = repository.index(site.channel), site.entries()
    assert index is not None
    after, blocks = appended(
        index, site.channel, before, entries, site=site.name, margins=index.margins, now=NOW
    )
    files = {
        ref.sha256: files_of.repository.object(ref)
        for entry in entries
        for ref in entry.files().values()
        if files_of is not None
    }
    repository.commit(site.keys, after, {**files, **blocks}, NOW)


def merged(here: Site, there: Site, accept: Sequence[str] = ()) -> Merged:
    return merge(
        here.repo,
        here.keys,
        Folder(there.repo),
        there.repository.root(),
        accept=accept,
        now=NOW,
        wait=lambda seconds: None,
    )


def entry(
    site: Site,
    body: TaskAdded | Removed | Measured,
    replaces: Sequence[Entry] = (),
    *,
    name: str = "lights",
    by: str = "lab",
    clock: int | None = None,
) -> Entry:
    kind = {TaskAdded: "task", Removed: "removed", Measured: "measured"}[type(body)]
    digests = tuple(sorted(one.digest for one in replaces))
    return Entry(kind, name, by, clock or next_clock(site.entries()), digests, body)


def standing(site: Site, name: str = "lights") -> Entry:
    return view(site.entries()).tasks[name]


def other_task(site: Site, **change: object) -> TaskAdded:
    made = dataclasses.replace(task("lights", "theirs")[0], **change)  # type: ignore[arg-type]
    base = view(site.entries()).backbone
    assert base is not None
    return TaskAdded(made, base.body.digest)  # type: ignore[union-attr]


def measured(site: Site) -> Entry:
    old = standing(site)
    known = view(site.entries()).known(old)
    body = Measured(
        old.digest,
        known.certificate,
        1e-6,
        known.false_reject_rate,
        known.calibration,
        known.golden,
    )
    return entry(site, body)


ATTACKS: dict[str, tuple[Callable[[Site], Entry], str]] = {
    "replaced": (
        lambda site: entry(site, other_task(site), [standing(site)]),
        "task 'lights': replaced by site 'lab'",
    ),
    "replaced at once": (
        lambda site: entry(site, other_task(site)),
        "task 'lights': replaced by site 'lab'",
    ),
    "labels exchanged": (
        lambda site: entry(
            site, other_task(site, classes=("lights b", "lights a")), [standing(site)]
        ),
        "task 'lights': replaced by site 'lab', its labels in another order",
    ),
    "relabelled": (
        lambda site: entry(site, other_task(site, classes=("on", "lights b")), [standing(site)]),
        r"task 'lights': replaced by site 'lab', relabelled \(without lights a; with on\)",
    ),
    "erased": (
        lambda site: entry(site, Removed(erase=True), [standing(site)]),
        "task 'lights': erased by site 'lab'",
    ),
    "withdrawn": (
        lambda site: entry(site, Removed(erase=False), [standing(site)]),
        "task 'lights': withdrawn by site 'lab'",
    ),
    "measured anew": (
        measured,
        "task 'lights': its threshold would go from 30 to 1e-06, measured by somebody else",
    ),
    "a third site's": (
        lambda site: entry(site, other_task(site), [standing(site)], by="north"),
        "task 'lights': replaced by site 'north'",
    ),
    "in hq's name": (
        lambda site: entry(site, other_task(site), [standing(site)], by="hq"),
        "task 'lights': a task entry in the name of this site, which does not know it",
    ),
    "a new task in hq's name": (
        lambda site: entry(
            site, other_task(site, name="new", classes=("x", "y")), name="new", by="hq"
        ),
        "task 'new': a task entry in the name of this site, which does not know it",
    ),
    "a new task whose label would count as hq's": (
        lambda site: entry(
            site,
            other_task(site, name="new", classes=("x", "y"), same_labels={"x": "lights a"}),
            name="new",
        ),
        "task 'lights': its label 'lights a' would count as one of task 'new'",
    ),
    "history erased in hq's name": (
        lambda site: entry(site, Removed(erase=True), [standing(site)], name="past", by="hq"),
        "task 'past': a removed entry in the name of this site",
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_no_merge_hands_a_task_over_that_nobody_asked_for(name: str, hq: Site, lab: Site) -> None:
    attack, what = ATTACKS[name]
    add(lab, [attack(lab)])
    before = {path: path.read_bytes() for path in hq.repo.rglob("*") if path.is_file()}
    with bounded(), pytest.raises(TaskError, match=f"could not merge.*{what}.*nothing was changed"):
        merged(hq, lab)
    with bounded(), pytest.raises(TaskError, match=what):
        merged(hq, lab, ["heating"])
    assert {path: path.read_bytes() for path in hq.repo.rglob("*") if path.is_file()} == before


def test_a_task_that_looks_like_another_is_merged_by_no_flag(hq: Site, lab: Site) -> None:
    body = other_task(lab, name="Li\u200cghts", classes=("x", "y"))
    add(lab, [entry(lab, body, name="Li\u200cghts")])
    with bounded(), pytest.raises(SchemaError, match=r"tasks of channel .stable.: .* look alike"):
        merged(hq, lab, ["*"])


def test_every_task_that_would_change_is_named_at_once(hq: Site, lab: Site) -> None:
    for name in ("lights", "heating"):
        old = standing(lab, name)
        add(lab, [entry(lab, Removed(erase=True), [old], name=name)])
    with pytest.raises(TaskError, match=r"'heating': erased.*'lights': erased") as caught:
        merged(hq, lab)
    assert "--accept 'heating' --accept 'lights'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_site_may_change_what_it_published_itself(hq: Site, lab: Site) -> None:
    lab.teach("blinds")
    with_blinds = view([*hq.entries(), *lab.entries()])
    lab.teach("blinds", "2")
    new = [one for one in lab.entries() if one.digest not in {e.digest for e in hq.entries()}]
    after = view([*hq.entries(), *new])
    assert handovers(with_blinds, after, new, "hq") == ()
    lab.remove("blinds", erase=True)
    assert handovers(with_blinds, view([*hq.entries(), *lab.entries()]), new, "hq") == ()


@pytest.mark.parametrize("count", [2000])
def test_a_log_of_many_entries_of_one_name_is_put_together_in_no_time(
    count: int, hq: Site, lab: Site
) -> None:
    clock, one = next_clock(lab.entries()), other_task(lab)
    tasks = (dataclasses.replace(one.task, threshold=1.0 + number) for number in range(count))
    many = [
        entry(lab, dataclasses.replace(one, task=task), by=f"s{number}", clock=clock)
        for number, task in enumerate(tasks)
    ]
    add(lab, many)
    with bounded(), pytest.raises(TaskError, match="replaced by site 's") as caught:
        merged(hq, lab)
    assert len(str(caught.value)) < 2000


# Files


def test_what_another_site_erased_stays_for_a_device_that_goes_back(
    hq: Site, tmp_path: Path
) -> None:
    store = hq.store(tmp_path / "store")
    sync(store, Folder(hq.repo), now=lambda: NOW, probing=no_probe)
    store.boot_attempts.passed(1)
    old = standing(hq)
    add(hq, [entry(hq, Removed(erase=True), [old], by="lab")])  # adopted from there
    done = sync(store, Folder(hq.repo), now=lambda: NOW, probing=no_probe)
    assert done.removed == ("lights",)
    assert names(store, 1) == ["heating", "lights"]
    store.rollback()
    assert store.bundle(1).manifest.tasks[1].name == "lights"


def test_what_its_own_site_erased_is_gone_from_a_device(hq: Site, tmp_path: Path) -> None:
    store = hq.store(tmp_path / "store")
    sync(store, Folder(hq.repo), now=lambda: NOW, probing=no_probe)
    store.boot_attempts.passed(1)
    add(hq, [entry(hq, Removed(erase=True), [standing(hq)], by="hq")])
    sync(store, Folder(hq.repo), now=lambda: NOW, probing=no_probe)
    with pytest.raises(DamagedError):
        store.rollback(1)


def names(store: Store, generation: int) -> list[str]:
    return [task.name for task in store.manifest(generation).tasks]


# Numbers


def test_a_site_with_more_files_than_memory_is_refused_before_any_is_fetched(
    hq: Site, lab: Site
) -> None:
    made = other_task(lab, name="wide", classes=("x", "y"))
    size = 400 << 20
    wide = [
        entry(
            lab,
            dataclasses.replace(
                made,
                task=dataclasses.replace(
                    made.task,
                    name=f"wide {number}",
                    classes=(f"x {number}", f"y {number}"),
                    adapter=dataclasses.replace(
                        made.task.adapter, sha256=f"{number:064x}", size=size
                    ),
                ),
            ),
            name=f"wide {number}",
        )
        for number in range(3)
    ]
    add(lab, wide)
    with (
        bounded(),
        pytest.raises(TamperedError, match="expected at most 1073741824 bytes of files"),
    ):
        merged(hq, lab)


def test_a_clock_ahead_of_any_history_is_refused(hq: Site, lab: Site) -> None:
    add(lab, [entry(lab, other_task(lab), [standing(lab)], clock=2**50)])
    with bounded(), pytest.raises(TamperedError, match="expected clocks of at most"):
        merged(hq, lab, ["*"])


def test_an_index_dated_ahead_does_not_reach_this_channel(hq: Site, lab: Site) -> None:
    lab.now = NOW + timedelta(days=400)
    lab.teach("blinds")
    index = hq.repository.index("stable")
    assert index is not None
    assert index.time <= NOW
