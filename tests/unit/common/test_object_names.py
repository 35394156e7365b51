import pytest

from lethe_common.storage import item_prefix, nested_prefix, new_object_prefix, new_subject_random, subject_prefix
from lethe_common.storage.names import check_prefix


def test_an_items_prefix_is_found_from_the_key_of_any_of_its_objects() -> None:
    prefix = new_object_prefix("outputs", new_subject_random())

    assert item_prefix(f"{nested_prefix(prefix)}video") == prefix
    assert item_prefix(f"{prefix}image") == prefix


def test_a_subjects_items_lie_in_one_folder_and_none_begins_like_another() -> None:
    subject = new_subject_random()
    items = [new_object_prefix("outputs", subject) for _ in range(50)]

    assert all(one.startswith(subject_prefix("outputs", subject)) for one in items)
    assert {one.count("/") for one in items} == {2}
    assert not any(one.startswith(other) for one in items for other in items if one != other)


@pytest.mark.parametrize("careless", ["", "/", "-", "outputs", "outputs/ab"])
def test_a_prefix_that_may_reach_neighbours_is_refused(careless: str) -> None:
    with pytest.raises(ValueError, match="slash"):
        check_prefix(careless)
