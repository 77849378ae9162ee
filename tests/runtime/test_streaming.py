"""Streams: the filter against its definition, and sessions over the tiny bundle's tasks."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from made import make_texts
from tiny import cloned

from cfedge import Engine, Prediction, Session
from cfedge.bundle.files import read
from cfedge.errors import InputError, UsageError
from cfedge.lookup import decide
from cfedge.lookup.router import CANDIDATES
from cfedge.margins import Margins
from cfedge.runtime.stream import filtered, temperature

TEXTS = [text for task in ("colors", "animals") for text, _ in make_texts(task, 6, seed=5)]
STRANGER = "of of of of of of the the"


@pytest.fixture
def engine(tiny_bundle: Path) -> Engine:
    return Engine.open(tiny_bundle)


def timeless(one: Prediction) -> Prediction:
    return replace(one, ms=0)


def test_the_filter_is_the_sum_over_all_paths_of_the_chain() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 20, (4, 3)).astype(np.float32)
    switch, tasks, nats = 0.3, 3, 7.0
    by_paths = np.zeros(tasks)
    for path in product(range(tasks), repeat=len(scores) + 1):
        weight = 1 / tasks
        for before, after, row in zip(path, path[1:], scores, strict=False):
            weight *= (1 - switch) * (before == after) + switch / tasks
            weight *= math.exp(float(row[after]) / nats)
        by_paths[path[-1]] += weight
    posterior = np.full(tasks, 1 / tasks)
    for row in scores:
        posterior = filtered(posterior, row, switch=switch, temperature=nats)
    np.testing.assert_allclose(posterior, by_paths / by_paths.sum(), rtol=1e-12)


def test_the_filter_survives_scores_of_any_size() -> None:
    with np.errstate(all="raise"):
        sure = filtered(
            np.array([0.5, 0.5]), np.array([-1e30, 1e30], np.float32), switch=0.05, temperature=1.0
        )
        back = filtered(sure, np.array([5e4, 0.0], np.float32), switch=1e-300, temperature=1.0)
    assert sure.tolist() == [0.0, 1.0]
    assert back.tolist() == [1.0, 0.0]


def test_at_the_temperature_scores_are_wrong_as_often_as_the_lookup_was(engine: Engine) -> None:
    tasks = tuple(
        replace(one, certificate=replace(one.certificate, held_out=1_000, errors=errors))
        for one, errors in zip(engine.manifest.tasks, (10, 30), strict=True)
    )
    manifest = replace(engine.manifest, tasks=tasks, margins=Margins(40.0, second_share=0.3))
    found = temperature(manifest)
    margins = np.linspace(
        0, 40 / 0.3, 200_001
    )  # evenly spread, so that their share below 40 is the stated one
    assert np.mean(1 / (1 + np.exp(np.minimum(margins / found, 700)))) == pytest.approx(
        41 / 2_002, rel=1e-3
    )
    assert temperature(replace(manifest, margins=Margins())) == 1.0
    untested = tuple(
        replace(one, certificate=replace(one.certificate, held_out=0, errors=0)) for one in tasks
    )
    assert temperature(replace(manifest, tasks=untested)) == 1.0


def test_a_stream_that_keeps_nothing_answers_as_the_engine_does(engine: Engine) -> None:
    session = Session(engine, switch=1.0)
    texts = [*TEXTS, STRANGER]
    assert [timeless(session.predict(text)) for text in texts] == [
        timeless(one) for one in engine.predict(texts)
    ]


def test_a_first_text_is_answered_as_the_engine_does(engine: Engine) -> None:
    for text, alone in zip(TEXTS, engine.predict(TEXTS), strict=True):
        assert timeless(Session(engine).predict(text)) == timeless(alone)


def test_a_text_between_two_tasks_goes_to_the_one_of_the_stream(engine: Engine) -> None:
    between, text = min(
        zip(engine.predict(TEXTS), TEXTS, strict=True), key=lambda pair: pair[0].margin or 0.0
    )
    other = between.runner_up
    assert other is not None
    session = Session(engine, switch=1e-6)
    sure = [
        one
        for one in TEXTS
        if (alone := engine.predict([one])[0]).task == other and not alone.unknown
    ]
    for one in sure * 5:
        session.predict(one)
    assert session.posterior[other] > 0.999
    answer = session.predict(text)
    given = engine.predict([text], task=other)[0]
    assert timeless(answer) == timeless(given)
    assert answer.task == other != between.task


def test_a_stream_that_changes_its_task_is_followed(engine: Engine) -> None:
    session = Session(engine)
    known = [(one, found.task) for one in TEXTS if not (found := engine.predict([one])[0]).unknown]
    for task in ("colors", "animals", "colors"):
        for text in [one for one, found in known if found == task] * 3:
            session.predict(text)
        assert max(session.posterior, key=session.posterior.__getitem__) == task


def test_a_text_that_is_unknown_alone_leaves_the_stream_as_it_was(engine: Engine) -> None:
    session = Session(engine)
    session.predict(TEXTS[0])
    before = session.posterior
    for one in engine.opened.tasks.values():
        object.__setattr__(one.task, "threshold", -1e9)
    assert session.predict(TEXTS[-1]).unknown
    assert session.posterior == before


def test_a_text_that_cannot_be_answered_leaves_the_stream_as_it_was(engine: Engine) -> None:
    session = Session(engine)
    session.predict(TEXTS[0])
    before = session.posterior
    with pytest.raises(InputError, match="an empty one"):
        session.predict("")
    for one in engine.opened.tasks.values():
        engine.adapters(one.task).bias.fill(np.nan)
    with pytest.raises(InputError, match="expected finite numbers"):
        session.predict(TEXTS[1])
    assert session.posterior == before


def test_streams_of_one_engine_know_nothing_of_each_other(engine: Engine) -> None:
    first, second = Session(engine), Session(engine)
    alone = [timeless(first.predict(text)) for text in TEXTS]
    first, second = Session(engine), Session(engine)
    mixed = []
    for text in TEXTS:
        mixed.append(timeless(first.predict(text)))
        second.predict(TEXTS[-1])
    assert mixed == alone


def test_scores_put_the_tasks_that_were_not_looked_at_again_behind_the_others(
    tiny_bundle: Path,
) -> None:
    names = [f"paint{number:02}" for number in range(CANDIDATES)]
    engine = Engine(cloned(read(tiny_bundle), "colors", *names))
    row = engine.opened.encoder([TEXTS[0]]).features[0]
    tail = engine.opened.encoder.frozen(engine.opened.encoder([TEXTS[0]]))[0]
    for stages, deep in ((2, None), (3, tail)):
        evidence = engine.router.refine(engine.router.begin(row))
        if deep is not None:
            evidence = engine.router.deepen(evidence, deep)
        assert evidence.stages == stages
        scores, found = engine.router.task_scores(evidence), decide(evidence)
        assert scores.shape == (CANDIDATES + 2,)
        assert scores[found.task] == scores.max()
        assert evidence.closer is not None
        among = np.array(list(evidence.closer.scores))
        rest = np.setdiff1d(np.arange(len(scores)), among)
        assert len(rest) >= 2
        assert scores[rest].max() <= scores[among].min()
        np.testing.assert_allclose(scores.max() * (stages - 1), found.score, rtol=1e-6)


@pytest.mark.parametrize("switch", [0.0, -0.1, 1.1, math.nan])
def test_a_switch_that_is_no_probability_is_refused(engine: Engine, switch: float) -> None:
    with pytest.raises(UsageError, match=r"switch: expected a probability in \(0, 1\], found"):
        Session(engine, switch=switch)
