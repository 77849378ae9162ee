from __future__ import annotations

from pathlib import Path

import pytest
from fleet import run

from cfedge.bundle.files import read


@pytest.mark.slow
def test_every_device_ends_on_the_last_good_state_and_none_ever_serves_a_wrong_or_missing_task(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    found = run(tmp_path, read(tiny_bundle), devices=8, cut_share=0.05, workers=4)
    assert found["complaints"] == []
    assert found["ended_on_the_last_good_state"] == 8
    states = found["on_the_state_expected"]
    assert isinstance(states, dict)
    assert states["first state"] == states["bad task for a quarter"] == states["taken back"] == 8
    assert states["good state for half"] == found["took_part_in_the_good_rollout"]
    assert found["refused_the_bad_task"] == found["took_part_in_the_bad_rollout"]
    assert found["syncs"] == 5 * 8
    assert isinstance(found["answers_cut"], int)
    assert found["answers_cut"] > 0
