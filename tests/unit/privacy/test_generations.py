from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe_common.identifiers import SealKeyId
from lethe_privacy.generations import Generation, Phase, next_beginning

BEGAN = datetime(2026, 11, 26, 3, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("later", "due"),
    [
        (timedelta(0), None),
        (DAY - timedelta(microseconds=1), None),
        (DAY, BEGAN + DAY),
        (DAY + timedelta(hours=5), BEGAN + DAY),
        (30 * DAY + timedelta(hours=5), BEGAN + 30 * DAY),
    ],
)
def test_a_generation_is_due_a_rotation_after_the_last_on_the_same_schedule(
    later: timedelta, due: datetime | None
) -> None:
    assert next_beginning(BEGAN, BEGAN + later, DAY) == due


@given(later=st.timedeltas(timedelta(0), timedelta(days=4000)), rotation=st.timedeltas(timedelta(minutes=1), 30 * DAY))
def test_after_a_rotation_none_is_due_at_the_same_time(later: timedelta, rotation: timedelta) -> None:
    now = BEGAN + later
    due = next_beginning(BEGAN, now, rotation)

    assert due is None or BEGAN < due <= now < due + rotation
    assert next_beginning(due or BEGAN, now, rotation) is None


@pytest.mark.parametrize(("phase", "newest"), [(Phase.RESTING, 7), (Phase.COPYING_ITEMS, 8), (Phase.SWAPPED, 7)])
def test_what_is_deleted_now_may_have_got_into_the_generation_that_is_being_written(phase: Phase, newest: int) -> None:
    epoch_id = SealKeyId.new()

    assert Generation(7, epoch_id, BEGAN, phase, epoch_id, BEGAN + DAY, ("", "")).newest == newest
