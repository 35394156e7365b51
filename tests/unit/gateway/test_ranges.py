import pytest

from lethe_gateway.endpoints.content import wanted_range

ETAG = '"asset_1-1"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, (0, 1000, False)),
        ("bytes=0-0", (0, 1, True)),
        ("bytes=100-199", (100, 200, True)),
        ("bytes=100-", (100, 1000, True)),
        ("bytes=-100", (900, 1000, True)),
        ("bytes=-5000", (0, 1000, True)),
        ("bytes=990-5000", (990, 1000, True)),
        ("bytes=1000-", None),
        ("bytes=-0", None),
        ("bytes=5-4", (0, 1000, False)),
        ("bytes=-", (0, 1000, False)),
        ("bytes=0-1,5-6", (0, 1000, False)),
        ("items=0-1", (0, 1000, False)),
    ],
)
def test_a_range_is_taken_as_rfc_9110_says(header: str | None, expected: tuple[int, int, bool] | None) -> None:
    assert wanted_range(header, None, ETAG, 1000) == expected


def test_a_range_of_another_revision_is_answered_whole() -> None:
    assert wanted_range("bytes=0-1", '"asset_0-1"', ETAG, 1000) == (0, 1000, False)
    assert wanted_range("bytes=0-1", ETAG, ETAG, 1000) == (0, 2, True)
