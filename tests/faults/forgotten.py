"""Somebody who is forgotten, and all the looks that have to find nothing of them, however often one looks."""

import asyncio
import hashlib
import secrets
from dataclasses import dataclass, replace
from typing import Any

from lethe_common import certificates
from lethe_common.bus.requests import ask
from lethe_common.database.roles import DATABASE, FACTS_DATABASE, KEYS_DATABASE
from lethe_common.identifiers import SubjectRef
from lethe_common.rpc.privacy import ErasureOpen, ErasureOpenQuestion
from lethe_common.services import Service
from lethe_common.storage import Storage, subject_prefix
from lethe_privacy.verification import Cluster, Verifier
from tests.faults.messages import Bus, on_the_bus
from tests.faults.reckoning import no_object_without_row, parked, wait_until_all_is_done
from tests.flows.outside import objects, places_beyond_frame, places_of
from tests.suite import Account, RunningSuite, answered, until

# What still knows the random reference of an erased subject, which nothing joins to a person any more.
TRACES = {"privacy.facts", "keys.subjects", "billing.fences", "retention.fences", "jobs.erasures", "jobs.removals"}
_PARTS = """
    SELECT object_random AS part FROM jobs.subjects WHERE subject_ref = $1
     UNION SELECT storage_ref FROM gateway.accounts WHERE subject_ref = $1
"""
_WALLET = "SELECT wallet_id FROM billing.subjects WHERE subject_ref = $1"
_HOLDS = "SELECT 1 FROM billing.holds WHERE wallet_id = $1"
_SPENT = "SELECT count(*) FROM billing.transfers WHERE wallet_id = $1 AND kind IN ('post', 'late_post', 'owe')"
_STATE = "SELECT state FROM privacy.erasures WHERE subject_ref = $1"
_CERTIFICATES = "SELECT count(*) FROM privacy.certificates"
_CATEGORIES = ("outputs", "upload.image", "export.archive")
_CLUSTERS = {Cluster.DATA: DATABASE, Cluster.KEYS: KEYS_DATABASE, Cluster.FACTS: FACTS_DATABASE}


@dataclass(frozen=True, slots=True)
class Leaving:
    """What is known of somebody who is about to go: their account, and where their things are."""

    account: Account
    wallet_id: object
    parts: tuple[str, ...]
    spent: int
    claim: str

    @classmethod
    def of(cls, suite: RunningSuite, account: Account) -> "Leaving":
        """As long as there is something to be looked up."""
        ref = account.subject_ref
        parts = tuple(row["part"] for row in suite.look(_PARTS, ref))
        wallet = suite.look(_WALLET, ref)[0]["wallet_id"]
        return cls(account, wallet, parts, suite.look(_SPENT, wallet)[0][0], secrets.token_urlsafe(32))

    def as_charged_now(self, suite: RunningSuite) -> "Leaving":
        """The same person, of whom nothing more than by now may be charged."""
        return replace(self, spent=suite.look(_SPENT, self.wallet_id)[0][0])

    def leave(self, suite: RunningSuite) -> None:
        """Ask the privacy service to be forgotten, as a gateway would that nothing stands in the way of."""
        claim_hash = hashlib.sha256(self.claim.encode()).hexdigest()
        question = ErasureOpenQuestion(subject_ref=SubjectRef(self.account.subject_ref), claim_hash=claim_hash)

        async def open_(bus: Bus) -> None:
            await ask(bus.seats[Service.GATEWAY], Service.GATEWAY, ErasureOpen, question)

        on_the_bus(suite, open_)

    def state(self, suite: RunningSuite) -> str | None:
        """How far the erasure is; None once it is completed, when the record no longer says whose it was."""
        rows = suite.look(_STATE, self.account.subject_ref)
        return rows[0]["state"] if rows else None

    def certificate(self, suite: RunningSuite, timeout_seconds: float = 90) -> dict[str, Any]:
        """The certificate once it is there; it verifies."""

        def look() -> dict[str, Any] | None:
            with suite.anonymous() as http:
                answer = http.post("/v1/erasures/status", json={"claim": self.claim})
            return answered(answer)["certificate"] if answer.is_success else None

        found = until(look, "the certificate", timeout_seconds)
        with suite.anonymous() as http:
            key = http.get("/v1/certificates/public-key").content
        certificates.verify(certificates.render(found), key)
        return found

    def is_nowhere(self, suite: RunningSuite) -> None:
        """No row, no object, no key, no mail, no hold, no charge, by the superuser's look and by the verifier's.

        Raises:
            AssertionError: says what is left, and where.
        """
        wait_until_all_is_done(suite)
        assert asyncio.run(places_of(suite, self.account.account_id)) == {}
        left = asyncio.run(places_beyond_frame(suite, self.account.subject_ref))
        assert left.keys() <= TRACES, left
        assert [one.name for one in objects(suite) if any(part in one.name for part in self.parts)] == []
        assert [one for one in asyncio.run(self._seen(suite)) if one[1]] == []
        assert suite.look(_HOLDS, self.wallet_id) == []
        assert suite.look(_SPENT, self.wallet_id)[0][0] == self.spent
        books = suite.books()
        assert books["is_balanced"], books["differences"]
        assert parked(suite) == []
        no_object_without_row(suite)

    async def _seen(self, suite: RunningSuite) -> list[tuple[str, int]]:
        """What the product's own verifier finds, store by store."""
        key = suite.s3_key("verifier")
        storage = Storage(suite.s3_endpoint, key.access_key, key.secret_key, suite.runtime.s3_bucket)
        verifier = await Verifier.open({one: suite.dsn("verifier", name) for one, name in _CLUSTERS.items()}, storage)
        try:
            prefixes = [subject_prefix(category, part) for category in _CATEGORIES for part in self.parts]
            seen = await verifier.look(SubjectRef(self.account.subject_ref), prefixes)
        finally:
            await verifier.close()
        assert len(seen) > len(prefixes)
        return [(finding.store, finding.found) for finding in seen]


def certificates_issued(suite: RunningSuite) -> int:
    """How many certificates there are of all erasures."""
    return int(suite.look(_CERTIFICATES)[0][0])
