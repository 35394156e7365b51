"""What a cancellation says about money."""

import pytest

from lethe_gateway.endpoints.videos import charge_of


@pytest.mark.parametrize("state", ["queued", "in_progress"])
def test_what_still_runs_costs_something_only_if_it_completes_first(state: str) -> None:
    assert charge_of(state, None) == "only_if_it_completes_first"


def test_nothing_is_said_to_be_free_before_its_charge_is_known() -> None:
    assert charge_of("completed", None) == "settling"


@pytest.mark.parametrize(
    ("state", "credits_charged"), [("failed", None), ("cancelled", None), ("failed", 0), ("completed", 0)]
)
def test_what_cost_nothing_says_so(state: str, credits_charged: int | None) -> None:
    assert charge_of(state, credits_charged) == "none"


def test_what_was_charged_stays_charged() -> None:
    assert charge_of("completed", 20) == "as_charged"
