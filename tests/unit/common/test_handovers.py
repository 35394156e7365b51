import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from lethe_common.handovers import HandoverInvalid, name_of, new_key, opened, private_key, public_half, sealed

NAME = "0123456789abcdef" * 2
FACTS = {"prompt": "a boat named Seagrass", "media_type": "video/mp4"}
VIDEO = bytes(range(256)) * 1024


async def _pieces(*pieces: bytes) -> AsyncGenerator[bytes, None]:
    for piece in pieces:
        yield piece


def given(folder: Path, public: str, video: bytes = VIDEO) -> Path:
    async def write() -> bytes:
        return b"".join([one async for one in sealed(NAME, public, FACTS, _pieces(video[:100], video[100:]))])

    file = folder / "item.sealed"
    file.write_bytes(asyncio.run(write()))
    return file


def read(file: Path, pem: bytes) -> tuple[str, dict[str, object], bytes]:
    async def read_it() -> tuple[str, dict[str, object], bytes]:
        item = await opened(file, private_key(pem))
        return item.name, item.facts, b"".join([piece async for piece in item.content])

    return asyncio.run(read_it())


@pytest.mark.parametrize("video", [b"", b"x", VIDEO, VIDEO * 8], ids=["none", "a byte", "some", "more than a batch"])
def test_the_trainer_reads_what_was_sealed_to_its_key(tmp_path: Path, video: bytes) -> None:
    pem, public = new_key()
    file = given(tmp_path, public, video)

    assert read(file, pem) == (NAME, FACTS, video)
    assert name_of(file) == NAME
    assert public_half(private_key(pem)) == public


def test_whoever_carries_it_reads_nothing_but_its_name_and_whose_key_it_waits_for(tmp_path: Path) -> None:
    _, public = new_key()
    content = given(tmp_path, public).read_bytes()

    assert b"Seagrass" not in content
    assert VIDEO[:64] not in content
    assert json.loads(content.partition(b"\n")[0]).keys() == {
        "format", "name", "key_id", "trainer_key_id", "sealed_key",
    }  # fmt: skip


def test_another_key_does_not_open_it_and_is_told_which_one_would(tmp_path: Path) -> None:
    _, public = new_key()
    file = given(tmp_path, public)

    with pytest.raises(HandoverInvalid, match="is sealed to the trainer key"):
        read(file, new_key()[0])


@pytest.mark.parametrize("where", ["name", "sealed_key", "key_id"])
def test_a_changed_header_does_not_open(tmp_path: Path, where: str) -> None:
    pem, public = new_key()
    file = given(tmp_path, public)
    line, _, body = file.read_bytes().partition(b"\n")
    header = json.loads(line)
    last = header[where][-1]
    header[where] = header[where][:-1] + ("0" if last != "0" else "1")
    file.write_bytes(json.dumps(header).encode() + b"\n" + body)

    with pytest.raises(HandoverInvalid):
        read(file, pem)


@pytest.mark.parametrize("cut", [1, 20, 70_000], ids=["a byte", "a tag", "a segment"])
def test_a_cut_file_does_not_open_whole(tmp_path: Path, cut: int) -> None:
    pem, public = new_key()
    file = given(tmp_path, public)
    file.write_bytes(file.read_bytes()[:-cut])

    with pytest.raises(HandoverInvalid):
        read(file, pem)


@pytest.mark.parametrize("name", ["../../somebody", "item", NAME.upper(), f"{NAME}0"])
def test_a_file_is_never_called_by_anything_that_is_no_name(tmp_path: Path, name: str) -> None:
    pem, public = new_key()

    async def write() -> bytes:
        return b"".join([one async for one in sealed(name, public, FACTS, _pieces(VIDEO))])

    file = tmp_path / "item.sealed"
    file.write_bytes(asyncio.run(write()))

    with pytest.raises(HandoverInvalid):
        name_of(file)
    with pytest.raises(HandoverInvalid):
        read(file, pem)


def test_what_is_no_item_or_no_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "item.sealed"
    file.write_bytes(b'{"format": "lethe.key-backup/1"}\n')

    with pytest.raises(HandoverInvalid, match="no item"):
        read(file, new_key()[0])
    with pytest.raises(HandoverInvalid, match="no unencrypted private key"):
        private_key(b"nothing")
