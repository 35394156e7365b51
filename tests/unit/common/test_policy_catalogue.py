from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe_common.policy import Catalogue, PolicyError, Price, load_catalogue, load_profile
from lethe_common.policy.errors import UnknownModel, UnknownPlan
from lethe_common.policy.sizes import PictureSize, parse_size
from tests.tree import ROOT

AISORA2 = ROOT / "deploy" / "profiles" / "aisora2"
NOW = datetime(2026, 12, 1, tzinfo=UTC)
HD, SMALL = PictureSize(1280, 720), PictureSize(640, 360)
NEWER = """  - version: later
    effective: 2027-01-01
    credits_per_second:
      lethe-local-1: {640x360: 6, 1280x720: 16, 720x1280: 16, 1024x1792: 31, 1792x1024: 31}

plans:"""


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = (AISORA2 / "catalogue.yaml").read_text()
    assert old in text
    (tmp_path / "catalogue.yaml").write_text(text.replace(old, new))
    (tmp_path / "policy.yaml").write_bytes((AISORA2 / "policy.yaml").read_bytes())
    return tmp_path


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_profile(AISORA2).catalogue


def test_without_a_wish_the_default_model_makes_four_seconds_of_720p(catalogue: Catalogue) -> None:
    model = catalogue.model(None)

    assert (model.id, model.default_size, model.default_seconds) == ("lethe-local-1", HD, 4)
    assert catalogue.prices.price(model.id, HD, 4, NOW).credits == 60


def test_the_opening_credits_pay_for_ten_default_clips(catalogue: Catalogue) -> None:
    assert catalogue.opening_plan.id == "free"
    assert catalogue.opening_plan.opening_credits == 10 * catalogue.prices.price("lethe-local-1", HD, 4, NOW).credits
    assert catalogue.plan("pro").opening_credits == 0


def test_what_is_not_on_offer_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownModel):
        catalogue.model("sora-2")
    with pytest.raises(UnknownModel):
        catalogue.prices.price("lethe-local-1", PictureSize(100, 100), 4, NOW)
    with pytest.raises(UnknownPlan):
        catalogue.plan("platinum")


def test_a_new_price_counts_from_its_day_and_not_for_what_was_quoted_before(tmp_path: Path) -> None:
    prices = load_catalogue(changed(tmp_path, "\nplans:", NEWER)).prices
    quoted = prices.price("lethe-local-1", HD, 4, datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC))

    assert quoted.credits == 60
    assert prices.price("lethe-local-1", HD, 4, datetime(2027, 1, 1, tzinfo=UTC)) == Price("later", 64)
    assert prices.as_delivered(quoted, "lethe-local-1", HD, HD, 4.0) == 60


def test_the_first_prices_count_before_their_day_too(catalogue: Catalogue) -> None:
    assert catalogue.prices.price("lethe-local-1", HD, 4, datetime(2020, 1, 1, tzinfo=UTC)).credits == 60


@pytest.mark.parametrize(
    ("delivered", "seconds", "charged"),
    [
        (HD, 4.0, 60),
        (HD, 3.96, 60),
        (HD, 4.9, 60),
        (HD, 2.5, 45),
        (HD, 0.0, 0),
        (SMALL, 4.0, 20),
        (PictureSize(854, 480), 4.0, 60),
        (PictureSize(320, 180), 4.0, 20),
        (PictureSize(1792, 1024), 4.0, 60),
        (PictureSize(4000, 4000), 4.0, 60),
    ],
)
def test_what_is_delivered_below_the_order_costs_less(
    catalogue: Catalogue, delivered: PictureSize, seconds: float, charged: int
) -> None:
    quoted = catalogue.prices.price("lethe-local-1", HD, 4, NOW)

    assert catalogue.prices.as_delivered(quoted, "lethe-local-1", HD, delivered, seconds) == charged


def test_a_price_version_no_longer_listed_charges_what_was_quoted(catalogue: Catalogue) -> None:
    assert catalogue.prices.as_delivered(Price("gone", 77), "lethe-local-1", HD, SMALL, 1.0) == 77


@given(st.integers(1, 9999), st.integers(1, 9999), st.floats(0, 10_000))
def test_a_delivery_never_costs_more_than_its_quote(
    catalogue: Catalogue, width: int, height: int, seconds: float
) -> None:
    prices = catalogue.prices
    quoted = prices.price("lethe-local-1", SMALL, 8, NOW)

    charged = prices.as_delivered(quoted, "lethe-local-1", SMALL, PictureSize(width, height), seconds)

    assert 0 <= charged <= quoted.credits


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("640x360: 5", "640x360p: 5", "catalogue.yaml:.*not a size"),
        ("        640x360: 5\n", "", "lack a size of lethe-local-1"),
        ("default: true", "default: false", "exactly one model"),
        ("{id: basic,", "{id: free,", "plans has an entry twice"),
        ("seconds: [4, 8, 12]", "seconds: []", "catalogue.yaml:10: "),
        ("retention: pro}", "retention: platinum}", "lacks a plan of catalogue"),
    ],
)
def test_a_catalogue_that_does_not_hold_together_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(PolicyError, match=told):
        load_profile(changed(tmp_path, old, new))


@pytest.mark.parametrize("text", ["", "1280", "1280X720", "0x720", "1280x720x1", "99999x1", None])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)
