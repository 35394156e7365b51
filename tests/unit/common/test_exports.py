"""Archives of people's data: written as streams, read back, compared by what is in them."""

import asyncio
import hashlib
import json
import tracemalloc
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from lethe_common.exports import (
    FORMAT,
    MANIFEST,
    README,
    Archive,
    ArchiveInvalid,
    ArchiveReason,
    Section,
    digest_of,
    document,
    manifest_bytes,
    read_export,
)
from lethe_common.exports.pages import told
from lethe_common.services import Service

AT = datetime(2026, 11, 26, 12, 30, tzinfo=UTC)
SECTIONS = tuple(Section("ledger.json", name, Service.BILLING) for name in ("grants", "holds", "wallet"))
RECORDS: dict[str, list[dict[str, JsonValue]]] = {
    "grants": [{"source": "sign_up", "amount": 100}, {"amount": 5, "source": "сдача"}],
    "holds": [],
    "wallet": [{"available": 105}],
}
MiB = 1024**2


async def chunks(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


async def pages(section: Section) -> AsyncIterator[Sequence[dict[str, JsonValue]]]:
    for record in RECORDS[section.name]:
        yield [record]


async def written(file: Path, *, media: bytes = b"frames" * 100) -> None:
    """An archive as the gateway writes it."""
    archive = Archive(AT)
    with file.open("wb") as target:

        async def add(name: str, content: AsyncIterator[bytes]) -> None:
            async for piece in archive.add(name, content):
                target.write(piece)

        await add(README, chunks(b"words"))
        await add("ledger.json", document(SECTIONS, pages, lambda _section, _count: None))
        await add("media/video.mp4", chunks(media[:10], media[10:]))
        files: list[JsonValue] = [
            {"name": one.name, "bytes": one.size_bytes, "sha256": one.sha256} for one in archive.files
        ]
        digest = digest_of({one.name: one.sha256 for one in archive.files})
        await add(MANIFEST, chunks(manifest_bytes({"format": FORMAT, "files": files, "content_digest": digest})))
        target.write(archive.end())


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    file = tmp_path / "export.zip"
    asyncio.run(written(file))
    return file


def repacked(file: Path, change: Callable[[str, bytes], tuple[str, bytes]], **more: bytes) -> Path:
    """The same archive, packed by another program that changed something; what has no name any more is left out."""
    with zipfile.ZipFile(file) as old:
        contents = [(name, old.read(name)) for name in old.namelist()]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as new:
        for name, content in (*(change(*one) for one in reversed(contents)), *more.items()):
            if name:
                new.writestr(name, content)
    return file


def test_an_archive_is_a_zip_that_any_program_opens_and_whose_documents_are_canonical(archive: Path) -> None:
    with zipfile.ZipFile(archive) as whole:
        assert whole.testzip() is None
        assert whole.read("ledger.json") == rfc8785.dumps(RECORDS)
        assert whole.getinfo("media/video.mp4").compress_type == zipfile.ZIP_STORED
        assert whole.getinfo("ledger.json").date_time == (2026, 11, 26, 12, 30, 0)


def test_read_back_it_has_the_records_and_the_digest_that_its_manifest_names(archive: Path) -> None:
    export = read_export(archive)

    assert export.documents == {"ledger.json": RECORDS}
    assert export.media == {"media/video.mp4": hashlib.sha256(b"frames" * 100).hexdigest()}
    assert export.digest == export.manifest["content_digest"]


def test_the_digest_is_one_of_the_content_not_of_its_packing_or_words(archive: Path) -> None:
    digest = read_export(archive).digest

    def with_spaces(name: str, content: bytes) -> tuple[str, bytes]:
        if name == "ledger.json":
            return name, json.dumps(json.loads(content), indent=1).encode()
        return (name, b"other words") if name == README else (name, content)

    repacked(archive, with_spaces)
    with zipfile.ZipFile(archive) as whole:
        sums = {name: hashlib.sha256(whole.read(name)).hexdigest() for name in whole.namelist() if name != MANIFEST}

    def with_its_sums(name: str, content: bytes) -> tuple[str, bytes]:
        if name != MANIFEST:
            return name, content
        manifest = json.loads(content)
        return name, json.dumps({**manifest, "files": [{"name": n, "sha256": s} for n, s in sums.items()]}).encode()

    assert read_export(repacked(archive, with_its_sums)).digest == digest


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1), min_size=1), st.data())
def test_any_other_content_has_another_digest(files: dict[str, str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(files)))
    other = data.draw(st.text().filter(lambda text: text != files[name]))
    is_counted = name not in {MANIFEST, README}

    assert (digest_of({**files, name: other}) != digest_of(files)) is is_counted


def _with_one_changed_byte(name: str, content: bytes) -> tuple[str, bytes]:
    return (name, content[:-1] + bytes((content[-1] ^ 1,))) if name == "media/video.mp4" else (name, content)


def _without_video(name: str, content: bytes) -> tuple[str, bytes]:
    return ("", content) if name == "media/video.mp4" else (name, content)


def _without_manifest(name: str, content: bytes) -> tuple[str, bytes]:
    return ("", content) if name == MANIFEST else (name, content)


def _of_another_format(name: str, content: bytes) -> tuple[str, bytes]:
    return name, content.replace(FORMAT.encode(), b"lethe.export/9")


def _unchanged(name: str, content: bytes) -> tuple[str, bytes]:
    return name, content


@pytest.mark.parametrize(
    ("change", "more", "reason"),
    [
        (_with_one_changed_byte, {}, ArchiveReason.CHANGED),
        (_without_video, {}, ArchiveReason.MISSING_FILE),
        (_without_manifest, {}, ArchiveReason.NO_MANIFEST),
        (_of_another_format, {}, ArchiveReason.UNKNOWN_FORMAT),
        (_unchanged, {"media/more.mp4": b"x"}, ArchiveReason.UNKNOWN_FILE),
    ],
)
def test_what_is_not_whole_and_unchanged_is_told_with_its_reason(
    archive: Path, change: Callable[[str, bytes], tuple[str, bytes]], more: dict[str, bytes], reason: ArchiveReason
) -> None:
    with pytest.raises(ArchiveInvalid) as refused:
        read_export(repacked(archive, change, **more))

    assert refused.value.reason is reason


@pytest.mark.parametrize("length", [0, 10, 300])
def test_a_cut_file_is_told(archive: Path, length: int) -> None:
    archive.write_bytes(archive.read_bytes()[:length])

    with pytest.raises(ArchiveInvalid):
        read_export(archive)


def test_a_large_file_passes_through_a_small_memory() -> None:
    total_bytes, seen = 256 * MiB, 0

    async def large() -> AsyncIterator[bytes]:
        for _ in range(total_bytes // MiB):
            yield bytes(MiB)

    async def pass_through() -> None:
        nonlocal seen
        archive = Archive(AT)
        async for piece in archive.add("media/video.mp4", large()):
            seen += len(piece)

    tracemalloc.start()
    asyncio.run(pass_through())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert seen > total_bytes
    assert most < 8 * MiB


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (2**53 - 1, 2**53 - 1),
        (2**53, "9007199254740992"),
        (-(2**63), "-9223372036854775808"),
        (AT, "2026-11-26T12:30:00+00:00"),
        (date(2026, 11, 26), "2026-11-26"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (["a", 1], ["a", 1]),
    ],
)
def test_a_columns_value_as_an_archive_has_it(value: object, expected: JsonValue) -> None:
    assert told(value) == expected
    rfc8785.dumps(told(value))


def test_bytes_are_in_no_record() -> None:
    with pytest.raises(TypeError, match="no bytes"):
        told(b"sealed")
