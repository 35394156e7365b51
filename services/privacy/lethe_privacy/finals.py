"""Final certificates: after the horizon, when it was seen that no key above the deleted ones is left."""

import json
from dataclasses import dataclass
from datetime import datetime

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lethe_common import certificates
from lethe_common.database import Database
from lethe_privacy import queries, rotation_queries
from lethe_privacy.certificates import Attestor
from lethe_privacy.erasures import Finding
from lethe_privacy.generations import Generation, Phase
from lethe_privacy.keybackups import KeyBackups
from lethe_privacy.keyring import Keyring
from lethe_privacy.transparency import CertificateLog

log = structlog.get_logger()

_BATCH = 50


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left above deleted keys: epochs and wrapped class keys of no generation in use, and kept backups."""

    generation: Generation
    other_epochs: int
    other_class_keys: int
    backups: tuple[int, ...]
    """The generations that key backups hold."""

    def seen(self, last_generation: int) -> list[Finding] | None:
        """Where was looked for keys of generations up to one, with nothing found; None while something may be left."""
        if self.generation.phase is not Phase.RESTING or self.generation.number <= last_generation:
            return None
        old_backups = sum(number <= last_generation for number in self.backups)
        findings = [
            Finding("keyring", "epoch keys but the one in use, listed", self.other_epochs),
            Finding("pg:keys.class_keys", "rows wrapped by another epoch than the one in use", self.other_class_keys),
            Finding("key backups", f"files of generations up to {last_generation}, listed", old_backups),
        ]
        return None if any(finding.found for finding in findings) else findings


class FinalCertificates:
    """Issues final certificates when they are due."""

    def __init__(
        self,
        database: Database,
        keys_database: Database,
        keyring: Keyring,
        backups: KeyBackups,
        attestor: Attestor,
        signing_key: Ed25519PrivateKey,
        certificate_log: CertificateLog,
    ) -> None:
        self._database, self._keys_database, self._keyring, self._backups = database, keys_database, keyring, backups
        self._attestor, self._signing_key, self._log = attestor, signing_key, certificate_log

    async def sweep(self, now: datetime) -> None:
        """Issue what is due by a policy time; what cannot be attested yet is looked at again."""
        async with self._database.transaction() as tx:
            if not await tx.fetchval(queries.IS_FINAL_DUE, now):
                return
        remains = await self._look()
        after = ""
        while remains is not None:
            async with self._database.transaction() as tx:
                rows = await tx.fetch(queries.FINALS_DUE, now, after, _BATCH)
                for row in rows:
                    seen = remains.seen(row["last_generation"])
                    if seen is None:
                        continue
                    statement = self._attestor.final_statement(json.loads(row["document"])["payload"], seen, now)
                    signed = certificates.sign(statement.model_dump(mode="json"), self._signing_key)
                    issued = certificates.issued(signed, await self._log.append(tx, signed))
                    document = certificates.render(issued).decode()
                    await queries.finalise(tx, row["erasure_id"], statement.certificate_id, document, now)
                    log.info("erasure_final", erasure_id=row["erasure_id"], certificate_id=statement.certificate_id)
            if len(rows) < _BATCH:
                return
            after = rows[-1]["erasure_id"]

    async def _look(self) -> Remains | None:
        """What is left above deleted keys; None before the first generation."""
        async with self._keys_database.transaction() as tx:
            generation = await rotation_queries.load(tx)
            if generation is None:
                return None
            others = await tx.fetchval(rotation_queries.COUNT_OF_OTHER_EPOCHS, generation.epoch_id)
        epochs = await self._keyring.epochs()
        backups = tuple(label.generation for label, _ in self._backups.files())
        return Remains(generation, len(epochs - {generation.epoch_id}), others, backups)
