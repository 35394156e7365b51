"""The purpose gate: denied by default, and nothing a person says ever widens what the policy declares."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe_common.policy import load_policy
from lethe_common.purposes import Default, Reason, Standing, Uses, uses_of
from tests.tree import ROOT

NAMES = ["service", "marketing", "train_models", "tax"]
USES = Uses(
    {
        "identity.email": frozenset({"service", "marketing", "tax"}),
        "content.prompt": frozenset({"service", "train_models"}),
    },
    {"service": "always", "marketing": "opt_out", "train_models": "opt_in", "tax": "always"},
    frozenset({"tax"}),
)
purposes = st.frozensets(st.sampled_from(NAMES))
standings = st.builds(
    Standing, consents=purposes, objections=purposes, is_restricted=st.booleans(), is_fenced=st.booleans()
)
defaults = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["off", "opt_in", "opt_out", "always"]))
declared = st.dictionaries(st.sampled_from(["identity.email", "content.prompt"]), purposes)


@pytest.mark.parametrize(
    ("category", "purpose", "standing", "reason"),
    [
        ("identity.email", "service", Standing(), Reason.ALLOWED),
        ("identity.email", "train_models", Standing(consents={"train_models"}), Reason.NOT_A_USE),
        ("content.face", "service", Standing(), Reason.UNKNOWN_CATEGORY),
        ("content.prompt", "train_models", Standing(), Reason.NO_CONSENT),
        ("content.prompt", "train_models", Standing(consents={"train_models"}), Reason.ALLOWED),
        (
            "content.prompt", "train_models",
            Standing(consents={"train_models"}, objections={"train_models"}), Reason.OBJECTION,
        ),
        ("identity.email", "marketing", Standing(), Reason.ALLOWED),
        ("identity.email", "marketing", Standing(objections={"marketing"}), Reason.OBJECTION),
        ("identity.email", "service", Standing(objections={"service"}), Reason.ALLOWED),
        ("identity.email", "service", Standing(is_restricted=True), Reason.RESTRICTED),
        ("identity.email", "tax", Standing(is_restricted=True), Reason.ALLOWED),
        ("identity.email", "tax", Standing(is_fenced=True), Reason.FENCED),
    ],
)  # fmt: skip
def test_each_use_has_its_verdict_and_its_reason(
    category: str, purpose: str, standing: Standing, reason: Reason
) -> None:
    verdict = USES.allowed(category, purpose, standing)

    assert (verdict.reason, bool(verdict)) == (reason, reason is Reason.ALLOWED)


@given(declared, defaults, st.text(max_size=12), st.text(max_size=12), standings)
def test_nothing_is_allowed_that_is_not_declared(
    by_category: dict[str, frozenset[str]], known: dict[str, Default], category: str, purpose: str, standing: Standing
) -> None:
    if Uses(by_category, known).allowed(category, purpose, standing):
        assert purpose in by_category[category]
        assert known[purpose] != "off"


@given(declared, defaults, standings, st.sampled_from(NAMES))
def test_an_objection_never_allows_more_and_a_withdrawn_consent_never_either(
    by_category: dict[str, frozenset[str]], known: dict[str, Default], standing: Standing, purpose: str
) -> None:
    uses = Uses(by_category, known)
    objecting = Standing(standing.consents, standing.objections | {purpose}, standing.is_restricted, standing.is_fenced)
    withdrawn = Standing(standing.consents - {purpose}, standing.objections, standing.is_restricted, standing.is_fenced)

    for category, other in product(by_category, NAMES):
        before = uses.allowed(category, other, standing).is_allowed
        assert uses.allowed(category, other, objecting).is_allowed <= before
        assert uses.allowed(category, other, withdrawn).is_allowed <= before


@given(declared, defaults, standings)
def test_of_a_subject_that_is_being_forgotten_nothing_is_used(
    by_category: dict[str, frozenset[str]], known: dict[str, Default], standing: Standing
) -> None:
    fenced = Standing(standing.consents, standing.objections, standing.is_restricted, is_fenced=True)

    assert not any(Uses(by_category, known).allowed(*use, fenced) for use in product(by_category, NAMES))


def test_the_shipped_policy_declares_what_the_service_needs_and_nothing_else() -> None:
    uses = uses_of(load_policy(ROOT / "deploy/profiles/aisora2"))

    assert uses.allowed("content.prompt", "service", Standing())
    assert uses.allowed("content.prompt", "train_models", Standing(consents={"train_models"})).reason in {
        Reason.NOT_A_USE, Reason.OFF,
    }  # fmt: skip
