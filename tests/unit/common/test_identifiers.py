import pytest
from pydantic import TypeAdapter, ValidationError

from lethe_common.identifiers import GenerationId, HoldId, Identifier, SubjectRef, uuid7


def test_ids_made_one_after_another_sort_in_that_order() -> None:
    made = [GenerationId.new() for _ in range(1000)]

    assert sorted(made) == made
    assert len(set(made)) == 1000


def test_a_uuid7_carries_its_version_variant_and_millisecond() -> None:
    made = uuid7(1_700_000_000_123)

    assert made.version == 7
    assert made.int >> 80 == 1_700_000_000_123
    assert made.variant == "specified in RFC 4122"


def test_a_subject_reference_does_not_tell_when_it_was_made() -> None:
    assert len({SubjectRef.new()[5:17] for _ in range(100)}) == 100


@pytest.mark.parametrize("text", ["", "video_", "hold_" + "0" * 32, "video_" + "G" * 32, "video_" + "0" * 33])
def test_an_id_of_another_shape_cannot_be_built(text: str) -> None:
    with pytest.raises(ValueError, match="not an id of the form"):
        GenerationId(text)


def test_a_field_of_one_kind_refuses_an_id_of_another() -> None:
    adapter: TypeAdapter[Identifier] = TypeAdapter(HoldId)

    hold = HoldId.new()
    assert adapter.validate_python(hold) == hold
    with pytest.raises(ValidationError):
        adapter.validate_python(GenerationId.new())
