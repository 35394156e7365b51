"""What every keyring has to do, whichever adapter keeps the keys. An adapter joins by a line in `KEYRINGS`."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from lethe_common.identifiers import SealKeyId
from lethe_common.sealing import CannotOpen, KeyLabel, SealContext, wrapping_context
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.errors import EpochUnknown
from lethe_privacy.keyring import Keyring

Process = Callable[[], Keyring]
"""The keyring as a process that was just started has it; all of a test share what is kept."""

KEYRINGS: dict[str, Callable[[Path], Keyring]] = {"folder": lambda folder: FolderKeyring(folder / "keyring")}
CLASS_KEY = bytes(range(32))


@pytest.fixture(params=KEYRINGS)
def process(request: pytest.FixtureRequest, tmp_path: Path) -> Process:
    return lambda: KEYRINGS[request.param](tmp_path)


def context(epoch_id: SealKeyId, subject_ref: str = "subj_a", key_id: str = "seal_b") -> SealContext:
    return wrapping_context(KeyLabel.CLASS, subject_ref, key_id, epoch_id)


async def test_each_epoch_is_a_new_one_and_all_are_known_to_every_process(process: Process) -> None:
    keyring = process()

    made = {await keyring.new_epoch(), await process().new_epoch()}

    assert len(made) == 2
    assert await keyring.epochs() == await process().epochs() == made


async def test_an_empty_keyring_has_no_epoch(process: Process) -> None:
    assert await process().epochs() == frozenset()


async def test_what_one_process_wraps_another_opens_many_at_once_and_in_order(process: Process) -> None:
    ours, theirs = process(), process()
    first, second = await ours.new_epoch(), await theirs.new_epoch()
    wanted = [(context(epoch, f"subj_{n}"), bytes([n]) * 32) for n, epoch in enumerate((first, second, first))]

    wrapped = await ours.wrap(wanted)

    bound = [(bound, sealed) for (bound, _), sealed in zip(wanted, wrapped, strict=True)]
    assert await theirs.unwrap(bound) == [key for _, key in wanted]
    assert await process().unwrap(bound[::-1]) == [key for _, key in wanted[::-1]]
    assert await ours.wrap([]) == await ours.unwrap([]) == []


async def test_a_wrapped_key_shows_nothing_and_is_never_the_same_twice(process: Process) -> None:
    keyring = process()
    bound = context(await keyring.new_epoch())

    first, second = await keyring.wrap([(bound, CLASS_KEY), (bound, CLASS_KEY)])

    assert first != second
    assert CLASS_KEY not in first


async def test_a_key_opens_for_its_subject_its_id_and_its_epoch_only(process: Process) -> None:
    keyring = process()
    epoch, other = await keyring.new_epoch(), await keyring.new_epoch()
    (wrapped,) = await keyring.wrap([(context(epoch), CLASS_KEY)])

    for wrong in (context(epoch, "subj_b"), context(epoch, key_id="seal_c"), context(other)):
        with pytest.raises(CannotOpen):
            await keyring.unwrap([(wrong, wrapped)])


async def test_one_changed_bit_opens_nothing(process: Process) -> None:
    keyring = process()
    bound = context(await keyring.new_epoch())
    (wrapped,) = await keyring.wrap([(bound, CLASS_KEY)])

    for place in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[place] ^= 1
        with pytest.raises(CannotOpen):
            await keyring.unwrap([(bound, bytes(changed))])


async def test_a_destroyed_epoch_opens_nothing_in_any_process_and_takes_no_other_along(process: Process) -> None:
    keyring, beside = process(), process()
    gone, kept = context(await keyring.new_epoch()), context(await keyring.new_epoch())
    (dead, alive) = await keyring.wrap([(gone, CLASS_KEY), (kept, CLASS_KEY)])
    assert await beside.unwrap([(gone, dead)]) == [CLASS_KEY]

    await keyring.destroy(gone.key_id)
    await keyring.destroy(gone.key_id)

    assert await beside.epochs() == {kept.key_id}
    for survivor in (keyring, beside, process()):
        with pytest.raises(EpochUnknown):
            await survivor.unwrap([(gone, dead)])
        with pytest.raises(EpochUnknown):
            await survivor.wrap([(gone, CLASS_KEY)])
        assert await survivor.unwrap([(kept, alive)]) == [CLASS_KEY]


async def test_it_says_how_long_destruction_takes(process: Process) -> None:
    assert process().destroy_delay >= timedelta(0)


async def test_a_login_is_indexed_alike_by_all_processes_and_by_no_other_keyring(
    process: Process, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    digests = await asyncio.gather(*(process().index_digest(b"login") for _ in range(8)))

    assert len(set(digests)) == 1
    assert len(digests[0]) == 32
    assert await process().index_digest(b"other") != digests[0]
    other = KEYRINGS[request.node.callspec.params["process"]](tmp_path / "other")
    assert await other.index_digest(b"login") != digests[0]


async def test_what_it_hands_over_for_a_backup_brings_back_one_epoch_and_the_index_key(
    process: Process, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    keyring = process()
    old, epoch = await keyring.new_epoch(), await keyring.new_epoch()
    digest, (wrapped,) = await keyring.index_digest(b"login"), await keyring.wrap([(context(epoch), CLASS_KEY)])
    handed = await keyring.keys_to_back_up(epoch)

    restored = KEYRINGS[request.node.callspec.params["process"]](tmp_path / "elsewhere")
    await restored.take_back(handed)
    await restored.take_back(handed)

    assert await restored.epochs() == {epoch}
    assert old not in await restored.epochs()
    assert await restored.unwrap([(context(epoch), wrapped)]) == [CLASS_KEY]
    assert await restored.index_digest(b"login") == digest
