"""Ways of saying how long something is kept: what nothing here keeps is found, with what to write instead."""

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from lethe_common.policy.document import PolicyFile
from lethe_common.policy.lint import Finding, lint
from lethe_common.policy.source import Reading
from lethe_common.policy.trees import Keyed
from tests.unit.common.policy_files import PROFILES

ON = date(2026, 11, 25)
BY_PLAN = {"free": "P400D", "basic": "P400D", "standard": "P400D", "pro": "P400D"}


def findings(keeps: dict[str, dict[str, Any]], profile: str = "aisora2") -> list[Finding]:
    """What the linter finds in a profile whose categories are kept like this instead."""
    file = YAML(typ="safe").load((PROFILES / profile / "policy.yaml").read_text())
    for category, keep in keeps.items():
        file["data"][category]["keep"] = keep
    return lint(Reading("policy.yaml", PolicyFile.model_validate(file), "", Keyed()), ON)


@pytest.mark.parametrize(
    ("category", "keep", "instead"),
    [
        *(
            (category, {"from": "created", "exactly": BY_PLAN}, "at_most")
            for category in ("access.log", "support.ticket", "technical.log", "export.archive", "mail.queue", "upload.image")
        ),
        *(
            (category, {"from": "created", "at_least": "P400D"}, "at_most")
            for category in ("access.log", "support.ticket", "technical.log", "identity.email", "payment.raw")
        ),
        *(
            (category, {"from": "created", "exactly": dict.fromkeys(BY_PLAN, "P2000D")}, "at_least or at_most")
            for category in ("consent.record", "erasure.record", "hold.record", "register.record", "disclosure.record")
        ),
        ("ledger.transfer", {"from": "created", "exactly": dict.fromkeys(BY_PLAN, "P2600D")}, "at_least or at_most"),
        ("output.video", {"from": "completed", "at_least": "P1Y"}, "exactly or at_most"),
        ("output.video", {"from": "completed", "at_most": "P2Y", "at_least": "P1Y"}, "exactly or at_most"),
    ],
)  # fmt: skip
def test_a_form_that_nothing_keeps_is_found_with_what_to_write_instead(
    category: str, keep: dict[str, Any], instead: str
) -> None:
    form = next(name for name in ("exactly", "at_least", "at_most") if name in keep)

    (found,) = [one for one in findings({category: keep}) if one.rule == "unkept-form"]

    assert found.place == f"data.{category}.keep.{form}"
    assert found.clauses
    assert found.sentence == f"{category} is promised {form}, which nothing here keeps: what ends it goes by {instead}."
    assert found.advice == f"Write {instead} instead of {form}."


def test_an_act_of_destruction_has_no_exact_period() -> None:
    keep = {"from": "created", "exactly": {"prepaid": "P1200D"}}

    assert "unkept-form" in {one.rule for one in findings({"destruction.act": keep}, profile="videogen")}


@pytest.mark.parametrize(
    ("category", "keep"),
    [
        ("hold.record", {"until": "hold_ended", "at_most": "P2Y"}),
        ("consent.record", {"until": "account_closed", "at_most": "P2Y"}),
        ("support.ticket", {"until": "account_closed", "at_most": "P30D"}),
        ("access.log", {"from": "created", "at_most": "P90D"}),
    ],
)
def test_what_is_kept_like_this_is_kept(category: str, keep: dict[str, Any]) -> None:
    assert findings({category: keep}) == []


def test_a_minimum_beside_an_exact_period_is_kept_with_it() -> None:
    keep = {"from": "completed", "exactly": BY_PLAN, "at_least": "P1Y"}

    assert findings({"output.video": keep, "output.thumbnail": keep}) == []


def test_a_minimum_has_to_end_before_the_longest_period_with_all_that_comes_after_it() -> None:
    (found,) = findings({"hold.record": {"from": "hold_ended", "at_least": "P365D", "at_most": "P1Y"}})

    assert found.rule == "cannot-be-kept"
    assert "but at_least P365D + grace PT24H + backups P14D is longer" in found.sentence


@pytest.mark.parametrize(
    ("keep", "told"),
    [
        ({"exactly": {**BY_PLAN, "pro": "P90D"}, "at_least": "P1Y"}, "exactly is shorter than at_least"),
        ({"exactly": BY_PLAN, "at_most": "P1Y"}, "exactly is longer than at_most"),
        ({"at_least": "P1.5Y"}, "P18M instead of P1.5Y"),
        ({"at_least": "P2.5M"}, "whole numbers"),
        ({"at_most": "P0.5Y"}, "whole numbers"),
    ],
)
def test_periods_that_contradict_one_another_or_cannot_be_counted_are_refused(keep: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        findings({"output.video": {"from": "completed", **keep}})
