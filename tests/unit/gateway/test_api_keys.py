from hypothesis import given
from hypothesis import strategies as st

from lethe_gateway.api_keys import is_key, new_key


def test_a_fresh_key_is_a_key_and_no_two_are_alike() -> None:
    keys = {new_key() for _ in range(200)}

    assert len(keys) == 200
    assert all(is_key(key) for key in keys)


def test_a_single_wrong_letter_is_seen_without_a_database() -> None:
    key = new_key()

    for place in range(len(key)):
        wrong = key[:place] + ("a" if key[place] != "a" else "b") + key[place + 1 :]
        assert not is_key(wrong)


@given(st.text(max_size=80))
def test_any_other_text_is_no_key_and_no_error(text: str) -> None:
    assert not is_key(text)
    assert not is_key(f"lethe_sk_{text}")
