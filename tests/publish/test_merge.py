from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest
from channels import NOW, no_probe
from here import merge, publish, withdraw
from tiny import cloned, new_site, new_store, only, relearned, written

from cfedge import Engine
from cfedge.bundle.files import Bundle, read
from cfedge.catalogue.entry import Entry, TaskAdded
from cfedge.catalogue.erased import erased_files
from cfedge.catalogue.view import View, view
from cfedge.errors import IncompatibleError, OfflineError, TamperedError, UsageError
from cfedge.inputs.image.spec import Image
from cfedge.margins import Margins
from cfedge.publish.appending import appended
from cfedge.publish.channel import roll_out
from cfedge.publish.diff import next_clock, removal
from cfedge.publish.keys import Keys
from cfedge.publish.merge import Merged
from cfedge.publish.repository import Repository
from cfedge.store import Store
from cfedge.sync.client import sync
from cfedge.sync.probe import probe_here
from cfedge.sync.report import Synced
from cfedge.sync.transport import Folder


@pytest.fixture
def bundle(tiny_bundle: Path) -> Bundle:
    return read(tiny_bundle)


@pytest.fixture
def hq(tmp_path: Path, bundle: Bundle) -> Path:
    """A site with the task animals."""
    new_site(tmp_path / "hq", "hq", only(bundle, "animals"))
    return tmp_path / "hq"


@pytest.fixture
def lab(tmp_path: Path, bundle: Bundle) -> Path:
    """A site with the task colors."""
    new_site(tmp_path / "lab", "lab", only(bundle, "colors"))
    return tmp_path / "lab"


def merged(here: Path, there: Path, accept: Collection[str] = (), *, erase: bool = False) -> Merged:
    root = Repository(there / "repo").root()
    return merge(
        here / "repo",
        Keys(here / "keys"),
        Folder(there / "repo"),
        root,
        accept=accept,
        erase=erase,
        now=NOW,
        wait=lambda seconds: None,
    )


def again(site: Path, bundle: Bundle, **more: float) -> None:
    publish(written(bundle, site / "bundle"), site / "repo", Keys(site / "keys"), now=NOW, **more)


def entries(site: Path) -> list[Entry]:
    repository = Repository(site / "repo")
    index = repository.index("stable")
    assert index is not None
    return repository.entries(index)


def seen(site: Path) -> View:
    return view(entries(site))


def synced(site: Path, store: Store) -> Synced:
    return sync(store, Folder(site / "repo"), now=lambda: NOW, probing=probe_here)


def tree(site: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(site)): path.read_bytes()
        for path in (site / "repo").rglob("*")
        if path.is_file() and path.name != "lock"
    }


def test_merging_both_ways_gives_the_same_view_and_engines_that_answer_alike(
    hq: Path, lab: Path, tmp_path: Path
) -> None:
    done = merged(hq, lab)
    assert "task colors" in done.adopted
    assert set(seen(hq).tasks) == {"animals", "colors"}
    merged(lab, hq)
    assert {one.digest for one in entries(hq)} == {one.digest for one in entries(lab)}
    assert seen(hq) == seen(lab)
    stores = [new_store(site, tmp_path / f"store {site.name}") for site in (hq, lab)]
    for site, store in zip((hq, lab), stores, strict=True):
        assert synced(site, store).added == ("animals", "colors")
    texts = ["crimson please", "my puppy"]
    here, there = (Engine.open(store.folder).predict(texts) for store in stores)
    assert [replace(one, ms=0) for one in here] == [replace(one, ms=0) for one in there]


def test_the_other_sites_entries_keep_their_order_site_and_clock(hq: Path, lab: Path) -> None:
    before, theirs = entries(hq), entries(lab)
    merged(hq, lab)
    after = entries(hq)
    assert after[: len(before)] == before
    known = {one.digest for one in before}
    new = [one for one in theirs if one.digest not in known]
    assert after[len(before) : len(before) + len(new)] == new
    assert {one.site for one in new} == {"lab"}


def test_merging_again_changes_nothing(hq: Path, lab: Path) -> None:
    merged(hq, lab)
    before = tree(hq)
    done = merged(hq, lab)
    assert (done.adopted, done.measured) == ((), ())
    assert tree(hq) == before
    merged(lab, hq)
    assert merged(hq, lab).adopted == ()


def test_an_adopted_task_costs_a_device_that_has_it_no_object_bytes(
    hq: Path, lab: Path, bundle: Bundle, tmp_path: Path
) -> None:
    again(hq, bundle)  # both tasks, of which lab has colors already
    store = new_store(hq, tmp_path / "store")
    synced(hq, store)
    again(lab, relearned(only(bundle, "colors"), "colors"))
    merged(hq, lab, ["colors"])
    first = synced(hq, store)
    assert first.missing_bytes > 0
    other = new_store(lab, tmp_path / "other")
    synced(lab, other)
    has = {path.name for path in other.objects.iterdir()}
    merged(lab, hq)
    got = synced(lab, other)
    taught = seen(lab).tasks["colors"]
    assert {ref.sha256 for ref in taught.files().values()} <= has
    golden = {one.golden.sha256 for one in seen(lab).measured.values()}
    new = {path.name for path in other.objects.iterdir()} - has
    animals = {ref.sha256 for ref in seen(lab).tasks["animals"].files().values()}
    assert new <= animals | golden
    assert got.added == ("animals",)


def test_updates_at_once_are_kept_and_reported_and_the_same_one_runs_at_both(
    hq: Path, lab: Path, bundle: Bundle
) -> None:
    merged(hq, lab)
    merged(lab, hq)
    again(hq, relearned(bundle, "colors", 0.5))
    again(lab, relearned(bundle, "colors", 0.25))
    here, there = merged(hq, lab, ["colors"]), merged(lab, hq)
    assert here.conflicts == there.conflicts
    assert here.handed_over == ("task 'colors': replaced by site 'lab'",)
    assert (
        "task 'colors': updated at once at hq and lab; lab's runs, nothing is lost"
        in here.conflicts[0]
    )
    assert seen(hq).tasks == seen(lab).tasks
    kept = {ref.sha256 for head in seen(hq).standing["colors"] for ref in head.files().values()}
    for site in (hq, lab):
        assert all(Repository(site / "repo").holds(name) for name in kept)
    again(hq, relearned(bundle, "colors", 0.5))  # decided
    assert seen(hq).conflicts == ()
    assert merged(lab, hq, ["colors"]).conflicts == ()


def test_a_removal_loses_against_an_update_that_it_did_not_know(
    hq: Path, lab: Path, bundle: Bundle
) -> None:
    merged(hq, lab)
    merged(lab, hq)
    withdraw(hq / "repo", Keys(hq / "keys"), "colors", erase=True, now=NOW)
    again(lab, relearned(bundle, "colors"))
    here, there = merged(hq, lab), merged(lab, hq)
    assert here.conflicts == there.conflicts[:1]
    assert "task 'colors': erased at hq; here its files stay" in there.conflicts[1]
    assert "task 'colors': removed at hq while lab updated it; the update runs" in here.conflicts[0]
    assert set(seen(hq).tasks) == {"animals", "colors"}


def test_erased_files_are_deleted_where_the_tombstone_is_merged_to_erase(
    hq: Path, lab: Path
) -> None:
    merged(hq, lab)
    merged(lab, hq)
    withdraw(hq / "repo", Keys(hq / "keys"), "colors", erase=True, now=NOW)
    gone = erased_files(entries(hq), "hq")
    assert gone
    assert any(Repository(lab / "repo").holds(name) for name in gone)
    merged(lab, hq, ["colors"], erase=True)
    for site in (hq, lab):
        assert not [name for name in gone if (site / "repo" / "objects" / name).exists()]
    assert set(seen(lab).tasks) == {"animals"}


def test_one_label_in_two_tasks_is_no_conflict(hq: Path, tmp_path: Path, bundle: Bundle) -> None:
    other = tmp_path / "other"
    labels = next(task.classes for task in bundle.manifest.tasks if task.name == "colors")
    new_site(
        other,
        "other",
        only(cloned(bundle, "colors", "paint", classes=("cat", *labels[1:])), "paint"),
    )
    done = merged(hq, other)
    assert done.conflicts == ()
    assert set(seen(hq).tasks) == {"animals", "paint"}


def test_another_backbone_or_kind_is_refused_by_name_with_the_next_step_and_nothing_signed(
    hq: Path, lab: Path, bundle: Bundle
) -> None:
    colors = only(bundle, "colors")
    before = tree(hq)
    repository = Repository(lab / "repo")
    index = repository.index("stable")
    assert index is not None
    log = repository.entries(index)
    here = colors.manifest.backbone
    tinier = replace(here, name="tinier", split=1)
    pictures = replace(here, name="eyes", input=Image("image", 8, 8, "squash"))
    again = "; learn its tasks again on this backbone (colors), or publish that one here"
    for body, kind, said in (
        (
            tinier,
            IncompatibleError,
            f"expected backbone {here.name} ({here.digest[:12]}), as here, found {tinier.name}"
            f" ({tinier.digest[:12]}){again}",
        ),
        (
            pictures,
            UsageError,
            "expected inputs of the channel's kind, text, found image; merge it into a channel of"
            " its own with --channel",
        ),
    ):
        new = [
            Entry("backbone", body.name, "lab", 9, (log[0].digest,), body),
            Entry(
                "task",
                "colors",
                "lab",
                9,
                (log[1].digest,),
                TaskAdded(colors.manifest.tasks[0], body.digest),
            ),
        ]
        after, blocks = appended(index, "stable", log, new, site="lab", margins=Margins(), now=NOW)
        with repository.writing():
            repository.commit(Keys(lab / "keys"), after, blocks, NOW)
        with pytest.raises(kind, match=re.escape(said)):
            merged(hq, lab)
        assert tree(hq) == before


def test_texts_that_the_other_sites_task_takes_are_restated_reported_and_probed(
    lab: Path, tmp_path: Path, bundle: Bundle
) -> None:
    other = tmp_path / "other"
    new_site(other, "other", only(cloned(bundle, "colors", "azure"), "azure"))
    device = new_store(lab, tmp_path / "store")
    synced(lab, device)
    done = merged(lab, other)
    assert "colors" in done.measured  # and azure where rounding gives one of its inputs to colors
    top = next(pair for pair in done.overlaps if pair.task == "colors")
    assert top.rival == "azure"
    assert 0 < top.moved <= top.inputs
    assert top.share > 0.5  # nothing tells them apart
    assert synced(lab, device).added == ("azure",)
    Engine.open(device.folder)
    merged(other, lab)
    assert seen(other) == seen(lab)


def test_publishing_goes_on_after_a_merge_that_moved_golden_vectors(
    lab: Path, tmp_path: Path, bundle: Bundle
) -> None:
    other = tmp_path / "other"
    new_site(other, "other", only(cloned(bundle, "colors", "azure"), "azure"))
    merged(lab, other)
    count = len(entries(lab))
    again(lab, only(bundle, "colors"))
    assert len(entries(lab)) == count  # what was restated holds
    again(lab, relearned(only(bundle, "colors"), "colors"))
    assert set(seen(lab).tasks) == {"azure", "colors"}
    synced(lab, new_store(lab, tmp_path / "store"))


def test_publishing_a_task_that_takes_another_sites_texts_restates_those(
    hq: Path, lab: Path, bundle: Bundle, tmp_path: Path
) -> None:
    merged(hq, lab)
    again(hq, only(cloned(bundle, "colors", "azure"), "animals", "azure"))
    assert [one.name for one in entries(hq) if one.kind == "measured"][-1] == "colors"
    synced(hq, new_store(hq, tmp_path / "store"))


def test_limits_are_told_before_and_after(hq: Path, lab: Path) -> None:
    done = merged(hq, lab)
    assert set(done.wrong_task_at_most) == {"animals", "colors"}
    was, now = done.wrong_task_at_most["animals"]
    assert was is not None
    assert now > was  # the same errors, told of two tasks rather than one
    assert done.wrong_task_at_most["colors"][0] is None


def test_what_is_being_rolled_out_there_waits(hq: Path, lab: Path, bundle: Bundle) -> None:
    again(lab, cloned(only(bundle, "colors"), "colors", "paint"), rollout=0.0)
    done = merged(hq, lab)
    assert "task paint" not in done.adopted
    assert (
        "entries are being rolled out there; they wait: merge again when that is done"
        in done.conflicts[-1]
    )
    roll_out(lab / "repo", Keys(lab / "keys"), 1, now=NOW)
    assert "task paint" in merged(hq, lab).adopted


def test_a_merge_joins_a_rollout_that_is_on_here(
    hq: Path, lab: Path, bundle: Bundle, tmp_path: Path
) -> None:
    again(hq, cloned(only(bundle, "animals"), "animals", "beasts"), rollout=0.0)
    merged(hq, lab)
    store = new_store(hq, tmp_path / "store")
    assert synced(hq, store).added == ("animals",)
    roll_out(hq / "repo", Keys(hq / "keys"), 1, now=NOW)
    assert synced(hq, store).added == ("beasts", "colors")


def test_another_sites_repository_must_be_signed_by_the_root_that_is_given(
    hq: Path, lab: Path
) -> None:
    before = tree(hq)
    wrong = Repository(hq / "repo").root()
    with pytest.raises(TamperedError, match="expected what its keys sign"):
        merge(hq / "repo", Keys(hq / "keys"), Folder(lab / "repo"), wrong, now=NOW)
    for path in (lab / "repo" / "objects").iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises((TamperedError, OfflineError)):
        merged(hq, lab)
    assert tree(hq) == before


def test_no_probe_is_needed_to_see_that_an_empty_channel_takes_in_another(
    hq: Path, lab: Path, tmp_path: Path
) -> None:
    repository = Repository(hq / "repo")
    index, log = repository.index("stable"), entries(hq)
    assert index is not None
    gone = removal("animals", view(log), erase=False, site="hq", clock=next_clock(log))
    after, blocks = appended(index, "stable", log, [gone], site="lab", margins=Margins(), now=NOW)
    with repository.writing():
        repository.commit(Keys(hq / "keys"), after, blocks, NOW)
    done = merged(hq, lab)
    assert set(done.wrong_task_at_most) == {"colors"}
    sync(new_store(hq, tmp_path / "store"), Folder(hq / "repo"), now=lambda: NOW, probing=no_probe)


def test_a_clock_ahead_of_any_history_is_refused_before_it_wins_every_meeting(
    hq: Path, lab: Path
) -> None:
    repository, keys = Repository(lab / "repo"), Keys(lab / "keys")
    index = repository.index("stable")
    assert index is not None
    log = repository.entries(index)
    forged = replace(log[-1], clock=2**53, replaces=(log[-1].digest,))
    after, blocks = appended(
        index, "stable", log, [forged], site="lab", margins=index.margins, now=NOW
    )
    repository.commit(keys, after, blocks, NOW)
    before = entries(hq)
    with pytest.raises(
        TamperedError,
        match=(
            r"expected clocks of at most \d+, as many as there are entries, found 9007199254740992"
        ),
    ):
        merged(hq, lab)
    assert entries(hq) == before
