import pytest

from lethe_common.rpc.privacy import Purpose
from lethe_common.services import Service
from lethe_privacy.leases import ALLOWED, is_allowed, refusal_of


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
