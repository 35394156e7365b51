from hypothesis import given
from hypothesis import strategies as st

from lethe_jobs.admissions import Occupancy, admit, eta_seconds, free_slots, place_of

SUBJECTS = st.sampled_from(["ada", "bob", "cy"])
OCCUPANCIES = st.builds(Occupancy, st.frozensets(st.integers(0, 7)), st.booleans())


def test_a_newcomer_takes_the_lowest_free_slot_of_its_own_subject() -> None:
    occupied = {"ada": Occupancy(frozenset({0, 2}))}

    assert admit([("1", "ada"), ("2", "ada"), ("3", "bob")], occupied, {"ada": 4, "bob": 1}) == [1, 3, 0]


def test_who_comes_when_all_slots_are_taken_waits() -> None:
    assert admit([("1", "ada"), ("2", "ada"), ("3", "ada")], {}, {"ada": 2}) == [0, 1, None]


def test_a_newcomer_never_overtakes_an_older_run_of_its_subject() -> None:
    assert free_slots(Occupancy(frozenset(), has_waiting=True), 4) == []


def test_after_a_smaller_plan_nothing_is_admitted_until_the_low_slots_are_free() -> None:
    assert free_slots(Occupancy(frozenset({0, 5, 6})), 1) == []
    assert free_slots(Occupancy(frozenset({5, 6})), 1) == [0]


@given(
    st.lists(SUBJECTS, max_size=20),
    st.dictionaries(SUBJECTS, OCCUPANCIES),
    st.fixed_dictionaries({subject: st.integers(1, 8) for subject in ("ada", "bob", "cy")}),
)
def test_no_slot_is_given_twice_nor_beyond_the_limit_and_none_stays_free_for_who_waits(
    subjects: list[str], occupied: dict[str, Occupancy], limits: dict[str, int]
) -> None:
    slots = admit([(str(index), subject) for index, subject in enumerate(subjects)], occupied, limits)

    for subject in set(subjects):
        given_slots = [slot for slot, owner in zip(slots, subjects, strict=True) if owner == subject]
        admitted = [slot for slot in given_slots if slot is not None]
        before = occupied.get(subject, Occupancy())
        assert len(set(admitted)) == len(admitted)
        assert not set(admitted) & before.slots
        assert all(slot < limits[subject] for slot in admitted)
        assert given_slots == [*admitted, *[None] * (len(given_slots) - len(admitted))]
        if None in given_slots and not before.has_waiting:
            assert set(range(limits[subject])) <= before.slots | set(admitted)


def test_the_next_in_the_queue_has_position_one_and_waits_for_itself_only() -> None:
    assert place_of(0, 0) == 1
    assert eta_seconds(1, at_once=2, mean_seconds=10, own_seconds=4) == 4


def test_who_stands_behind_a_full_round_waits_for_that_round() -> None:
    assert place_of(3, 1) == 5
    assert eta_seconds(5, at_once=2, mean_seconds=10, own_seconds=4) == 24
