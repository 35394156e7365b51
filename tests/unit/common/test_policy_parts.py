"""Parts of a generation: a promise of a clock of their own, which they have not, is found."""

from typing import Any

import pytest

from tests.unit.common.test_policy_forms import findings

ALIKE = {"free": "P7D", "basic": "P30D", "standard": "P60D", "pro": "P90D"}


@pytest.mark.parametrize(
    ("category", "keep", "why"),
    [
        ("output.thumbnail", {"from": "completed", "exactly": {**ALIKE, "free": "P1D"}}, "its periods are others"),
        ("output.thumbnail", {"from": "completed", "exactly": {**ALIKE, "pro": "P91D"}}, "its periods are others"),
        ("content.prompt", {"from": "created", "at_most": "P10D"}, "is promised to be gone after P10D, and P90D + grace PT24H"),
        ("content.reference_url", {"from": "created", "at_most": "P93D"}, "P90D + grace PT24H + forgetting horizon P3D is longer"),
        ("content.generation", {"from": "created", "at_most": "P20D"}, "is promised to be gone after P20D"),
        ("output.thumbnail", {"until": "deleted_by_user", "at_most": "P30D"}, "counts from deleted_by_user, and that from completed"),
    ],
)  # fmt: skip
def test_a_part_with_another_promise_than_its_video_is_found(category: str, keep: dict[str, Any], why: str) -> None:
    (found,) = findings({category: keep})

    assert (found.rule, found.place) == ("unkept-part", f"data.{category}.keep")
    assert found.clauses
    assert why in found.sentence
    assert found.advice == "Write keep: {with: output.video}, or the same periods."


@pytest.mark.parametrize(
    ("category", "keep"),
    [
        ("output.thumbnail", {"with": "output.video"}),
        ("content.prompt", {"with": "output.thumbnail"}),
        ("content.prompt", {"from": "completed", "exactly": ALIKE}),
        ("content.prompt", {"from": "created", "at_most": "P94D"}),
        ("content.prompt", {"until": "account_closed", "at_most": "P30D"}),
    ],
)
def test_a_part_that_goes_by_then_in_any_case_is_fine(category: str, keep: dict[str, Any]) -> None:
    assert findings({category: keep}) == []


def test_what_its_owner_deletes_goes_at_once_with_all_its_parts() -> None:
    until_deleted = {"until": "deleted_by_user", "at_most": "P10D"}

    assert findings({"content.prompt": {**until_deleted, "at_most": "P9D"}}, profile="videogen") == []
    found = findings({"content.prompt": {"from": "created", "at_most": "P10D"}}, profile="videogen")
    assert [one.rule for one in found] == ["unkept-part"]


def test_of_a_longest_period_of_the_video_what_its_margin_leaves_counts() -> None:
    longest = {"from": "completed", "at_most": "P40D"}
    alike = {"output.video": longest, "output.thumbnail": longest}

    assert findings({**alike, "content.prompt": longest}) == []
    assert [one.place for one in findings({**alike, "content.prompt": {"from": "created", "at_most": "P39D"}})] == [
        "data.content.prompt.keep"
    ]
