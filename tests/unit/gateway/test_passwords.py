"""Password hashes: which parameters they have, and that a hash of either cost is checked under the other."""

import pytest
from argon2 import extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY

from lethe_gateway.passwords import PasswordCost, Passwords


async def test_without_a_setting_a_hash_is_what_the_rfc_recommends() -> None:
    assert extract_parameters(await Passwords(1).hash("a long secret")) == RFC_9106_LOW_MEMORY


async def test_the_lower_cost_is_the_least_that_owasp_takes() -> None:
    found = extract_parameters(await Passwords(1, PasswordCost.OWASP).hash("a long secret"))

    assert (found.memory_cost, found.time_cost, found.parallelism) == (19 * 1024, 2, 1)


@pytest.mark.parametrize("made", PasswordCost)
@pytest.mark.parametrize("checked", PasswordCost)
async def test_a_hash_fits_its_password_alone_whatever_it_cost(made: PasswordCost, checked: PasswordCost) -> None:
    encoded = await Passwords(1, made).hash("a long secret")
    passwords = Passwords(1, checked)

    assert await passwords.fits(encoded, "a long secret")
    assert not await passwords.fits(encoded, "another secret")
    assert not await passwords.fits(None, "a long secret")
