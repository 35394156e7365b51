from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lethe_common.certificates import public_pem, published, render, verify
from lethe_common.clock import RealClock
from lethe_common.database import Database
from lethe_common.identifiers import SubjectRef
from lethe_common.policy import load_book
from lethe_common.rpc.privacy import ErasureStateAnswer, ErasureStateQuestion
from lethe_common.services import Service
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.certificates import Attestor
from lethe_privacy.erasures import OWNERS
from lethe_privacy.finals import FinalCertificates
from lethe_privacy.keybackups import KeyBackups
from lethe_privacy.rotation import Rotation, Rules
from lethe_privacy.transparency import CertificateLog
from tests.integration.erasure_desk import Desk, claim, desk
from tests.servers import RunningServers
from tests.tree import ROOT

__all__ = ["desk"]
DAILY = Rules(rotation=timedelta(days=1), key_backups=2)


class Later:
    """The same desk on the days after an erasure."""

    def __init__(self, desk: Desk, keys: Database, folder: Path) -> None:
        self.desk, self.began = desk, RealClock().now()
        keyring, self.folder = FolderKeyring(folder), folder
        backups = KeyBackups(folder / "backups", None, keyring)
        attestor = Attestor(load_book(ROOT / "deploy/profiles/aisora2"), "real", "0.1.0")
        log = CertificateLog(desk.signing_key, RealClock())
        self.rotation = Rotation(keys, keyring, backups, lambda _now: DAILY)
        self.finals = FinalCertificates(desk.database, keys, keyring, backups, attestor, desk.signing_key, log)

    def after(self, **passed: float) -> datetime:
        return self.began + timedelta(**passed)

    async def erased(self) -> str:
        """The claim of an erasure that has its first certificate."""
        subject_ref, link = await self.desk.subject(), claim()
        erasure_id = await self.desk.saga.open(subject_ref, link)
        await self.desk.until_state(erasure_id, "erasing")
        await self.desk.report(erasure_id, SubjectRef(subject_ref), *OWNERS)
        await self.desk.until_state(erasure_id, "completed")
        return link

    async def state(self, link: str) -> ErasureStateAnswer:
        return await self.desk.answers.state(ErasureStateQuestion(claim_hash=link), Service.GATEWAY)


@pytest.fixture
async def later(desk: Desk, servers: RunningServers, tmp_path: Path) -> Later:
    keys = await Database.open(servers.keys_dsn("privacy"), Service.PRIVACY, schema="keys", size=2)
    return Later(desk, keys, tmp_path)


async def test_after_the_horizon_a_final_certificate_stands_beside_the_first_and_both_are_in_the_log(
    later: Later,
) -> None:
    link = await later.erased()
    first = (await later.state(link)).certificate
    assert first is not None
    for days in (1, 2, 3, 4):
        assert (await later.state(link)).final_certificate is None
        await later.rotation.sweep(later.after(days=days, minutes=5))
        if days == 2:
            await later.finals.sweep(later.after(days=days, minutes=5))
    await later.finals.sweep(later.after(days=4, minutes=5))

    answer = await later.state(link)

    assert answer.certificate == first
    assert answer.final_certificate is not None
    pem = public_pem(later.desk.signing_key).encode()
    checked = verify(render(answer.final_certificate), pem)
    assert checked.payload["interim"] == first["payload"]["certificate_id"]
    assert answer.final_certificate["log"]["index"] > first["log"]["index"]
    head = published(answer.final_certificate["log"]["head"], None, [])
    assert verify(render(answer.final_certificate), pem, render(head)).other_head is not None


async def test_it_is_issued_once(later: Later) -> None:
    link = await later.erased()
    await later.rotation.sweep(later.after(days=4))
    await later.finals.sweep(later.after(days=4))
    issued = (await later.state(link)).final_certificate

    await later.finals.sweep(later.after(days=5))

    assert issued is not None
    assert (await later.state(link)).final_certificate == issued


async def test_without_a_rotation_nothing_is_final_however_much_time_has_passed(later: Later) -> None:
    link = await later.erased()

    await later.finals.sweep(later.after(days=40))

    assert (await later.state(link)).final_certificate is None


async def test_an_epoch_that_somebody_put_back_holds_the_final_certificate_up(later: Later) -> None:
    link = await later.erased()
    copies = {file: file.read_bytes() for file in later.folder.glob("*.epoch")}
    await later.rotation.sweep(later.after(days=4))
    for file, content in copies.items():
        file.write_bytes(content)
        file.chmod(0o600)

    await later.finals.sweep(later.after(days=4))
    assert (await later.state(link)).final_certificate is None
    await later.rotation.sweep(later.after(days=5))
    await later.finals.sweep(later.after(days=5))

    assert (await later.state(link)).final_certificate is not None
