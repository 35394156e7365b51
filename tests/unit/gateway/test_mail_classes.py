"""Each kind of mail belongs to a class of the policy; without one it is not sent."""

from pathlib import Path

import pytest

from lethe_common.policy import load_policy
from lethe_gateway.mail_classes import Class, class_of
from tests.unit.common.policy_files import shipped_policy, written

KINDS = ("password_reset", "verify_email", "deletion_notice", "policy_change")


@pytest.mark.parametrize("template", KINDS)
@pytest.mark.parametrize("name", ["aisora2", "soframe", "soragpt", "videogen"])
def test_what_an_account_needs_cannot_be_declined(name: str, template: str) -> None:
    assert class_of(shipped_policy(name), template) == Class("account", "service", is_declinable=False)


@pytest.mark.parametrize("template", KINDS)
def test_a_policy_that_knows_purchases_only_sends_nothing_else(template: str) -> None:
    assert class_of(shipped_policy("imageshop"), template) is None


@pytest.mark.parametrize("default", ["opt_in", "opt_out"])
def test_a_class_names_its_mails_and_its_purpose_says_whether_they_can_be_declined(
    tmp_path: Path, default: str
) -> None:
    news = 'text: {en: "telling you of new features and products"}\n    default: '
    mails = ("marketing: {purpose: marketing,", "marketing: {purpose: marketing, mails: [deletion_notice],")
    written(tmp_path, (f"{news}opt_out", f"{news}{default}"), mails, profile="soragpt")
    policy = load_policy(tmp_path)

    assert class_of(policy, "deletion_notice") == Class("marketing", "marketing", is_declinable=True)
    assert class_of(policy, "password_reset") == Class("account", "service", is_declinable=False)
