"""The chain of facts: what is recorded twice, and what a changed or missing line does to all after it."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from lethe_common.identifiers import SubjectRef
from lethe_common.rpc.facts import ONCE, FactKind, NewFact
from lethe_privacy.ledger import NOTHING, chained, once_only

AT = datetime(2026, 11, 26, 3, tzinfo=UTC)
SUBJECTS = tuple(SubjectRef.new() for _ in range(3))
FACTS = st.builds(
    NewFact,
    kind=st.sampled_from([kind for kind in FactKind if kind is not FactKind.LEDGER_BEGUN]),
    subject_ref=st.sampled_from(SUBJECTS),
    ref=st.sampled_from(["", "one", "another"]),
    at=st.just(AT),
)


@given(st.lists(FACTS, min_size=2, max_size=8), st.data())
def test_every_hash_after_a_change_is_another(news: list[NewFact], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(news) - 1))
    changed = [*news[:place], news[place].model_copy(update={"ref": "changed"}), *news[place + 1 :]]

    before, after = chained(7, NOTHING, news), chained(7, NOTHING, changed)

    assert [fact.number for fact, _ in before] == list(range(8, 8 + len(news)))
    same = [one[1] == other[1] for one, other in zip(before, after, strict=True)]
    assert same == [at < place for at in range(len(news))]


@given(st.lists(FACTS, min_size=1, max_size=8), st.integers(0, 8))
def test_the_chain_is_the_same_however_it_is_cut(news: list[NewFact], cut: int) -> None:
    first = chained(0, NOTHING, news[:cut])
    number, hash_ = (first[-1][0].number, first[-1][1]) if first else (0, NOTHING)

    assert [*first, *chained(number, hash_, news[cut:])] == chained(0, NOTHING, news)


@given(st.lists(FACTS, max_size=12))
def test_what_cannot_become_truer_gets_one_line_and_all_else_as_many_as_it_has(news: list[NewFact]) -> None:
    fresh = once_only(news, [])

    once = [(one.kind, one.subject_ref, one.ref) for one in fresh if one.kind in ONCE]
    assert len(once) == len(set(once))
    assert set(once) == {(one.kind, one.subject_ref, one.ref) for one in news if one.kind in ONCE}
    assert [one for one in fresh if one.kind not in ONCE] == [one for one in news if one.kind not in ONCE]
    assert [one for one in once_only(news, once) if one.kind in ONCE] == []
