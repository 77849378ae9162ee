from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from channels import NOW, Site, no_probe
from here import publish, withdraw
from tiny import cloned, new_store, only, rebuilt, relearned, written

from cfedge import Engine
from cfedge.bundle.arrays import dump_arrays, load_arrays, load_note
from cfedge.bundle.files import Bundle, read, reference
from cfedge.bundle.manifest import Task
from cfedge.catalogue.entry import Entry
from cfedge.catalogue.erased import erased_files
from cfedge.catalogue.index import Index
from cfedge.catalogue.view import view
from cfedge.confidence import upper_bound
from cfedge.errors import IncompatibleError, SyncError, TaskError, UsageError
from cfedge.inputs.image.spec import Image
from cfedge.margins import Margins
from cfedge.publish import channel
from cfedge.publish.channel import Published, roll_out
from cfedge.publish.draft import Channel, Draft
from cfedge.publish.keys import Keys
from cfedge.publish.merge import merge
from cfedge.publish.repository import Repository
from cfedge.store import Store
from cfedge.sync.client import Plan, sync
from cfedge.sync.probe import probe_here
from cfedge.sync.report import Synced
from cfedge.sync.transport import Folder


class Workshop:
    """A real bundle and the repository it was published to."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.folder, self.path, self.bundle = folder, bundle, read(bundle)
        self.repo, self.keys = folder / "repo", Keys(folder / "keys")

    def publish(self, bundle: Bundle, **more: float) -> Published:
        self.bundle = bundle
        return publish(written(bundle, self.path), self.repo, self.keys, now=NOW, **more)

    def withdraw(self, task: str, *, erase: bool = False) -> Published:
        return withdraw(self.repo, self.keys, task, erase=erase, now=NOW)

    def index(self) -> Index:
        found = Repository(self.repo).index("stable")
        assert found is not None
        return found

    def entries(self) -> list[Entry]:
        return Repository(self.repo).entries(self.index())

    def synced(self, store: Store, *patterns: str) -> Synced:
        return sync(
            store,
            Folder(self.repo),
            Plan(wanted=patterns or ("*",)),
            now=lambda: NOW,
            probing=probe_here,
        )


@pytest.fixture
def shop(tiny_site: Path, tiny_bundle: Path) -> Workshop:
    return Workshop(tiny_site, tiny_bundle)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path / "site")
    made.teach("red")
    return made


def changed(bundle: Bundle, name: str, **change: object) -> Bundle:
    tasks = tuple(
        replace(task, **change) if task.name == name else task for task in bundle.manifest.tasks
    )  # type: ignore[arg-type]
    return Bundle(replace(bundle.manifest, tasks=tasks), bundle.objects)


def task_of(bundle: Bundle, name: str) -> Task:
    return next(task for task in bundle.manifest.tasks if task.name == name)


def objects_of(folder: Path) -> set[str]:
    return {path.name for path in (folder / "objects").iterdir()}


def tasks_of(store: Store) -> list[str]:
    pointer = store.pointer()
    return [task.name for task in store.manifest(pointer.generation).tasks] if pointer else []


def holding(folder: Path, data: bytes, others: bytes) -> list[str]:
    """Files with any 32 bytes of `data` that `others` have not, anywhere in them."""
    parts = {data[start : start + 32] for start in range(0, max(1, len(data) - 32), 16)}
    parts = {part for part in parts if part not in others}
    assert parts
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(part in path.read_bytes() for part in parts)]


# Publishing


def test_a_first_publication_can_be_synced_and_answers_as_the_bundle(
    shop: Workshop, tmp_path: Path
) -> None:
    store = new_store(shop.folder, tmp_path / "store")
    done = shop.synced(store)
    assert (done.changed, done.added, done.conflicts) == (True, ("animals", "colors"), ())
    texts = ["crimson please", "my puppy", "the very now"]
    here, there = Engine.open(store.folder).predict(texts), Engine.open(shop.path).predict(texts)
    assert [replace(one, ms=0) for one in here] == [replace(one, ms=0) for one in there]


def test_nothing_new_is_only_signed_anew(shop: Workshop) -> None:
    before, index = objects_of(shop.repo), shop.index()
    names = {path.name for path in (shop.repo / "metadata").iterdir()}
    done = shop.publish(shop.bundle)
    assert (done.added, done.object_bytes, done.entries, done.share) == ((), 0, 3, 1.0)
    assert (objects_of(shop.repo), shop.index()) == (before, index)
    assert {path.name for path in (shop.repo / "metadata").iterdir()} - names == {"3.snapshot.json"}
    assert shop.publish(shop.bundle, rollout=0.5).share == 1.0  # a rollout of nothing is none


def test_a_changed_task_replaces_the_one_before_and_costs_its_own_files_only(
    shop: Workshop, tmp_path: Path
) -> None:
    store = new_store(shop.folder, tmp_path / "store")
    shop.synced(store)
    done = shop.publish(relearned(shop.bundle, "colors"))
    assert "task colors" in done.added
    assert "task animals" not in done.added
    last = next(entry for entry in shop.entries()[3:] if entry.kind == "task")
    assert last.replaces == tuple(
        entry.digest for entry in shop.entries()[:3] if entry.name == "colors"
    )
    got = shop.synced(store)
    assert got.updated == ("colors",)
    assert got.missing_bytes == done.object_bytes
    assert (
        done.object_bytes
        < 2.5 * task_of(shop.bundle, "colors").adapter.size
        + 4 * task_of(shop.bundle, "colors").golden.size
    )


def test_a_task_measured_anew_costs_one_small_entry_and_no_object(
    shop: Workshop, tmp_path: Path
) -> None:
    store = new_store(shop.folder, tmp_path / "store")
    shop.synced(store)
    colors = task_of(shop.bundle, "colors")
    held = colors.certificate
    certificate = replace(held, errors=held.errors + 1)
    bound = upper_bound(certificate.errors, held.held_out, held.alpha / held.tasks)
    certificate = replace(certificate, wrong_task_at_most=bound)
    before, size = objects_of(shop.repo), shop.index().size
    done = shop.publish(
        changed(shop.bundle, "colors", threshold=colors.threshold * 1.5, certificate=certificate)
    )
    assert (done.added, done.object_bytes) == (("measured colors",), 0)
    assert len(objects_of(shop.repo) - before) == 1  # the block
    # 777: two digests, fifteen counts, five centres and scales, nine thresholds, the names of all
    assert shop.index().size - size < 1000
    got = shop.synced(store)
    assert (got.updated, got.missing_bytes) == (("colors",), 0)
    engine = Engine.open(store.folder)
    assert (
        next(task for task in engine.manifest.tasks if task.name == "colors").threshold
        == colors.threshold * 1.5
    )


def test_golden_vectors_that_still_hold_are_not_sent_again(shop: Workshop) -> None:
    golden = task_of(shop.bundle, "colors").golden
    other = dump_arrays(
        load_arrays(shop.bundle[golden], "x"), {**load_note(shop.bundle[golden]), "made": "again"}
    )
    again = changed(shop.bundle, "colors", golden=reference(other))
    again = Bundle(again.manifest, {**again.objects, reference(other).sha256: other})
    again = Bundle(
        again.manifest,
        {ref.sha256: again.objects[ref.sha256] for ref in again.manifest.files().values()},
    )
    assert shop.publish(again).added == ()


def test_tasks_of_other_sites_stay_and_are_said(shop: Workshop, tmp_path: Path) -> None:
    done = shop.publish(only(shop.bundle, "colors"))
    assert done.only_here == ("animals",)
    assert set(view(shop.entries()).tasks) == {"animals", "colors"}
    store = new_store(shop.folder, tmp_path / "store")
    assert shop.synced(store).added == ("animals", "colors")


@pytest.mark.parametrize("part", ["labels", "embeddings", "tasks"])
def test_a_bundle_that_fails_its_golden_check_publishes_nothing(shop: Workshop, part: str) -> None:
    bundle = relearned(shop.bundle, "colors")
    golden = task_of(bundle, "colors").golden
    arrays, note = load_arrays(bundle[golden], "x"), load_note(bundle[golden])
    if part == "embeddings":
        arrays = {"embeddings": -arrays["embeddings"]}
    else:
        found = note[part]
        assert isinstance(found, list)
        swap = {"colors": "animals", "animals": "colors"}
        note = {**note, part: [swap.get(one, "none") for one in found]}
    data = dump_arrays(arrays, note)
    bad = changed(bundle, "colors", golden=reference(data))
    objects = {**bad.objects, reference(data).sha256: data}
    bad = Bundle(
        bad.manifest, {ref.sha256: objects[ref.sha256] for ref in bad.manifest.files().values()}
    )
    before = {path: path.read_bytes() for path in shop.repo.rglob("*") if path.is_file()}
    with pytest.raises(IncompatibleError, match="golden vectors of task 'colors': expected"):
        shop.publish(bad)
    assert {path: path.read_bytes() for path in shop.repo.rglob("*") if path.is_file()} == before


def test_a_repository_signed_with_other_keys_is_refused_before_anything_is_written(
    shop: Workshop, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in shop.repo.rglob("*") if path.is_file()}
    shop.keys = Keys.create(tmp_path / "others", site="others")
    with pytest.raises(
        SyncError,
        match="expected the keys that the root names for targets, found 1 of other repositories",
    ):
        channel.publish(shop.path, shop.repo, shop.keys, now=NOW, restating=_work)
    with pytest.raises(SyncError, match="found 1 of other repositories"):
        channel.withdraw(shop.repo, shop.keys, "colors", now=NOW, restating=_work)
    root = Repository(shop.repo).root()
    with pytest.raises(SyncError, match="found 1 of other repositories"):
        merge(shop.repo, shop.keys, Folder(tmp_path / "not asked"), root, now=NOW)
    assert {path: path.read_bytes() for path in shop.repo.rglob("*") if path.is_file()} == before


def _work(*_: object, **__: object) -> None:
    raise AssertionError("the work began")


@pytest.mark.parametrize("name", ["", "a/b", "../x", ".hidden", "-x", "x" * 65, "ü"])
def test_a_channel_needs_a_plain_name(shop: Workshop, name: str) -> None:
    with pytest.raises(UsageError, match="channel: expected 1 to 64 letters"):
        publish(shop.path, shop.repo, shop.keys, channel=name, now=NOW)


def test_channels_share_files_and_nothing_else(shop: Workshop) -> None:
    done = publish(shop.path, shop.repo, shop.keys, channel="beta", now=NOW)
    assert (done.object_bytes, done.entries) == (0, 3)
    withdraw(shop.repo, shop.keys, "colors", channel="beta", now=NOW)
    assert set(view(shop.entries()).tasks) == {"animals", "colors"}


# Withdrawing


def test_a_withdrawn_task_is_gone_from_devices_after_their_next_sync(
    shop: Workshop, tmp_path: Path
) -> None:
    store = new_store(shop.folder, tmp_path / "store")
    shop.synced(store)
    done = shop.withdraw("colors")
    assert done.added[0] == "removed colors"
    assert shop.synced(store).removed == ("colors",)
    assert Engine.open(store.folder).tasks == ("animals",)


def test_no_byte_of_an_erased_task_is_left_in_the_repository_nor_in_a_store(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("CFEDGE_CACHE", str(cache))
    store = new_store(shop.folder, tmp_path / "store")
    first = task_of(shop.bundle, "colors")
    secrets = [shop.bundle[ref] for ref in (first.adapter, first.signature, first.golden)]
    shop.synced(store)
    shop.publish(relearned(shop.bundle, "colors"))
    last = task_of(shop.bundle, "colors")
    secrets += [shop.bundle[ref] for ref in (last.adapter, last.golden)]
    shop.synced(store)
    half = store.folder / "partial"
    half.mkdir(exist_ok=True)
    (half / last.adapter.sha256).write_bytes(
        secrets[3][: len(secrets[3]) // 2]
    )  # a download that was cut
    kept = b"".join(data for name, data in shop.bundle.objects.items() if data not in secrets)
    assert all(
        holding(shop.repo, one, kept) and holding(store.folder, one, kept) for one in secrets
    )
    Engine.open(store.folder).warm_up()
    assert list((cache / "tables").iterdir())
    assert list((cache / "records").iterdir())
    shop.withdraw("colors", erase=True)
    assert [holding(shop.repo, one, kept) for one in secrets] == [[]] * len(secrets)
    shop.synced(store)
    assert [*(cache / "tables").iterdir(), *(cache / "records").iterdir()] == []
    assert [holding(store.folder, one, kept) for one in secrets] == [[]] * len(secrets)
    assert Engine.open(store.folder).tasks == ("animals",)
    assert store.generations() == [3]


def test_an_erased_task_can_be_published_again(shop: Workshop, tmp_path: Path) -> None:
    store = new_store(shop.folder, tmp_path / "store")
    shop.withdraw("colors", erase=True)
    done = shop.publish(shop.bundle)
    assert "task colors" in done.added
    assert done.object_bytes > 0
    shop.synced(store)
    assert tasks_of(store) == ["animals", "colors"]


def test_files_that_another_task_shares_are_not_erased(site: Site) -> None:
    from cfedge.catalogue.entry import TaskAdded

    red = site.entries()[-1]
    assert isinstance(red.body, TaskAdded)
    twin = replace(red.body.task, name="twin", classes=("c", "d"))
    site.append("task", "twin", TaskAdded(twin, red.body.base), {})
    site.remove("red", erase=True)
    assert erased_files(site.entries(), "hq") == frozenset()


def test_nothing_is_withdrawn_that_is_not_there_nor_the_last_task(shop: Workshop) -> None:
    with pytest.raises(
        TaskError, match=r"task 'green': expected one of the channel's \(animals, colors\)"
    ):
        shop.withdraw("green")
    shop.withdraw("colors")
    with pytest.raises(
        TaskError, match="task 'animals': expected another task to go on with, found none"
    ):
        shop.withdraw("animals")
    assert set(view(shop.entries()).tasks) == {"animals"}


def test_devices_take_a_withdrawal_of_a_task_that_others_texts_had_gone_to(
    shop: Workshop, tmp_path: Path
) -> None:
    store = new_store(shop.folder, tmp_path / "store")
    shop.publish(
        cloned(shop.bundle, "colors", "paint")
    )  # nothing tells them apart: paint's texts go to colors
    shop.synced(store)
    texts = ["crimson ruby", "navy cobalt", "ruby red", "scarlet", "cobalt blue"]
    gone = [one.task == "colors" for one in Engine.open(store.folder).predict(texts)]
    assert any(gone)
    assert shop.withdraw("colors").added[0] == "removed colors"
    assert shop.synced(store).removed == ("colors",)
    after = Engine.open(store.folder).predict(texts)
    assert {one.task for one, was in zip(after, gone, strict=True) if was} == {"paint"}


def test_a_device_may_ask_for_one_task_of_two_that_are_taken_for_each_other(
    shop: Workshop, tmp_path: Path
) -> None:
    store = new_store(shop.folder, tmp_path / "store")
    shop.publish(cloned(shop.bundle, "colors", "paint"))
    shop.synced(store, "paint")
    assert Engine.open(store.folder).tasks == ("paint",)


# Rolling out


def test_a_share_of_the_devices_follows_and_the_others_keep_to_the_state_before(
    shop: Workshop, tmp_path: Path
) -> None:
    stores = [new_store(shop.folder, tmp_path / f"store {number}") for number in range(8)]
    for store in stores:
        shop.synced(store)
    before = {store.device: store.pointer().manifest for store in stores}  # type: ignore[union-attr]
    more = cloned(shop.bundle, "colors", "paint")
    more = Bundle(
        replace(
            more.manifest,
            margins=Margins(more.manifest.margins.second + 1.0, more.manifest.margins.third),
        ),
        more.objects,
    )
    assert shop.publish(more, rollout=0.5).share == 0.5
    rollout = shop.index().rollout
    assert rollout is not None
    for store in stores:
        shop.synced(store)
        takes_part = rollout.includes(store.device)
        assert ("paint" in tasks_of(store)) == takes_part
        assert (store.pointer().manifest == before[store.device]) != takes_part  # type: ignore[union-attr]
        Engine.open(store.folder)
    assert len({tuple(tasks_of(store)) for store in stores}) == 2, (
        "no device of eight on either side: 1 in 128"
    )


def _everybody(site: Site, stores: list[Store]) -> list[set[str]]:
    for store in stores:
        sync(store, Folder(site.repo), now=lambda: NOW, probing=no_probe)
    return [set(tasks_of(store)) for store in stores]


def test_a_rollout_goes_from_nobody_to_some_to_all_and_can_be_taken_back(
    site: Site, tmp_path: Path
) -> None:
    stores = [site.store(tmp_path / f"store {number}") for number in range(12)]
    old, new = {"red"}, {"red", "blue"}
    site.teach("blue", share=0.0)
    assert _everybody(site, stores) == [old] * 12
    roll_out(site.repo, site.keys, 0.5, now=NOW)
    half = _everybody(site, stores)
    assert old in half
    assert new in half
    roll_out(site.repo, site.keys, 0.8, now=NOW)
    more = _everybody(site, stores)
    assert all(after == new for first, after in zip(half, more, strict=True) if first == new)
    roll_out(site.repo, site.keys, 0.0, now=NOW)
    assert _everybody(site, stores) == [old] * 12
    index = roll_out(site.repo, site.keys, 1.0, now=NOW)
    assert index.rollout is None
    assert _everybody(site, stores) == [new] * 12


def test_what_is_published_while_a_rollout_is_on_joins_it(site: Site, tmp_path: Path) -> None:
    site.teach("blue", share=0.0)
    site.teach("green")
    store = site.store(tmp_path / "store")
    assert _everybody(site, [store]) == [{"red"}]
    rollout = site.repository.index("stable").rollout  # type: ignore[union-attr]
    assert (rollout.share, rollout.before) == (0.0, 2)  # type: ignore[union-attr]
    roll_out(site.repo, site.keys, 1.0, now=NOW)
    assert _everybody(site, [store]) == [{"red", "blue", "green"}]


def test_a_rollout_keeps_its_salt_and_the_next_one_draws_anew(site: Site) -> None:
    def salt() -> str:
        index = site.repository.index("stable")
        assert index is not None
        assert index.rollout is not None
        return index.rollout.salt

    site.teach("blue", share=0.2)
    first = salt()
    roll_out(site.repo, site.keys, 0.4, now=NOW)
    site.teach("green", share=0.6)
    assert salt() == first
    roll_out(site.repo, site.keys, 1, now=NOW)
    site.teach("grey", share=0.2)
    assert salt() != first


def test_shares_are_drawn_evenly_and_anew_by_salt(site: Site) -> None:
    from cfedge.catalogue.index import Rollout

    devices = [f"{number:032x}" for number in range(4000)]
    first, other = (
        {one for one in devices if Rollout(0.25, salt, 0, Margins()).includes(one)}
        for salt in ("a", "b")
    )
    assert 900 < len(first) < 1100
    assert 180 < len(first & other) < 320  # a quarter of a quarter
    assert not any(Rollout(0.0, "a", 0, Margins()).includes(one) for one in devices)
    assert all(Rollout(1.0, "a", 0, Margins()).includes(one) for one in devices)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_share_is_a_part_of_all(shop: Workshop, share: float) -> None:
    for change in (
        lambda: roll_out(shop.repo, shop.keys, share, now=NOW),
        lambda: shop.publish(relearned(shop.bundle, "colors"), rollout=share),
    ):
        with pytest.raises(UsageError, match=r"share of the devices: expected 0\.\.1, found"):
            change()
    assert len(shop.entries()) == 3


def test_there_is_nothing_to_roll_out_where_nothing_waits(shop: Workshop) -> None:
    with pytest.raises(
        SyncError,
        match=(
            "channel 'stable': expected a rollout, found none; begin one with: cfedge publish"
            " --rollout"
        ),
    ):
        roll_out(shop.repo, shop.keys, 0.5, now=NOW)
    with pytest.raises(
        SyncError, match="expected channel 'beta', found none; name another with --channel, or pub"
    ):
        roll_out(shop.repo, shop.keys, 0.5, channel="beta", now=NOW)


def test_nothing_is_erased_while_devices_outside_a_rollout_would_ask_for_it(
    shop: Workshop, tmp_path: Path
) -> None:
    shop.publish(relearned(shop.bundle, "colors"), rollout=0.0)
    with pytest.raises(
        SyncError, match=r"expected no rollout, found one.*finish it first: cfedge rollout"
    ):
        shop.withdraw("colors", erase=True)
    roll_out(shop.repo, shop.keys, 1, now=NOW)
    shop.withdraw("colors", erase=True)
    shop.synced(new_store(shop.folder, tmp_path / "store"))


def test_a_copy_of_the_folder_is_a_repository(shop: Workshop, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    shutil.copytree(shop.repo, stick)
    store = new_store(shop.folder, tmp_path / "store")
    done = sync(store, Folder(stick), now=lambda: NOW + timedelta(days=1), probing=probe_here)
    assert done.added == ("animals", "colors")


def test_a_bundle_of_one_task_more_adds_it_alone(shop: Workshop, tmp_path: Path) -> None:
    both = shop.bundle
    other = tmp_path / "other"
    keys = Keys.create(other / "keys", root_keys=1, root_threshold=1)
    publish(written(only(both, "colors"), tmp_path / "b"), other / "repo", keys, now=NOW)
    done = publish(
        written(rebuilt(both, both.manifest.tasks), tmp_path / "b"), other / "repo", keys, now=NOW
    )
    assert done.added[0] == "task animals"
    assert set(done.added) <= {"task animals", "measured colors"}


def test_inputs_of_another_kind_go_to_a_channel_of_their_own(shop: Workshop) -> None:
    bundle = shop.bundle
    shop.publish(bundle)
    pictures = replace(bundle.manifest.backbone, input=Image("image", 8, 8, "squash"))
    other = Bundle(replace(bundle.manifest, backbone=pictures), bundle.objects)
    repository = Repository(shop.repo)
    with pytest.raises(UsageError, match=r"channel's kind, text, found image;.*--channel"):
        Draft.of_bundle(other, Channel.read(repository, "stable"), "site")
    drafted = Draft.of_bundle(other, Channel.read(repository, "pictures"), "site")
    assert [one.name for one in drafted.manifest.tasks] == ["animals", "colors"]  # type: ignore[union-attr]
