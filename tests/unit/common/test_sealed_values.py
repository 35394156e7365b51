from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe_common.identifiers import SealKeyId
from lethe_common.sealing import (
    CannotOpen,
    KeyLabel,
    SealContext,
    Sealer,
    key_id_of,
    unwrap,
    wrap,
    wrapping_context,
)

KEY_IDS = st.uuids().map(lambda made: SealKeyId(f"seal_{made.hex}"))
CONTEXTS = st.builds(SealContext, st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), KEY_IDS)
KEYS = st.binary(min_size=32, max_size=32)
ON, OFF = Sealer(is_on=True), Sealer(is_on=False)
KEY = bytes(range(32))
CONTEXT = SealContext("content.prompt", "subj_" + "a" * 32, "video_" + "b" * 32, SealKeyId("seal_" + "c" * 32))


@given(KEYS, CONTEXTS, st.binary(max_size=3000))
def test_what_was_sealed_opens_again_and_names_its_key(key: bytes, context: SealContext, plaintext: bytes) -> None:
    sealed = ON.seal(key, context, plaintext)

    assert ON.open(key, context, sealed) == plaintext
    assert key_id_of(sealed) == context.key_id
    assert len(sealed) == len(plaintext) + 45


@given(st.binary(max_size=200), st.data())
def test_any_flipped_bit_is_found(plaintext: bytes, data: st.DataObject) -> None:
    sealed = bytearray(ON.seal(KEY, CONTEXT, plaintext))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(CannotOpen):
        ON.open(KEY, CONTEXT, bytes(sealed))


@given(st.binary(max_size=100), st.integers(0, 144))
def test_a_cut_value_never_opens(plaintext: bytes, length: int) -> None:
    sealed = ON.seal(KEY, CONTEXT, plaintext)

    with pytest.raises(CannotOpen):
        ON.open(KEY, CONTEXT, sealed[: min(length, len(sealed) - 1)])


@given(CONTEXTS, CONTEXTS)
def test_a_value_opens_in_no_other_context(sealed_in: SealContext, opened_in: SealContext) -> None:
    sealed = ON.seal(KEY, sealed_in, b"a paper boat")

    if sealed_in == opened_in:
        return
    with pytest.raises(CannotOpen):
        ON.open(KEY, opened_in, sealed)


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(CONTEXT, category="another"),
        replace(CONTEXT, subject_ref="another"),
        replace(CONTEXT, item_id="another"),
    ],
)
def test_a_value_cannot_be_moved_to_another_user_item_or_category(elsewhere: SealContext) -> None:
    sealed = ON.seal(KEY, CONTEXT, b"a paper boat")

    with pytest.raises(CannotOpen):
        ON.open(KEY, elsewhere, sealed)


def test_letters_moved_from_one_field_to_the_next_make_another_context() -> None:
    sealed = ON.seal(KEY, replace(CONTEXT, category="ab", subject_ref="c"), b"a paper boat")

    with pytest.raises(CannotOpen):
        ON.open(KEY, replace(CONTEXT, category="a", subject_ref="bc"), sealed)


def test_another_key_does_not_open() -> None:
    sealed = ON.seal(KEY, CONTEXT, b"a paper boat")

    with pytest.raises(CannotOpen):
        ON.open(bytes(32), CONTEXT, sealed)


def test_the_same_text_never_seals_to_the_same_bytes() -> None:
    assert ON.seal(KEY, CONTEXT, b"a paper boat") != ON.seal(KEY, CONTEXT, b"a paper boat")


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        ON.seal(bytes(16), CONTEXT, b"")


def test_a_refusal_never_echoes_what_was_read() -> None:
    with pytest.raises(CannotOpen) as refusal:
        ON.open(KEY, CONTEXT, b"\x07a paper boat in the rain, long enough to be read as a value")

    assert "paper" not in str(refusal.value)


def test_the_format_of_a_value_stays_as_it_was_first_written() -> None:
    written = bytes.fromhex(VALUE_OF_THE_FIRST_RELEASE)

    assert ON.open(KEY, CONTEXT, written) == b"a paper boat in the rain"


@given(CONTEXTS, st.binary(max_size=100))
def test_while_off_values_rest_in_clear_and_open_transparently(context: SealContext, plaintext: bytes) -> None:
    left = OFF.seal(KEY, context, plaintext)

    assert left.endswith(plaintext)
    assert left[0] == 0
    assert key_id_of(left) == context.key_id
    assert OFF.open(KEY, context, left) == plaintext
    assert OFF.open(KEY, context, ON.seal(KEY, context, plaintext)) == plaintext


@given(st.binary(max_size=100))
def test_while_on_a_value_in_clear_is_refused(plaintext: bytes) -> None:
    with pytest.raises(CannotOpen):
        ON.open(KEY, CONTEXT, OFF.seal(KEY, CONTEXT, plaintext))


@given(KEYS, KEYS, KEY_IDS, st.sampled_from(KeyLabel))
def test_a_wrapped_key_comes_out_as_it_went_in(kek: bytes, key: bytes, kek_id: SealKeyId, label: KeyLabel) -> None:
    context = wrapping_context(label, "subj_1", "video_1", kek_id)
    wrapped = wrap(kek, context, key)

    assert unwrap(kek, context, wrapped) == key
    assert key_id_of(wrapped) == kek_id
    assert len(wrapped) == 77


def test_an_items_key_never_passes_for_a_class_key() -> None:
    kek_id = SealKeyId.new()
    wrapped = wrap(KEY, wrapping_context(KeyLabel.ITEM, "subj_1", "x", kek_id), bytes(32))

    with pytest.raises(CannotOpen):
        unwrap(KEY, wrapping_context(KeyLabel.CLASS, "subj_1", "x", kek_id), wrapped)


def test_a_key_is_wrapped_under_a_key_label_only() -> None:
    with pytest.raises(ValueError, match="KeyLabel"):
        wrap(KEY, CONTEXT, bytes(32))
    with pytest.raises(ValueError, match="32 bytes"):
        wrap(KEY, wrapping_context(KeyLabel.ITEM, "s", "i", SealKeyId.new()), bytes(16))


VALUE_OF_THE_FIRST_RELEASE = (
    "01cccccccccccccccccccccccccccccccc517fd4f465b80bb3bb552cefaa577f92857f27cc26db5af000f52f9252eb0a75ef"
    "b883b6a4939a7a9dd58826a3c2efea11b3657c"
)
