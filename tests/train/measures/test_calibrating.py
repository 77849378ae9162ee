"""How many known inputs the trunk alone accepts, and what it must not let pass."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from cfedge.lookup.familiarity import Terms
from cfedge.lookup.ood import tail_score, trunk_score
from cfedge.train.certify.routing import routed
from cfedge.train.certify.shipped import shipped
from cfedge.train.measures.calibrating import calibrations, terms_of
from cfedge.train.measures.pseudo_unknown import pseudo_unknown_terms
from cfedge.train.workspace.folder import WorkspaceFolder


def _accepted(
    terms: dict[str, np.ndarray], pseudo_unknown: dict[str, np.ndarray] | None = None
) -> dict[str, float]:
    """Of each task's inputs, the share that the trunk accepts."""
    rules = calibrations(terms, pseudo_unknown)
    return {
        name: float(
            np.mean(
                [
                    trunk_score(rules[name], Terms(0.0, *row[:2])) <= rules[name].accepted
                    for row in own
                ]
            )
        )
        for name, own in terms.items()
    }


def test_the_trunk_accepts_seven_tenths_of_all_known_inputs() -> None:
    rng = np.random.default_rng(0)
    found = _accepted({name: rng.normal(size=(500, 5)) for name in "abcd"})
    assert abs(np.mean(list(found.values())) - 0.7) < 0.01


def test_of_one_task_the_trunk_accepts_eight_tenths_at_most() -> None:
    rng = np.random.default_rng(0)
    terms = {name: rng.normal(size=(500, 5)) for name in "abc"}
    terms["near"] = rng.normal(size=(500, 5)) - 5
    assert abs(_accepted(terms)["near"] - 0.8) < 0.01


def test_the_trunk_accepts_as_many_as_the_other_tasks_inputs_allow() -> None:
    rng = np.random.default_rng(0)
    terms = {name: rng.normal(size=(500, 5)) for name in "abcd"}
    # Behind the trunk like an input on the .75 quantile, and strange behind the tail.
    between, strange = np.full((200, 5), 0.95 / 2), np.full((200, 5), 9.0)
    between[:, 2:] = 9.0
    far = dict.fromkeys("abcd", strange)
    few = {**far, "a": np.concatenate([strange[:197], between[:3]])}
    some = {**far, "a": np.concatenate([strange[:190], between[:10]])}
    like_known = {**far, "a": np.zeros((200, 5))}  # which the whole rule knows too
    for pseudo_unknown, share in (
        (far, 0.9),
        (few, 0.9),
        (some, 0.7),
        (like_known, 0.9),
        ({}, 0.7),
    ):
        found = _accepted(terms, pseudo_unknown)
        assert abs(np.mean(list(found.values())) - share) < 0.02


def test_a_pseudo_unknown_input_is_compared_with_the_task_that_would_get_it(
    tiny_workspace: Path,
) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    made = shipped(workspace)
    router, matches = routed(made, workspace.background())
    found = pseudo_unknown_terms(router, matches, made.held_out)
    first, second = sorted(matches)  # of two tasks each is the other's rival, right or wrong
    position = {name: at for at, name in enumerate(router.tasks)}
    for own, rival in ((first, second), (second, first)):
        expected = terms_of(router, made.held_out[own], position[rival])
        np.testing.assert_array_equal(found[rival], expected)
    nobody = np.full_like(matches[first].task, -1)
    alone = dataclasses.replace(matches[first], task=nobody + 1, runner_up=nobody)
    lookup = made.rule.router({first: made.signatures[first]})
    assert pseudo_unknown_terms(lookup, {first: alone}, made.held_out) == {}


def test_one_held_out_input_has_units_in_which_every_term_counts() -> None:
    own = np.array([[-1.0, 52.0, 0.44, -6.7, 29.0]])
    rule = calibrations({"only": own})["only"]
    assert rule.scales == (1.0, 1.0, 0.01, 1.0, 1.0)
    foreign = np.add(own, [0.0, 0.0, 0.5, 0.0, 0.0])  # strange by its cosine alone
    near = np.add(own, [0.0, 0.0, 0.0, 3.0, 0.0])
    known, strange, odd = (
        tail_score(rule, Terms(0.0, *row[0, :2]), Terms(*row[0, 2:]))
        for row in (own, foreign, near)
    )
    assert known <= rule.thresholds[0] < odd < strange
