"""Every lookup of `cfedge.lookups` end to end: exported, certified, answered, reported, published,
synced, merged; and the default as it was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from channels import NOW, no_probe
from here import merge, publish
from tiny import new_site, new_store, only, written

from cfedge import Engine
from cfedge.bundle.files import Bundle
from cfedge.bundle.manifest import serialize
from cfedge.bundle.reading import parse
from cfedge.catalogue.index import parse_index
from cfedge.errors import IncompatibleError, SchemaError, UsageError, WorkspaceError
from cfedge.lookups import DEFAULT, LOOKUPS
from cfedge.publish.keys import Keys
from cfedge.publish.repository import Repository
from cfedge.report.of_bundle import of_bundle
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.drift import Monitor
from cfedge.runtime.golden import check_golden
from cfedge.runtime.prediction import Prediction
from cfedge.runtime.stream import Session
from cfedge.sync.client import sync
from cfedge.sync.transport import Folder
from cfedge.train.certify.certificates import certificates
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.backbone_request import BackboneRequest
from cfedge_export.build_bundle import build

TEXTS = ["the crimson ruby please", "my kitten", "some bark here", "now the azure"]
TASKS = ["colors", "animals", "animals", "colors"]


@pytest.fixture(scope="session")
def all_bundles(_tiny_workspace: Path) -> dict[str, Bundle]:
    workspace = WorkspaceFolder(_tiny_workspace)
    return {name: build(workspace, lookup=name) for name in LOOKUPS}


def right(found: Sequence[Prediction]) -> int:
    """How many of `TEXTS` got their task."""
    return sum(one.task == task for one, task in zip(found, TASKS, strict=True))


@pytest.fixture(params=list(LOOKUPS))
def lookup(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bundle(all_bundles: dict[str, Bundle], lookup: str) -> Bundle:
    return all_bundles[lookup]


def test_what_was_asked_for_is_in_the_manifest_and_answers(bundle: Bundle, lookup: str) -> None:
    assert parse(serialize(bundle.manifest)).lookup == lookup
    engine = Engine(bundle)
    found = engine.predict(TEXTS)
    assert right(found) >= 3  # an encoder of random weights
    assert {one.stages for one in found} <= ({1, 2} if lookup != DEFAULT else {1, 2, 3})
    check_golden(engine, bundle)


def test_the_label_given_the_task_is_the_same_to_the_bit_whatever_the_lookup_and_the_tasks(
    all_bundles: dict[str, Bundle],
) -> None:
    engines = [Engine(bundle) for bundle in all_bundles.values()]
    engines += [Engine(only(bundle, "animals")) for bundle in all_bundles.values()]
    found = [
        [(one.label, one.probability) for one in engine.predict(TEXTS, task="animals")]
        for engine in engines
    ]
    assert all(one == found[0] for one in found)


def test_an_answer_does_not_depend_on_its_batch_or_on_the_way_it_was_asked_for(
    bundle: Bundle,
) -> None:
    engine = Engine(bundle)
    together = engine.predict(TEXTS)
    alone = [engine.predict([text])[0] for text in TEXTS]
    assert [replace(one, ms=0) for one in together] == [replace(one, ms=0) for one in alone]
    first = next(row for row, one in enumerate(together) if one.task == TASKS[row])
    rival = next(task for task in engine.tasks if task != TASKS[first])
    (given,) = engine.predict(TEXTS[first : first + 1], task=TASKS[first])
    assert (given.task, given.label) == (TASKS[first], together[first].label)
    (other,) = engine.predict(TEXTS[first : first + 1], task=rival)
    assert given.margin is not None
    assert other.margin is not None
    assert given.margin > 0 > other.margin


def test_certificates_count_what_the_bundle_answers(
    tiny_workspace: Path, lookup: str, bundle: Bundle
) -> None:
    """The engine knows the held-out inputs; what is certified of them does not, so it counts no
    fewer errors but for an input or so.
    """
    workspace, engine = WorkspaceFolder(tiny_workspace), Engine(bundle)
    for task in bundle.manifest.tasks:
        held_out = workspace.held_out(task.name)
        found = engine.predict(held_out.inputs)
        wrong = sum(one.task != task.name for one in found)
        certificate = task.certificate
        assert certificate.held_out == len(found) > 0
        assert wrong - 1 <= certificate.errors < certificate.held_out / 2
        assert certificate.own <= certificate.held_out
        assert 0 < task.false_reject_rate < 1
        rejected = sum(one.unknown and one.task == task.name for one in found)
        assert rejected - 1 <= certificate.own_rejected
        assert len(task.calibration.thresholds) == 9
        # what does not read the trunk accepts nothing there: the tail is always asked
        assert (task.calibration.accepted < 0) == (lookup != DEFAULT)


def test_a_dial_at_answer_time_calls_more_unknown(bundle: Bundle) -> None:
    engine, foreign = Engine(bundle), ["wing", "one of one of one", "slice icing", "very very"]
    few, many = (
        sum(one.unknown for one in engine.predict(TEXTS + foreign, false_reject=rate))
        for rate in (0.01, 0.3)
    )
    assert few <= many


def test_a_stream_follows_its_task(bundle: Bundle) -> None:
    session = Session(Engine(bundle))
    assert [session.predict(text).task for text in (TEXTS[1], TEXTS[2])] == ["animals", "animals"]
    assert [session.predict(text).task for text in (TEXTS[0], TEXTS[3])][-1] == "colors"


def test_drift_is_counted(bundle: Bundle) -> None:
    monitor = Monitor(bundle.manifest)
    monitor.see(Engine(bundle).predict(TEXTS))
    assert monitor.counters()["thin margins"].inputs == len(TEXTS)


def test_a_report_shows_every_class_on_its_map(bundle: Bundle) -> None:
    contents = of_bundle(bundle)
    assert contents.lookup == bundle.manifest.lookup
    assert {(one.task, one.label) for one in contents.clusters.points} == {
        (task.name, label) for task in bundle.manifest.tasks for label in task.classes
    }


def test_simpler_lookups_ship_fewer_bytes(all_bundles: dict[str, Bundle]) -> None:
    sizes = [
        max(task.signature.size for task in bundle.manifest.tasks)
        for bundle in all_bundles.values()
    ]
    assert sizes == sorted(sizes)


def test_the_workspaces_own_lookup_is_taken_where_none_is_asked_for(
    tiny_folder: Path, tmp_path: Path
) -> None:
    from made import make_texts

    from cfedge.train.examples.examples import Examples
    from cfedge_export.make_backbone import make_backbone

    workspace = make_backbone(
        tmp_path / "ws", "local", folder=tiny_folder, split=2, lookup="nearest-mean"
    )
    for task in ("colors", "animals"):
        texts, labels = zip(*make_texts(task, 12, seed=0), strict=True)
        learn(
            workspace, task, Examples(texts, labels, task),
            settings=Settings(method="closed-form", threads=1),
        )  # fmt: skip
    opened = WorkspaceFolder(tmp_path / "ws")
    assert opened.lookup == "nearest-mean"
    assert certificates(opened).tasks["colors"].tail_share == 1.0
    assert build(opened).manifest.lookup == "nearest-mean"
    assert build(opened, lookup=DEFAULT).manifest.lookup == DEFAULT


def test_the_default_is_not_written_in_a_workspace(tiny_workspace: Path) -> None:
    content = json.loads((tiny_workspace / "workspace.json").read_bytes())
    assert "lookup" not in content
    assert WorkspaceFolder(tiny_workspace).lookup == DEFAULT


def test_a_lookup_that_is_not_there_is_refused(tiny_workspace: Path) -> None:
    refused = "lookup: expected one of nearest-mean, lda, class-clusters, found 'oracle'"
    with pytest.raises(UsageError, match=refused):
        build(WorkspaceFolder(tiny_workspace), lookup="oracle")
    with pytest.raises(UsageError, match=refused):
        BackboneRequest(lookup="oracle")


def test_a_share_of_third_stages_is_refused_where_there_is_none(tiny_workspace: Path) -> None:
    for name in ("lda", "nearest-mean"):
        with pytest.raises(UsageError, match="tail share: expected none with a lookup that runs"):
            build(WorkspaceFolder(tiny_workspace), lookup=name, tail_share=0.2)


def test_a_workspace_of_a_lookup_that_is_not_there_is_refused(tiny_workspace: Path) -> None:
    from cfedge.train.workspace.index import Index

    path = tiny_workspace / "workspace.json"
    index = Index.parsed(path.read_bytes(), "index")
    path.write_bytes(replace(index, lookup="oracle").dumped())
    with pytest.raises(WorkspaceError, match="lookup 'oracle' where nearest-mean, lda"):
        WorkspaceFolder(tiny_workspace)


def test_a_bundle_that_names_another_lookup_than_its_signatures_is_refused(
    all_bundles: dict[str, Bundle],
) -> None:
    for mine, bundle in all_bundles.items():
        for other in LOOKUPS:
            if other == mine or (mine, other) == ("nearest-mean", "lda"):
                continue
            turned = Bundle(replace(bundle.manifest, lookup=other), bundle.objects)
            with pytest.raises(IncompatibleError, match="signature of task"):
                Engine(turned)


def test_a_channel_keeps_its_lookup_and_a_device_answers_by_it(
    all_bundles: dict[str, Bundle], tmp_path: Path
) -> None:
    bundle = all_bundles["lda"]
    site = tmp_path / "hq"
    new_site(site, "hq", bundle)
    index = Repository(site / "repo").index("stable")
    assert index is not None
    assert index.lookup == "lda"
    store = new_store(site, tmp_path / "store")
    done = sync(store, Folder(site / "repo"), now=lambda: NOW, probing=no_probe)
    assert done.added == ("animals", "colors")
    engine = Engine.open(store.folder)
    assert engine.manifest.lookup == "lda"
    assert [one.task for one in engine.predict(TEXTS)] == TASKS
    folder = written(all_bundles[DEFAULT], tmp_path / "other")
    with pytest.raises(
        IncompatibleError,
        match=r"channel 'stable': expected tasks for its lookup lda, found class-clusters in the"
        r" bundle; export again with --lookup lda",
    ):
        publish(folder, site / "repo", Keys(site / "keys"), now=NOW)


def test_sites_of_one_lookup_merge_and_of_two_do_not(
    all_bundles: dict[str, Bundle], tmp_path: Path
) -> None:
    for name, lookup, task in (
        ("hq", "lda", "animals"), ("lab", "lda", "colors"), ("far", DEFAULT, "colors"),
    ):  # fmt: skip
        new_site(tmp_path / name, name, only(all_bundles[lookup], task))

    def merged(there: str) -> object:
        return merge(
            tmp_path / "hq" / "repo", Keys(tmp_path / "hq" / "keys"), Folder(tmp_path / there / "repo"),
            Repository(tmp_path / there / "repo").root(), now=NOW, wait=lambda seconds: None,
        )  # fmt: skip

    with pytest.raises(IncompatibleError, match="expected tasks for its lookup lda, found class"):
        merged("far")
    merged("lab")
    store = new_store(tmp_path / "hq", tmp_path / "store")
    sync(store, Folder(tmp_path / "hq" / "repo"), now=lambda: NOW, probing=no_probe)
    engine = Engine.open(store.folder)
    assert engine.tasks == ("animals", "colors")
    assert [one.task for one in engine.predict(TEXTS)] == TASKS


def test_the_default_lookup_is_not_written_in_a_channels_index_and_another_must_be_known(
    tiny_site: Path,
) -> None:
    index = Repository(tiny_site / "repo").index("stable")
    assert index is not None
    assert b"lookup" not in index.bytes()
    assert parse_index(index.bytes(), "stable").lookup == DEFAULT
    lda = replace(index, lookup="lda").bytes()
    assert parse_index(lda, "stable").lookup == "lda"
    with pytest.raises(SchemaError, match=r"index\.lookup: expected one of nearest-mean, lda"):
        parse_index(replace(index, lookup="oracle").bytes(), "stable")
    stated = index.bytes().replace(b'"margins"', b'"lookup":"class-clusters","margins"', 1)
    with pytest.raises(SchemaError, match="expected canonical JSON, found another form"):
        parse_index(stated, "stable")


def test_tasks_without_an_adapter_share_the_frozen_run(
    tiny_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lookup of the whole encoder runs the tail once for lookup, unknown and label together."""
    workspace = WorkspaceFolder(tiny_workspace)
    from made import make_texts

    from cfedge.train.examples.examples import Examples

    for task in ("colors", "animals"):
        texts, labels = zip(*make_texts(task, 24, seed=0), strict=True)
        learn(
            workspace, task, Examples(texts, labels, task), replace=True,
            settings=Settings(method="closed-form", threads=1),
        )  # fmt: skip
    bundle = build(workspace, lookup="lda")
    engine = Engine(bundle)
    tail, rows = engine.opened.encoder.tail, []
    run = type(tail).__call__

    def counted(self: object, hidden: list[object], slots: list[object]) -> object:
        rows.append(len(hidden))
        return run(self, hidden, slots)

    monkeypatch.setattr(type(tail), "__call__", counted)
    found = engine.predict(TEXTS)
    assert sum(rows) == len(TEXTS)
    assert [one.task for one in found] == TASKS
    rows.clear()
    monkeypatch.setattr(Adapter, "changes_nothing", False)
    apart = Engine(bundle).predict(TEXTS)  # through the adapter's own slots: the same bits
    assert sum(rows) > len(TEXTS)
    assert [replace(one, ms=0) for one in apart] == [replace(one, ms=0) for one in found]
