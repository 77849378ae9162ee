"""What entries add up to: the same in any order, and nothing is lost: it runs, somebody replaced
it, or it is reported.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import cast

import pytest
from channels import backbone, content, task
from every import cases
from hypothesis import given
from hypothesis import strategies as st

from cfedge.bundle.files import reference
from cfedge.bundle.manifest import Backbone, Task
from cfedge.calibration import NOTHING_UNKNOWN
from cfedge.catalogue.entry import Body, Entry, Measured, Removed, TaskAdded
from cfedge.catalogue.erased import erased_files
from cfedge.catalogue.index import Index
from cfedge.catalogue.view import View, manifest_of, view
from cfedge.confidence import upper_bound
from cfedge.errors import TaskError
from cfedge.margins import Margins

INDEX = Index("stable", "hq", "2026-06-01T12:00:00Z", Margins(1.0, 0.5), (), None)
TINY, OTHER = (backbone(name)[0] for name in ("tiny", "other"))


@cache
def made(name: str, version: str = "1", classes: tuple[str, ...] | None = None) -> Task:
    return task(name, version, classes=classes)[0]


@dataclass
class Site:
    """A site in memory: what it knows, and what it does with that."""

    name: str
    known: dict[str, Entry] = field(default_factory=dict)

    @property
    def view(self) -> View:
        return view(self.known.values())

    @property
    def erased(self) -> frozenset[str]:
        return erased_files(self.known.values(), self.name)

    def append(self, kind: str, name: str, body: Body, replaces: Iterable[Entry] = ()) -> Entry:
        clock = max((one.clock for one in self.known.values()), default=0) + 1
        entry = Entry(
            kind, name, self.name, clock, tuple(sorted({one.digest for one in replaces})), body
        )
        self.known[entry.digest] = entry
        return entry

    def begin(self, record: Backbone = TINY) -> Entry:
        before = self.view.backbone
        return self.append("backbone", record.name, record, [before] if before else [])

    def teach(
        self,
        name: str,
        version: str = "1",
        classes: tuple[str, ...] | None = None,
        base: Backbone = TINY,
    ) -> Entry:
        return self.append(
            "task",
            name,
            TaskAdded(made(name, version, classes), base.digest),
            self.view.standing.get(name, ()),
        )

    def remove(self, name: str, *, erase: bool = False) -> Entry:
        return self.append("removed", name, Removed(erase), self.view.standing[name])

    def measure(self, name: str, golden: str, errors: int = 3) -> Entry:
        entry = self.view.tasks[name]
        certificate = replace(made(name).certificate, errors=errors)
        return self.append(
            "measured",
            name,
            Measured(
                entry.digest,
                certificate,
                20.0 + errors,
                0.06,
                NOTHING_UNKNOWN,
                reference(content(golden)),
            ),
        )

    def merge(self, other: Site) -> None:
        self.known |= {
            digest: entry for digest, entry in other.known.items() if digest not in self.known
        }


def sites(*names: str) -> list[Site]:
    """Sites that begin with the same backbone and the task cards."""
    first = Site(names[0])
    first.begin()
    first.teach("cards")
    return [first, *(Site(name, dict(first.known)) for name in names[1:])]


def kinds(seen: View) -> list[tuple[str, str]]:
    return [(one.kind, one.task) for one in seen.conflicts]


# One site


def test_nothing_adds_up_to_nothing() -> None:
    assert view([]) == View(None, {}, {}, {}, ())


def test_an_update_takes_the_place_of_what_its_site_knew_and_is_no_conflict() -> None:
    (hq,) = sites("hq")
    second = hq.teach("cards", "2")
    assert hq.view.tasks == {"cards": second}
    assert hq.view.standing == {"cards": (second,)}
    assert hq.view.conflicts == ()


def test_a_removed_task_is_gone_and_comes_back_when_it_is_taught_again() -> None:
    (hq,) = sites("hq")
    tombstone = hq.remove("cards")
    assert hq.view.tasks == {}
    assert hq.view.standing == {"cards": (tombstone,)}
    assert hq.erased == frozenset()
    again = hq.teach("cards", "2")
    assert hq.view.tasks == {"cards": again}
    assert hq.view.conflicts == ()


def test_what_was_measured_last_counts_whichever_way_it_came() -> None:
    hq, lab = sites("hq", "lab")
    entry = hq.view.tasks["cards"]
    hq.measure("cards", "one", errors=1)
    lab.measure("cards", "two", errors=2)
    hq.merge(lab)
    assert hq.view.known(entry).certificate.errors == 2  # the same clock: the greater name
    hq.measure("cards", "three", errors=3)
    lab.merge(hq)
    for seen in (hq.view, lab.view):
        known = seen.known(entry)
        assert (known.certificate.errors, known.threshold, known.false_reject_rate) == (
            3,
            23.0,
            0.06,
        )
        assert known.golden == reference(content("three"))
        assert (known.adapter, known.signature) == (made("cards").adapter, made("cards").signature)


def test_what_was_measured_of_an_older_version_does_not_count_for_the_newer() -> None:
    (hq,) = sites("hq")
    hq.measure("cards", "one")
    newer = hq.teach("cards", "2")
    assert hq.view.known(newer) == made("cards", "2")


def test_a_newer_backbone_lets_the_tasks_of_the_older_wait_until_they_are_learned_again() -> None:
    (hq,) = sites("hq")
    hq.begin(OTHER)
    assert hq.view.tasks == {}
    assert kinds(hq.view) == [("backbone", "cards")]
    assert (
        f"learned on backbone {TINY.digest[:12]}, the channel has {OTHER.digest[:12]}"
        in hq.view.conflicts[0].message
    )
    hq.teach("cards", "2", base=OTHER)
    assert list(hq.view.tasks) == ["cards"]
    assert hq.view.conflicts == ()


def test_a_task_without_a_backbone_waits() -> None:
    hq = Site("hq")
    hq.teach("cards")
    assert hq.view.tasks == {}
    assert kinds(hq.view) == [("backbone", "cards")]


# Several sites


def test_of_two_updates_at_once_the_greatest_runs_and_the_other_is_kept_and_reported() -> None:
    hq, lab = sites("hq", "lab")
    ours, theirs = hq.teach("cards", "2"), lab.teach("cards", "3")
    hq.merge(lab)
    assert hq.view.tasks == {"cards": theirs}
    assert hq.view.standing == {"cards": (ours, theirs)}
    assert kinds(hq.view) == [("concurrent", "cards")]
    assert hq.view.conflicts[0].message.startswith(
        "task 'cards': updated at once at hq and lab; lab's runs, nothing is lost"
    )


def test_a_conflict_is_settled_by_publishing_again() -> None:
    hq, lab = sites("hq", "lab")
    hq.teach("cards", "2"), lab.teach("cards", "3")
    hq.merge(lab)
    settled = hq.teach("cards", "2")
    lab.merge(hq)
    assert hq.view == lab.view
    assert lab.view.tasks == {"cards": settled}
    assert lab.view.conflicts == ()


def test_an_update_beside_a_removal_runs_and_is_reported() -> None:
    hq, lab = sites("hq", "lab")
    hq.remove("cards")
    update = lab.teach("cards", "2")
    hq.merge(lab)
    assert hq.view.tasks == {"cards": update}
    assert kinds(hq.view) == [("removed", "cards")]
    assert "removed at hq while lab updated it" in hq.view.conflicts[0].message


def test_two_tasks_that_share_a_label_both_run() -> None:
    hq, lab = sites("hq", "lab")
    first = hq.teach("music", classes=("play", "stop"))
    second = lab.teach("films", classes=("play", "pause"))
    hq.merge(lab)
    assert hq.view.tasks["music"] == first
    assert hq.view.tasks["films"] == second
    assert kinds(hq.view) == []


# Erasing


def files(*entries: Entry) -> set[str]:
    return {ref.sha256 for entry in entries for ref in entry.files().values()}


def test_erasing_names_every_file_that_the_task_ever_had() -> None:
    (hq,) = sites("hq")
    first = hq.view.tasks["cards"]
    measured = hq.measure("cards", "measured anew")
    second = hq.teach("cards", "2")
    hq.teach("music")
    hq.remove("cards", erase=True)
    assert hq.erased == files(first, measured, second)


def test_removing_without_erasing_keeps_the_files() -> None:
    (hq,) = sites("hq")
    hq.remove("cards")
    assert hq.erased == frozenset()


def test_a_file_that_something_else_has_too_is_not_erased() -> None:
    hq, lab = sites("hq", "lab")
    lab.append(
        "task",
        "copy",
        TaskAdded(replace(made("cards"), name="copy", classes=("c", "d")), TINY.digest),
    )
    hq.remove("cards", erase=True)
    hq.merge(lab)
    assert hq.erased == frozenset()
    assert list(hq.view.tasks) == ["copy"]


def test_an_update_that_the_erasing_did_not_know_keeps_its_files_and_those_of_before_are_erased() -> (
    None
):
    hq, lab = sites("hq", "lab")
    first = hq.view.tasks["cards"]
    hq.remove("cards", erase=True)
    update = lab.teach("cards", "2")
    hq.merge(lab)
    assert hq.erased == files(first)
    assert not files(update) & hq.erased
    assert kinds(hq.view) == [("removed", "cards")]


def test_what_was_erased_stays_so_when_the_task_is_taught_anew() -> None:
    (hq,) = sites("hq")
    first = hq.view.tasks["cards"]
    hq.remove("cards", erase=True)
    hq.teach("cards", "2")
    assert hq.erased == files(first)


# The manifest


def test_the_manifest_of_some_tasks_computes_each_limit_for_as_many() -> None:
    (hq,) = sites("hq")
    for name in ("music", "news"):
        hq.teach(name)
    for wanted, count in (
        (lambda name: True, 3),
        (lambda name: name != "news", 2),
        (lambda name: name == "cards", 1),
    ):
        manifest = manifest_of(hq.view, INDEX, wanted)
        assert len(manifest.tasks) == count
        for one in manifest.tasks:
            assert one.certificate.tasks == count
            assert one.certificate.wrong_task_at_most == upper_bound(2, 100, 0.05 / count)
    assert (manifest.backbone, manifest.margins) == (TINY, Margins(1.0, 0.5))


@cases("case", ["nothing", "no backbone", "none wanted", "all wait"])
def test_a_channel_without_a_task_to_run_is_refused_naming_what_waits(case: str) -> None:
    hq = Site("hq")
    if case != "nothing":
        hq.teach("cards")
    if case in ("none wanted", "all wait"):
        hq.begin(TINY if case == "none wanted" else OTHER)
    with pytest.raises(
        TaskError,
        match=(
            r"^channel 'stable': expected at least one task to run, found \d, none of them wanted"
        ),
    ) as caught:
        manifest_of(hq.view, INDEX, lambda name: case != "none wanted")
    assert ("(waiting: cards)" in str(caught.value)) == (case in ("no backbone", "all wait"))


# Histories


def history(rng: random.Random, *, steps: int = 24) -> list[Site]:
    """Up to five sites that add, update, remove, erase, measure and merge as it comes."""
    names = ["hq", "lab", "north", "south", "west"][: rng.randint(1, 5)]
    found = sites(*names)
    shared = ("play", "stop", "pause", "skip")
    for _ in range(steps):
        site, other = rng.choice(found), rng.choice(found)
        running = sorted(site.view.tasks)
        action = rng.choices(
            ["add", "update", "remove", "erase", "measure", "merge", "backbone"],
            [4, 4, 2, 1, 2, 5, 0.3],
        )[0]
        if action == "add" or (not running and action in ("update", "remove", "erase", "measure")):
            name = rng.choice("abcdef")
            classes = (f"{name} only", rng.choice(shared)) if rng.random() < 0.3 else None
            site.teach(
                name,
                rng.choice("123"),
                classes,
                cast(Backbone, cast(Entry, site.view.backbone).body),
            )
        elif action == "update":
            site.teach(
                rng.choice(running),
                rng.choice("123"),
                None,
                cast(Backbone, cast(Entry, site.view.backbone).body),
            )
        elif action in ("remove", "erase"):
            site.remove(rng.choice(running), erase=action == "erase")
        elif action == "measure":
            site.measure(rng.choice(running), rng.choice("xyz"), errors=rng.randint(0, 9))
        elif action == "merge":
            site.merge(other)
        else:
            site.begin(rng.choice([TINY, OTHER]))
    return found


def union(found: list[Site], rng: random.Random) -> None:
    """Merge until all know all, in an order of chance."""
    while any(site.known.keys() != other.known.keys() for site in found for other in found):
        rng.choice(found).merge(rng.choice(found))


def lost(entries: Collection[Entry], seen: View) -> list[Entry]:
    """Entries that nobody replaced, that neither run nor hold, and that no conflict reports."""
    replaced = {digest for entry in entries for digest in entry.replaces}
    missing = []
    for entry in entries:
        if entry.digest in replaced:
            continue
        reported = {one.kind: one.message for one in seen.conflicts if one.task == entry.name}
        if entry.kind == "task":
            runs = seen.tasks.get(entry.name) == entry
            told = "backbone" in reported or entry.site in reported.get("concurrent", "")
            if not runs and not told:
                missing.append(entry)
        elif entry.kind == "removed":
            others = [one for one in seen.standing[entry.name] if one.kind == "task"]
            if others and "removed" not in reported:
                missing.append(entry)
        elif entry.kind == "measured":
            last = seen.measured[cast(Measured, entry.body).of]
            greatest = max((one for one in entries if isinstance(one.body, Measured) and one.body.of == entry.body.of),  # type: ignore[union-attr]
                           key=lambda one: one.order)  # fmt: skip
            if last != greatest.body:
                missing.append(entry)
    return missing


def check_histories(seeds: Iterable[int]) -> tuple[int, int, int]:
    """How many histories diverge, how many lose something, and how many had a conflict."""
    diverged = losing = meeting = 0
    for seed in seeds:
        rng = random.Random(seed)
        found = history(rng)
        union(found, rng)
        views = [site.view for site in found]
        diverged += any(one != views[0] or one.conflicts != views[0].conflicts for one in views)
        losing += bool(lost(list(found[0].known.values()), views[0]))
        meeting += bool(views[0].conflicts)
    return diverged, losing, meeting


def test_random_histories_of_up_to_five_sites_converge_and_lose_nothing() -> None:
    diverged, losing, meeting = check_histories(range(300))
    assert (diverged, losing) == (0, 0)
    assert meeting > 100


@pytest.mark.soak
def test_ten_thousand_histories_converge_and_lose_nothing() -> None:
    diverged, losing, meeting = check_histories(range(1000, 11_000))
    assert (diverged, losing) == (0, 0)
    assert meeting > 3000


@given(seed=st.integers(0, 2**32), data=st.data())
def test_the_order_of_the_entries_and_doubles_make_no_difference(
    seed: int, data: st.DataObject
) -> None:
    rng = random.Random(seed)
    found = history(rng, steps=12)
    union(found, rng)
    entries = list(found[0].known.values())
    again = data.draw(st.permutations(entries)) + data.draw(
        st.lists(st.sampled_from(entries), max_size=5)
    )
    assert view(again) == view(entries)


def test_a_merge_that_dropped_what_lost_would_be_noticed() -> None:
    hq, lab = sites("hq", "lab")
    ours, theirs = hq.teach("cards", "2"), lab.teach("cards", "3")
    hq.merge(lab)
    assert lost(list(hq.known.values()), hq.view) == []
    assert lost(list(hq.known.values()), replace(hq.view, conflicts=())) == [ours]
    assert lost(list(hq.known.values()), replace(hq.view, tasks={}, conflicts=())) == [ours, theirs]
