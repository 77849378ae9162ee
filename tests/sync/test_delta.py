"""Deltas: they pay for weights that moved a little, and never make a device unpack or believe more
than the file.
"""

from __future__ import annotations

import lzma
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from channels import NOW, Site, backbone, no_probe
from every import cases

from cfedge.bundle.fileref import FileRef
from cfedge.bundle.files import reference
from cfedge.catalogue.view import view
from cfedge.store import Store
from cfedge.sync.client import sync
from cfedge.sync.delta import MIN_BYTES, apply, make
from cfedge.sync.transport import Folder


def moved(old: bytes, share: float, rng: np.random.Generator) -> bytes:
    weights = np.frombuffer(old, np.int8)
    return (
        weights
        + (rng.random(len(weights)) < share) * rng.choice(np.array([-1, 1], np.int8), len(weights))
    ).tobytes()


@cases("more", [-5000, 0, 5000])
def test_weights_that_moved_a_little_come_back_byte_for_byte_from_a_small_delta(more: int) -> None:
    rng = np.random.default_rng(0)
    old = rng.normal(0, 30, MIN_BYTES + 5000).astype(np.int8).tobytes()
    new = moved(old, 0.05, rng)
    new = new + rng.bytes(more) if more >= 0 else new[:more]
    delta = make(old, new)
    assert delta is not None
    assert len(delta) < len(new) / 5
    assert apply(old, delta, len(new)) == new


def test_a_delta_that_does_not_pay_is_not_made() -> None:
    rng = np.random.default_rng(0)
    old = rng.bytes(MIN_BYTES)
    assert make(old, rng.bytes(MIN_BYTES)) is None
    half = bytearray(old)
    half[::2] = rng.bytes(MIN_BYTES // 2)
    assert make(old, bytes(half)) is None  # half of the bytes stay, and the rest says too much
    assert make(old, old[: MIN_BYTES - 1]) is None
    assert make(b"", old) is None


def test_a_delta_that_unpacks_to_more_than_the_file_is_given_up_early() -> None:
    bomb = lzma.compress(bytes(1 << 26), preset=0)
    assert len(bomb) < 1 << 16
    assert apply(b"x" * 100, bomb, 100) is None


@cases(
    "delta",
    [
        b"",
        b"no xz",
        lzma.compress(b"short", preset=0),
        lzma.compress(bytes(100), preset=0)[:-1],
        lzma.compress(bytes(100), format=lzma.FORMAT_ALONE, preset=0),
    ],
)
def test_what_is_no_delta_gives_nothing(delta: bytes) -> None:
    assert apply(b"x" * 100, delta, 100) is None


@pytest.fixture(scope="module")
def trunks() -> tuple[bytes, bytes, bytes]:
    """A trunk, what it was trained to, and the delta between them."""
    rng = np.random.default_rng(0)
    old = rng.normal(0, 30, MIN_BYTES).astype(np.int8).tobytes()
    new = moved(old, 0.05, rng)
    delta = make(old, new)
    assert delta is not None
    return old, new, delta


@pytest.fixture
def trained_on(
    trunks: tuple[bytes, bytes, bytes], tmp_path: Path
) -> tuple[Site, Store, FileRef, FileRef, bytes]:
    """A site whose backbone was trained on a little, a device that has the old one, and the delta
    between the trunks.
    """
    site, (*both, delta) = Site(tmp_path / "site"), trunks
    for step, data in enumerate(both):
        record, files = backbone()
        old = view(site.entries()).backbone
        assert old is not None
        record = replace(record, name=f"large-{step}", trunk=reference(data))
        site.append(
            "backbone", record.name, record, {**files, record.trunk.sha256: data}, replaces=[old]
        )
        site.teach("lights")
        if not step:
            store, before = site.store(tmp_path / "store"), record.trunk
            sync(store, Folder(site.repo), now=lambda: NOW, probing=no_probe)
    return site, store, before, record.trunk, delta


def test_a_device_that_has_the_old_file_fetches_the_delta_alone(
    trained_on: tuple[Site, Store, FileRef, FileRef, bytes],
) -> None:
    site, store, old, new, delta = trained_on
    site.repository.hint(old, new, delta)
    done = sync(store, Folder(site.repo), now=lambda: NOW, probing=no_probe)
    assert (store.objects / new.sha256).stat().st_size == new.size
    assert done.fetched_bytes < len(delta) + 20_000 < new.size / 4
    store.bundle(store.to_open())


@pytest.mark.parametrize("attack", ["none", "noise", "another file", "endless"])
def test_without_a_good_delta_the_whole_file_is_fetched(
    trained_on: tuple[Site, Store, FileRef, FileRef, bytes], attack: str
) -> None:
    site, store, old, new, _ = trained_on
    forged = {
        "noise": b"noise",
        "another file": lzma.compress(bytes(new.size)),
        "endless": bytes(new.size + 1),
    }
    if attack in forged:
        site.repository.hint(old, new, forged[attack])
    assert (
        sync(store, Folder(site.repo), now=lambda: NOW, probing=no_probe).fetched_bytes >= new.size
    )
    store.bundle(store.to_open())
