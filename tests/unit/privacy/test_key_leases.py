import pytest

from lethe_common.policy import load_policy
from lethe_common.purposes import Standing, Uses, uses_of
from lethe_common.rpc.privacy import Purpose
from lethe_common.services import Service
from lethe_privacy.leases import ALLOWED, OPENS, is_allowed, is_use, refusal_of
from tests.tree import ROOT


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("caller", Service)
def test_only_the_listed_pairs_of_service_and_purpose_open_anything(caller: Service, purpose: Purpose) -> None:
    listed = {
        Service.GATEWAY: {Purpose.SIGN_IN, Purpose.SHOW, Purpose.MAIL, Purpose.SERVE},
        Service.JOBS: {Purpose.GENERATE, Purpose.STORE},
    }

    assert is_allowed(caller, purpose) is (purpose in listed.get(caller, set()))


def test_every_purpose_serves_somebody() -> None:
    assert {purpose for _, purpose in ALLOWED} == set(Purpose)


def test_only_an_active_subject_is_not_refused() -> None:
    assert refusal_of("active") is None
    assert refusal_of("fenced") == refusal_of("erased") == "subject_fenced"
    assert refusal_of(None) == "subject_unknown"


@pytest.mark.parametrize("profile", sorted(file.parent.name for file in ROOT.glob("deploy/profiles/*/policy.yaml")))
@pytest.mark.parametrize("purpose", Purpose)
def test_each_shipped_policy_allows_what_the_service_itself_needs(purpose: Purpose, profile: str) -> None:
    uses = uses_of(load_policy(ROOT / "deploy/profiles" / profile))

    assert is_use(uses, purpose, Standing())
    assert not is_use(uses, purpose, Standing(is_fenced=True))


@pytest.mark.parametrize("purpose", Purpose)
def test_a_purpose_opens_nothing_when_the_policy_takes_one_of_its_uses_away(purpose: Purpose) -> None:
    whole = uses_of(load_policy(ROOT / "deploy/profiles/aisora2"))
    for category, use in OPENS[purpose]:
        less = {**whole.by_category, category: whole.by_category[category] - {use}}

        assert not is_use(Uses(less, whole.defaults), purpose, Standing())
