"""The chain of the access log: what of it can be changed without being noticed is nothing."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.rpc.privacy import Purpose
from lethe_common.services import Service
from lethe_privacy import access_checkpoints
from lethe_privacy.access_checkpoints import Checkpoint
from lethe_privacy.access_checks import Body, Walk
from lethe_privacy.errors import AccessLogBroken
from lethe_privacy.grants import (
    NOTHING,
    Batch,
    Grant,
    by_subject,
    commitment_of,
    entry_of,
    linked,
    split,
    window_of,
)

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
Written = list[tuple[Batch, list[Body]]]
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


def a_grant(subject_ref: SubjectRef | None = None) -> Grant:
    return Grant(
        subject_ref or SubjectRef.new(), Service.GATEWAY, Purpose.SHOW, "service", (GenerationId.new(),), NOON, "a" * 16
    )


def a_chain(*sizes: int) -> Written:
    written: Written = []
    link = NOTHING
    for number, size in enumerate(sizes, 1):
        grants = [a_grant() for _ in range(size)]
        entries = [entry_of(grant) for grant in grants]
        bodies = [
            Body(place, [(at, entries[at]) for at, _ in its])
            for place, its in enumerate(by_subject(grants).values(), 1)
        ]
        commitments = tuple(commitment_of(entry) for entry in entries)
        batch = linked(link, Batch(number, NOON, NOON + timedelta(days=30), len(bodies), commitments, NOTHING))
        written.append((batch, bodies))
        link = batch.link
    return written


def walked(written: Written, ended: Checkpoint | None = None, outside: Sequence[Checkpoint] = ()) -> Walk:
    walk = Walk(outside={one.number: one.link for one in outside})
    walk.begin(written[0][0] if written else None, ended)
    for batch, bodies in written:
        walk.step(batch, bodies)
    walk.end()
    return walk


def broken(written: Written, ended: Checkpoint | None = None, outside: Sequence[Checkpoint] = ()) -> str:
    with pytest.raises(AccessLogBroken) as refusal:
        walked(written, ended, outside)
    return str(refusal.value)


def at(written: Written, number: int) -> Checkpoint:
    return Checkpoint(number, written[number - 1][0].link)


def test_a_chain_holds_and_tells_how_much_of_it_there_is() -> None:
    walk = walked(a_chain(2, 1, 3))

    assert (walk.batches, walk.entries, walk.unreadable, walk.last.number) == (3, 6, 0, 3)
    assert walked([]).last == Checkpoint(0, NOTHING)


@given(st.integers(0, 2), st.integers(0, 63), st.integers(0, 7))
def test_any_bit_of_any_commitment_or_link_that_is_changed_breaks_the_chain_there(
    number: int, byte: int, bit: int
) -> None:
    written = a_chain(1, 1, 1)
    batch, bodies = written[number]
    changed = bytearray(batch.commitments[0] + batch.link)
    changed[byte] ^= 1 << bit
    written[number] = (replace(batch, commitments=(bytes(changed[:32]),), link=bytes(changed[32:])), bodies)

    assert f"batch {number + 1} " in broken(written).lower()


@pytest.mark.parametrize(
    "change",
    [
        lambda batch: replace(batch, at=batch.at + timedelta(microseconds=1)),
        lambda batch: replace(batch, ends_at=batch.ends_at + timedelta(microseconds=1)),
        lambda batch: replace(batch, link=bytes(32)),
    ],
)
def test_whatever_else_a_batch_says_is_under_its_link(change: Callable[[Batch], Batch]) -> None:
    written = a_chain(1, 2, 1)
    written[1] = (change(written[1][0]), written[1][1])

    assert broken(written).startswith("Batch 2 does not hold")


@pytest.mark.parametrize("name", ["at", "items", "purpose", "salt", "service", "subject", "use"])
def test_an_entry_that_says_something_else_is_named(name: str) -> None:
    written = a_chain(1, 3)
    place, entry = (written[1][1][1].entries or [])[0]
    written[1][1][1] = Body(2, [(place, {**entry, name: "else"})])

    assert broken(written) == "Entry 2 of batch 2 does not hold: it does not fit its commitment."


def test_an_entry_a_body_or_a_batch_that_was_taken_out_is_named() -> None:
    written = a_chain(2, 3, 1)
    batch, bodies = written[1]

    assert broken([written[0], (batch, [*bodies[:2], Body(3, [])]), written[2]]) == (
        "Entry 3 of batch 2 was taken out."
    )
    assert broken([written[0], (batch, bodies[:2]), written[2]]) == "Body 3 of batch 2 was taken out."
    assert broken([written[0], written[2]]) == "Batch 2 is missing: the next one there is has number 3."
    assert broken(written[1:]) == "Batch 1 is missing: the first one there is has number 2."


def test_batches_in_another_order_do_not_hold_even_with_their_numbers_mended() -> None:
    (first, of_first), (second, of_second), third = a_chain(1, 1, 1)
    swapped = [(replace(second, number=1), of_second), (replace(first, number=2), of_first), third]

    assert broken(swapped).startswith("Batch 1 does not hold: it was changed, or it stood in another place")


def test_an_erased_subject_leaves_the_chain_whole_and_is_counted() -> None:
    written = a_chain(1, 3)
    written[1][1][0] = Body(1, None)

    assert walked(written).unreadable == 1


def test_a_chain_that_was_written_anew_or_cut_off_shows_only_beside_a_checkpoint_from_outside() -> None:
    written, anew = a_chain(1, 1, 1), a_chain(1, 1, 1)
    outside = [at(written, 2)]

    assert walked(written, outside=outside).batches == 3
    assert walked(anew).batches == 3
    assert broken(anew, outside=outside).startswith("Batch 2, or one before it, is another one than")
    assert broken(written[:1], outside=outside).startswith("Batch 2 is missing: there was one of number 2")


def test_a_checkpoint_stands_for_what_ended_and_nothing_else_does() -> None:
    written = a_chain(1, 1, 1, 1)

    walk = walked(written[2:], ended=at(written, 2), outside=[at(written, 2), at(written, 4)])

    assert (walk.batches, walk.last) == (2, at(written, 4))
    assert walked([], ended=at(written, 4)).last.number == 4
    assert broken(written[2:]).startswith("Batch 1 is missing")
    assert broken(written[2:], ended=at(written, 1)).startswith("Batch 2 is missing")
    assert broken(written[2:], ended=Checkpoint(2, bytes(32))).startswith("Batch 3 does not hold")
    assert "ended with their period" in broken(written[2:], ended=at(written, 2), outside=[at(written, 1)])


def test_a_checkpoint_passes_only_as_it_was_signed() -> None:
    document = access_checkpoints.signed(Checkpoint(7, bytes(32)), NOON, KEY)

    assert access_checkpoints.read(document, KEY.public_key()) == Checkpoint(7, bytes(32))
    for wrong in (document.replace(b'"number":7', b'"number":8'), b"{}", b"no", b'{"payload":{}}'):
        with pytest.raises(AccessLogBroken):
            access_checkpoints.read(wrong, KEY.public_key())
    with pytest.raises(AccessLogBroken, match="another key"):
        access_checkpoints.read(document, Ed25519PrivateKey.generate().public_key())


def test_two_entries_of_the_same_grant_have_nothing_in_common() -> None:
    grant = a_grant()

    assert commitment_of(entry_of(grant)) != commitment_of(entry_of(grant))


@given(st.integers(0, 3_000_000_000), st.integers(1, 400))
def test_each_instant_lies_in_one_window_and_windows_follow_one_another(seconds: int, days: int) -> None:
    moment, width, subject_ref = datetime.fromtimestamp(seconds, UTC), timedelta(days=days), SubjectRef.new()

    window = window_of(moment, width)

    assert window.began_at <= moment < window.ends_at == window.began_at + width
    assert window_of(window.ends_at, width).began_at == window.ends_at
    assert len(window.record_of(subject_ref)) <= 64
    assert window.record_of(subject_ref) != window_of(window.ends_at, width).record_of(subject_ref)


def test_commitments_come_back_one_by_one() -> None:
    (batch, _), *_ = a_chain(5)

    assert split(b"".join(batch.commitments)) == batch.commitments
