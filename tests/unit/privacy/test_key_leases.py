import pytest

from lethe_common.identifiers import AccountId, ActId, BreachId, DisclosureId, GenerationId, RequestId
from lethe_common.policy import load_policy
from lethe_common.policy.training import TRAIN
from lethe_common.purposes import Standing, Uses, uses_of
from lethe_common.rpc.privacy import KeyClass, Purpose
from lethe_common.services import Service
from lethe_privacy.leases import (
    ALLOWED,
    IN_SPITE_OF_RESTRICTION,
    OPENS,
    STOPPED_BY_RESTRICTION,
    Gate,
    Opening,
    is_about,
    is_allowed,
    is_use,
    refusal_of,
    refusal_of_new,
    staffed,
)
from tests.tree import ROOT


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("caller", Service)
def test_only_the_listed_pairs_of_service_and_purpose_open_anything(caller: Service, purpose: Purpose) -> None:
    listed = {
        Service.GATEWAY: {
            Purpose.SIGN_IN, Purpose.SHOW, Purpose.MAIL, Purpose.SERVE, Purpose.REQUEST, Purpose.SUPPORT, Purpose.EXPORT,
            Purpose.REGISTER, Purpose.ACT, Purpose.TRAIN,
        },
        Service.JOBS: {Purpose.GENERATE, Purpose.STORE},
    }  # fmt: skip

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
    # Only the Russian law wants people named in an act of destruction; training rests on consent, where there is any.
    is_needed = purpose is not Purpose.TRAIN and (purpose is not Purpose.ACT or profile == "videogen")

    assert is_use(uses, purpose, Standing()) is is_needed
    assert not is_use(uses, purpose, Standing(consents={TRAIN}, is_fenced=True))


@pytest.mark.parametrize("profile", sorted(file.parent.name for file in ROOT.glob("deploy/profiles/*/policy.yaml")))
def test_only_where_people_are_asked_a_consent_opens_what_they_made_to_a_trainer(profile: str) -> None:
    uses = uses_of(load_policy(ROOT / "deploy/profiles" / profile))

    assert is_use(uses, Purpose.TRAIN, Standing(consents={TRAIN})) is (profile == "soragpt")


@pytest.mark.parametrize("purpose", Purpose)
def test_a_purpose_opens_nothing_when_the_policy_takes_one_of_its_uses_away(purpose: Purpose) -> None:
    profile = "soragpt" if purpose is Purpose.TRAIN else "videogen"
    whole, standing = uses_of(load_policy(ROOT / "deploy/profiles" / profile)), Standing(consents={TRAIN})
    assert is_use(whole, purpose, standing)
    for category, use in OPENS[purpose]:
        less = {**whole.by_category, category: whole.by_category[category] - {use}}

        assert not is_use(Uses(less, whole.defaults), purpose, standing)


def test_each_purpose_either_goes_on_or_stops_under_a_restriction() -> None:
    assert set(Purpose) == IN_SPITE_OF_RESTRICTION | STOPPED_BY_RESTRICTION
    assert not IN_SPITE_OF_RESTRICTION & STOPPED_BY_RESTRICTION


@pytest.mark.parametrize("purpose", Purpose)
def test_a_restriction_stops_what_it_stops(purpose: Purpose) -> None:
    policy = load_policy(ROOT / "deploy/profiles" / ("videogen" if purpose is Purpose.ACT else "soragpt"))
    gate, consents = Gate(uses_of(policy), frozenset({(TRAIN, "words")}), staffed(policy)), [f"{TRAIN}:words"]

    assert gate.lets(Opening(purpose), consents, ())
    assert gate.lets(Opening(purpose), consents, (), is_restricted=True) is (purpose in IN_SPITE_OF_RESTRICTION)


def test_a_restriction_stops_another_use_of_a_purpose_that_goes_on() -> None:
    gate = Gate(uses_of(load_policy(ROOT / "deploy/profiles/soragpt")), frozenset())

    assert gate.lets(Opening(Purpose.MAIL, "marketing"), (), ())
    assert not gate.lets(Opening(Purpose.MAIL, "marketing"), (), (), is_restricted=True)


def test_under_a_restriction_nothing_new_of_content_begins_and_the_rest_does() -> None:
    assert refusal_of_new("active", KeyClass.CONTENT, is_restricted=True) == "subject_restricted"
    assert refusal_of_new("active", KeyClass.CONTENT, is_restricted=False) is None
    assert refusal_of_new("fenced", KeyClass.CONTENT, is_restricted=True) == "subject_fenced"
    assert {kind for kind in KeyClass if refusal_of_new("active", kind, is_restricted=True)} == {KeyClass.CONTENT}


def test_the_staff_opens_nothing_where_the_policy_gives_it_no_access() -> None:
    uses = uses_of(load_policy(ROOT / "deploy/profiles/aisora2"))

    assert Gate(uses, frozenset(), frozenset({"support.ticket"})).lets(Opening(Purpose.SUPPORT), (), ())
    assert not Gate(uses, frozenset(), frozenset({"content.prompt"})).lets(Opening(Purpose.SUPPORT), (), ())
    assert Gate(uses, frozenset(), frozenset()).lets(Opening(Purpose.REQUEST), (), ())


def test_what_is_leased_for_a_register_lies_in_one() -> None:
    assert is_about(Purpose.REGISTER, [BreachId.new(), DisclosureId.new(), ActId.new()])
    assert not is_about(Purpose.REGISTER, [BreachId.new(), GenerationId.new()])
    assert not is_about(Purpose.REGISTER, [RequestId.new()])
    assert not is_about(Purpose.REGISTER, [AccountId.new()])
    assert is_about(Purpose.SHOW, [GenerationId.new()])
