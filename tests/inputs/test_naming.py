from __future__ import annotations

from every import cases

from cfedge.inputs.text.naming import suggested

WEATHER = ["will it rain today", "is rain coming tomorrow", "how much rain fell"]
OTHER = ["open the door today", "close the door tomorrow", "how much is it"]


@cases(
    ("group", "others", "expected"),
    [
        (WEATHER, OTHER, "rain"),
        (["pay my bill", "bill pay now", "i must pay a bill"], OTHER, "bill pay"),
        ([], OTHER, ""),
        (["the and of", "a is it"], OTHER, ""),
        (["!!! ???"], [], ""),
        (["<script>alert(1)</script> x"], ["y"], "alert script"),
    ],
)
def test_a_label_is_of_the_words_that_a_group_shares(
    group: list[str], others: list[str], expected: str
) -> None:
    assert suggested(group, others) == expected


def test_a_label_is_short_whatever_the_words_are() -> None:
    assert len(suggested(["a" * 10_000 + " " + "b" * 10_000], [])) <= 60
