"""Correcting an address: a new one is proved by a mailed link and then stands wherever the old one stood.

The address rests sealed in `accounts` and, until the link is used, the new one in `address_changes`;
the key store finds a login by it. Mails that wait resolve the address when they are sent, and no
other service knows it: `COPIES` lists the columns, and a test compares it with the catalogue.
"""

import secrets
from datetime import datetime, timedelta

import structlog

from lethe_common.bus import Bus
from lethe_common.clock import Clock
from lethe_common.database import Database
from lethe_common.errors import Unavailable
from lethe_common.identifiers import RequestId, SealKeyId, SubjectRef
from lethe_common.rpc.envelope import Refused
from lethe_common.rpc.privacy import KeyClass, LoginMove, LoginMoveQuestion, Purpose
from lethe_common.sealing import SealContext, Sealer
from lethe_gateway import account_queries as queries
from lethe_gateway.blinding import Blinding, digest, normal_email
from lethe_gateway.callers import Caller
from lethe_gateway.errors import AddressTaken, Conflict, Gone
from lethe_gateway.item_keys import HeldKey, ItemKeys
from lethe_gateway.mails import Mails
from lethe_gateway.notices import Moved
from lethe_gateway.requests import Requests, Shown, Wish

log = structlog.get_logger()

CATEGORY = "identity.email"
COPIES = frozenset({"gateway.accounts.email_sealed", "gateway.address_changes.email_sealed"})
"""Every column that holds an address. A correction writes the first and removes the second."""

INSERT = """
    INSERT INTO gateway.address_changes (token_hash, account_id, request_id, email_sealed, expires_at)
    VALUES ($1, $2, $3, $4, $5)
"""
FIND = """
    SELECT c.request_id, c.email_sealed AS new_sealed, a.account_id, a.subject_ref, a.email_sealed, a.key_id
      FROM gateway.address_changes c JOIN gateway.accounts a USING (account_id)
     WHERE c.token_hash = $1 AND c.expires_at > $2 AND a.state = 'active'
"""
REQUEST_OF = "SELECT request_id FROM gateway.address_changes WHERE account_id = $1"
DELETE_OF = "DELETE FROM gateway.address_changes WHERE account_id = $1"
FORGET = "DELETE FROM gateway.address_changes WHERE account_id = $1 AND request_id = $2"
OVER = """
    SELECT c.account_id, c.request_id, a.subject_ref
      FROM gateway.address_changes c JOIN gateway.accounts a USING (account_id)
     WHERE c.expires_at <= $1 ORDER BY c.expires_at LIMIT $2
"""
_BATCH = 100


class Corrections:
    """Changes addresses. A link is valid for `valid`."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        clock: Clock,
        keys: ItemKeys,
        sealer: Sealer,
        blinding: Blinding,
        mails: Mails,
        requests: Requests,
        *,
        valid: timedelta,
    ) -> None:
        self._database, self._bus, self._clock = database, bus, clock
        self._keys, self._sealer, self._blinding = keys, sealer, blinding
        self._mails, self._requests, self._valid = mails, requests, valid

    async def begin(self, caller: Caller, wish: Wish, email: str) -> Shown:
        """Take a request to correct the address, and mail a link to the new one. Until it is used nothing changes.

        Raises:
            NotVerified, NotSignedIn: the account is not in use.
            Conflict: it has no address that could be wrong.
        """
        caller.must_be_active()
        account = await self._database.pool.fetchrow(queries.ACCOUNT_BY_ID, caller.account_id)
        if account is None or account["email_sealed"] is None:
            raise Conflict("This account has no address. Open one with an address instead.", code="no_address")
        ref, account_id, token = caller.subject_ref, caller.account_id, secrets.token_urlsafe(32)
        held = await self._keys.issue(ref, account_id, KeyClass.IDENTITY)
        # Whoever mistypes the new address asks again: that is still the same request.
        known = await self._database.pool.fetchval(REQUEST_OF, account_id)
        shown = await (self._requests.file(ref, wish) if known is None else self._requests.own(ref, known))
        mail = await self._mails.write_moved(account_id, ref, "address_change", Moved(address=email, token=token))
        over = self._clock.now() + self._valid
        # The link in an older one opens nothing from now on, and its reader is nobody who has to hear of it.
        await self._mails.recall(account_id, ref, "address_change")
        async with self._database.transaction() as tx:
            await tx.execute(DELETE_OF, account_id)
            sealed = self._sealer.seal(held.key, self._context(ref, account_id, held.key_id), email.encode())
            await tx.execute(INSERT, digest(token), account_id, shown.request.request_id, sealed, over)
            await self._mails.enqueue_until(tx, mail, over)
        return shown

    async def confirm(self, token: str) -> None:
        """Put the new address in the old one's place, everywhere; the old address is told.

        Raises:
            Gone: the link was used, or is too old.
            AddressTaken: another account has the new address.
        """
        row = await self._database.pool.fetchrow(FIND, digest(token), self._clock.now())
        if row is None:
            raise Gone("This link was used already, or is too old. Ask for the correction again.")
        ref, account_id = row["subject_ref"], row["account_id"]
        held = await self._keys.lease(Purpose.SHOW, ref, account_id)
        new, old = (self._opened(held, ref, account_id, row[name]) for name in ("new_sealed", "email_sealed"))
        # The key store comes first: repeating it after a crash changes nothing, and the link still works.
        question = LoginMoveQuestion(
            subject_ref=SubjectRef.trusted(ref),
            login_index=self._blinding.login_index(normal_email(new)),
            request_id=RequestId.trusted(row["request_id"]),
        )
        if not (await self._bus.ask(LoginMove, question)).is_moved:
            raise AddressTaken
        mail = await self._mails.write_moved(account_id, ref, "address_changed", Moved(address=old))
        async with self._database.transaction() as tx:
            await tx.execute(queries.SET_EMAIL, account_id, row["new_sealed"])
            await tx.execute(DELETE_OF, account_id)
            # A link that was mailed to the old address opens nothing any more.
            await tx.execute(queries.DELETE_TOKENS, account_id, "password_reset")
            await self._mails.enqueue_until(tx, mail, self._clock.now() + self._valid)

    async def forget(self, caller: Caller, request_id: str) -> None:
        """The link of a request that is taken back opens nothing any more."""
        async with self._database.transaction() as tx:
            await tx.execute(FORGET, caller.account_id, request_id)

    async def sweep(self, now: datetime) -> None:
        """What nobody confirmed in time goes, and its request lapses: nobody has to answer it.

        Without an answer of the privacy service nothing lapses; the next sweep asks again.
        """
        is_left = True
        while is_left:
            rows = await self._database.pool.fetch(OVER, now, _BATCH)
            for row in rows:
                if not await self._lapse(row["subject_ref"], row["request_id"]):
                    return
                async with self._database.transaction() as tx:
                    await tx.execute(FORGET, row["account_id"], row["request_id"])
            is_left = len(rows) == _BATCH

    async def _lapse(self, subject_ref: str, request_id: str) -> bool:
        """Whether the privacy service answered."""
        try:
            await self._requests.take_back(subject_ref, request_id, has_lapsed=True)
        except Refused as error:
            # An operator has decided about it, or it went with its period.
            log.info("correction_left", request_id=request_id, error_code=error.refusal_code)
        except Unavailable as error:
            log.warning("corrections_wait", error_code=error.code)
            return False
        return True

    def _opened(self, held: HeldKey, subject_ref: str, account_id: str, sealed: bytes) -> str:
        return self._sealer.open(held.key, self._context(subject_ref, account_id, held.key_id), sealed).decode()

    def _context(self, subject_ref: str, account_id: str, key_id: SealKeyId) -> SealContext:
        return SealContext(CATEGORY, subject_ref, account_id, key_id)
