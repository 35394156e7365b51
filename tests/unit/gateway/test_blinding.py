from pydantic import SecretStr

from lethe_gateway.blinding import Blinding, normal_email

BLINDING = Blinding(SecretStr("0f" * 32))


def test_two_spellings_of_an_address_have_one_index() -> None:
    plain, shouted = normal_email("anna@example.org"), normal_email("  Anna@EXAMPLE.org ")

    assert BLINDING.login_index(plain) == BLINDING.login_index(shouted)


def test_the_same_words_have_another_digest_for_each_use_account_and_pepper() -> None:
    digests = {
        BLINDING.login_index("x"),
        BLINDING.throttle_key("x", "x"),
        BLINDING.request_key("acct_1", "x"),
        BLINDING.request_key("acct_2", "x"),
        BLINDING.body("acct_1", "x"),
        BLINDING.body("acct_2", "x"),
        Blinding(SecretStr("f0" * 32)).login_index("x"),
    }

    assert len(digests) == 7


def test_a_bodys_digest_tells_apart_what_only_differs_in_its_place() -> None:
    assert BLINDING.body("acct_1", ["ab", "c"]) != BLINDING.body("acct_1", ["a", "bc"])
    assert BLINDING.body("acct_1", [None, "a"]) != BLINDING.body("acct_1", ["a", None])
