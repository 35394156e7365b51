from lethe_gateway.corrections import COPIES
from tests.places.declared import columns


def test_a_correction_knows_every_column_that_holds_an_address() -> None:
    found = {
        f"{column.place}"
        for column in columns()
        if column.holding is not None and column.holding.category == "identity.email"
    }

    assert found == COPIES, "corrections.py has to write or remove each copy of an address"
