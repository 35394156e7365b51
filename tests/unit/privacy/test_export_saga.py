"""An export is ready only when an account of every section came."""

import pytest

from lethe_common.events.privacy import ExportCount
from lethe_common.exports import SECTIONS
from lethe_privacy.exports import missing_sections

ALL = [ExportCount(owner=section.owner, section=section.name, records=0) for section in SECTIONS]


def test_an_account_of_every_section_lacks_none_even_without_a_record() -> None:
    assert missing_sections(ALL) == set()


@pytest.mark.parametrize("left_out", range(len(ALL)))
def test_each_section_that_is_left_out_is_named(left_out: int) -> None:
    section = SECTIONS[left_out]

    assert missing_sections(ALL[:left_out] + ALL[left_out + 1 :]) == {f"{section.owner}.{section.name}"}
