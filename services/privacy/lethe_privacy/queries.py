"""The SQL of erasures, named. `not_before` is database time: it works as a lease between processes."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from lethe_common.database import Transaction
from lethe_common.events.privacy import StoreCount
from lethe_common.identifiers import CertificateId, ErasureId, SubjectRef
from lethe_common.services import Service
from lethe_privacy import access_queries, act_queries, disclosure_queries, request_queries
from lethe_privacy.erasures import Called, Calling, Erasure, Finding, Report, State

_ERASURE = "erasure_id, subject_ref, pseudonym, state, failures, requested_at"

OPEN = """
    INSERT INTO erasures (erasure_id, subject_ref, pseudonym, state, requested_at, not_before)
    VALUES ($1, $2, $3, 'requested', $4, now() + $5)
        ON CONFLICT (subject_ref) WHERE subject_ref IS NOT NULL DO NOTHING
"""
OF_SUBJECT = f"SELECT {_ERASURE} FROM erasures WHERE subject_ref = $1 FOR UPDATE"  # noqa: S608  a constant list of columns
LOCK = f"SELECT {_ERASURE} FROM erasures WHERE erasure_id = $1 AND state <> 'completed' FOR UPDATE"  # noqa: S608  as above
# The claim on the work is the row's own time: it comes back by itself when the process dies.
TAKE_DUE = f"""
    UPDATE erasures SET not_before = now() + $1
     WHERE erasure_id = (
        SELECT erasure_id FROM erasures
         WHERE state <> 'completed' AND not_before <= now()
         ORDER BY not_before LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING {_ERASURE}
"""  # noqa: S608  as above; index erasures_due

# What there is of a subject when it is fenced.
AT_FENCE = f"""
    SELECT ({request_queries.COUNT_OF_SUBJECT}) AS filed, ({access_queries.COUNT_OF_SUBJECT}) AS logged,
           ({disclosure_queries.COUNT_OF_SUBJECT}) AS asked, ({act_queries.COUNT_OF_SUBJECT}) AS named
"""
MOVE = "UPDATE erasures SET state = $2, not_before = now() + $3 WHERE erasure_id = $1"
# Who was handed keys is in the access log; under its lock none of that is still on its way, and what comes later is refused.
CALL_IN = """
    WITH noted AS (UPDATE erasures SET called_in_at = now(), is_called_by_record = $4, is_clear = $5 WHERE erasure_id = $1)
    INSERT INTO called_in (erasure_id, service, process)
    SELECT DISTINCT $1, split_part(process, '.', 1), split_part(process, '.', 2)
      FROM access_bodies, unnest(held_by) AS process
     WHERE subject_ref = $2 AND entered_at > now() - $3::interval
        ON CONFLICT DO NOTHING
"""  # index access_bodies_subject
# Its erasure is locked until the commit: with the last process that lets go it moves on.
LET_GO = f"""
    WITH fenced AS (SELECT {_ERASURE} FROM erasures WHERE subject_ref = $1 AND state = 'fenced' FOR UPDATE), noted AS (
        UPDATE called_in c SET is_let_go = true
          FROM fenced f WHERE c.erasure_id = f.erasure_id AND c.service = $2 AND c.process = $3)
    SELECT {_ERASURE} FROM fenced
"""  # noqa: S608  a constant list of columns; index erasures_subject
_CALLED = {True: "let_go", False: "waited_for"}
CALL = """
    SELECT is_called_by_record, is_clear, called_in_at + $2::interval <= now() AS is_time_over,
           ARRAY (SELECT service FROM called_in c WHERE c.erasure_id = e.erasure_id AND is_let_go) AS let_go,
           ARRAY (SELECT service FROM called_in c WHERE c.erasure_id = e.erasure_id AND NOT is_let_go) AS waited_for
      FROM erasures e WHERE erasure_id = $1
"""
ASK_AGAIN_WHETHER_HELD = "UPDATE erasures SET not_before = now() WHERE subject_ref = $1 AND state = 'held'"
FAIL = """
    UPDATE erasures
       SET state = 'verification_failed', failures = failures + 1, residue = $2, not_before = now() + $3
     WHERE erasure_id = $1
"""
# Prefixes are random per subject: they are locators, and go with the rest.
COMPLETE = """
    WITH certified AS (
        INSERT INTO certificates (certificate_id, erasure_id, kind, document, issued_at) VALUES ($3, $1, 'interim', $5, $2)),
         locators AS (UPDATE steps SET prefixes = '[]' WHERE erasure_id = $1)
    UPDATE erasures
       SET state = 'completed', subject_ref = NULL, residue = '[]', completed_at = $2, certificate_id = $3,
           horizon_at = $4
     WHERE erasure_id = $1
"""
# What the privacy service has of a subject itself, beside the keys.
FORGET_SUBJECT = f"""
    WITH requested AS ({request_queries.FORGET_SUBJECT}), disclosed AS ({disclosure_queries.FORGET_SUBJECT})
    {access_queries.FORGET_SUBJECT}
"""
KEYS_DESTROYED = """
    UPDATE erasures SET state = 'verifying', last_generation = $2, not_before = now() WHERE erasure_id = $1
"""

_FINAL_DUE = """
      FROM erasures e
     WHERE e.state = 'completed' AND e.final_certificate_id IS NULL AND e.last_generation IS NOT NULL
       AND e.horizon_at <= $1
"""  # index erasures_final_due
IS_FINAL_DUE = f"SELECT EXISTS (SELECT 1 {_FINAL_DUE})"
FINALS_DUE = f"""
    SELECT e.erasure_id, e.last_generation,
           (SELECT document FROM certificates c WHERE c.certificate_id = e.certificate_id)
    {_FINAL_DUE} AND e.erasure_id > $2 ORDER BY e.erasure_id LIMIT $3 FOR UPDATE SKIP LOCKED
"""  # noqa: S608  constants of this module
FINALISE = "UPDATE erasures SET final_certificate_id = $2 WHERE erasure_id = $1"

CLAIMED = "SELECT erasure_id FROM claims WHERE claim_hash = $1"
ADD_CLAIM = """
    INSERT INTO claims (claim_hash, erasure_id)
    SELECT $1, $2 WHERE (SELECT count(*) FROM claims WHERE erasure_id = $2) < $3
    RETURNING erasure_id
"""
BY_CLAIM = """
    SELECT e.erasure_id, e.state, e.requested_at, e.certificate_id, c.document, f.document AS final_document
      FROM claims JOIN erasures e USING (erasure_id) LEFT JOIN certificates c USING (certificate_id)
           LEFT JOIN certificates f ON f.certificate_id = e.final_certificate_id
     WHERE claim_hash = $1
"""

STEPS = "SELECT owner, is_reported, counts, prefixes FROM steps WHERE erasure_id = $1"
PUT_STEP = """
    INSERT INTO steps (erasure_id, owner, is_reported, counts, prefixes) VALUES ($1, $2, true, $3, $4)
        ON CONFLICT (erasure_id, owner)
        DO UPDATE SET is_reported = true, counts = excluded.counts, prefixes = excluded.prefixes
"""
ASK_AGAIN = "UPDATE steps SET is_reported = false WHERE erasure_id = $1 AND owner <> 'privacy'"

ADD_CERTIFICATE = """
    INSERT INTO certificates (certificate_id, erasure_id, kind, document, issued_at) VALUES ($1, $2, $3, $4, $5)
"""
# Only its owner role may remove a certificate; index erasures_completed.
FORGET_ERASURES = "SELECT forget_erasures($1, $2)"
IS_FACT = "SELECT EXISTS (SELECT 1 FROM facts WHERE subject_ref = $1 AND kind = $2)"


async def lock_erasure(tx: Transaction, erasure_id: ErasureId) -> Erasure | None:
    """An erasure that is under way, locked; None when it is completed or unknown."""
    return _erasure(await tx.fetchrow(LOCK, erasure_id))


async def lock_of_subject(tx: Transaction, subject_ref: SubjectRef) -> Erasure | None:
    """The erasure of a subject that is under way, locked."""
    return _erasure(await tx.fetchrow(OF_SUBJECT, subject_ref))


async def let_go(tx: Transaction, subject_ref: SubjectRef, service: Service, process: str) -> Erasure | None:
    """Note that a process has none of a subject's keys; the subject's erasure, locked, if it waits for that."""
    return _erasure(await tx.fetchrow(LET_GO, subject_ref, service, process))


async def take_due(tx: Transaction, lease: timedelta) -> Erasure | None:
    """An erasure with an outstanding step, reserved for `lease`."""
    return _erasure(await tx.fetchrow(TAKE_DUE, lease))


async def reports_of(tx: Transaction, erasure_id: ErasureId) -> tuple[list[Report], set[Service]]:
    """All reports there are, and who has reported in this round."""
    rows = await tx.fetch(STEPS, erasure_id)
    reports = [
        Report(
            Service(row["owner"]),
            tuple(StoreCount.model_validate(count) for count in json.loads(row["counts"])),
            tuple(json.loads(row["prefixes"])),
        )
        for row in rows
    ]
    return reports, {Service(row["owner"]) for row in rows if row["is_reported"]}


async def at_fence(tx: Transaction, subject_ref: SubjectRef) -> tuple[int, int, int, int]:
    """How many requests, bodies of the access log, disclosures and acts there are of a subject."""
    row = await tx.fetchone(AT_FENCE, subject_ref)
    return row["filed"], row["logged"], row["asked"], row["named"]


async def call_in(
    tx: Transaction, erasure: Erasure, lookback: timedelta, *, is_by_record: bool, is_clear: bool
) -> None:
    """Note which processes were handed keys of the subject that lately, and that they are called in from now on."""
    await tx.execute(CALL_IN, erasure.erasure_id, erasure.subject_ref, lookback, is_by_record, is_clear)


async def calling_of(tx: Transaction, erasure_id: ErasureId, lasts: timedelta) -> Calling:
    """How far an erasure's call is, if leases last that long at most."""
    row = await tx.fetchrow(CALL, erasure_id, lasts)
    if row is None:
        return Calling((), is_by_record=False, is_time_over=True, is_clear=False)
    called = [Called(Service(one), is_let_go) for is_let_go in (True, False) for one in row[_CALLED[is_let_go]]]
    # An erasure that was fenced by a version without calls has waited for nobody, and does not begin now.
    return Calling(tuple(called), row["is_called_by_record"], row["is_time_over"] is not False, row["is_clear"])


async def put_report(tx: Transaction, erasure_id: ErasureId, report: Report) -> None:
    """Keep an owner's report in place of its earlier one."""
    counts = json.dumps([count.model_dump(mode="json") for count in report.counts])
    await tx.execute(PUT_STEP, erasure_id, report.owner, counts, json.dumps(report.prefixes))


async def fail(tx: Transaction, erasure_id: ErasureId, left: Sequence[Finding], delay: timedelta) -> None:
    """Something was left: show what, and ask the owners again after a while."""
    residue = [{"store": one.store, "method": one.method, "found": one.found} for one in left]
    await tx.execute(FAIL, erasure_id, json.dumps(residue), delay)
    await tx.execute(ASK_AGAIN, erasure_id)


async def complete(
    tx: Transaction,
    erasure: Erasure,
    certificate_id: CertificateId,
    document: str,
    completed_at: datetime,
    horizon_at: datetime,
) -> None:
    """Keep the certificate and forget whose it was."""
    await tx.execute(COMPLETE, erasure.erasure_id, completed_at, certificate_id, horizon_at, document)


async def finalise(
    tx: Transaction, erasure_id: ErasureId, certificate_id: CertificateId, document: str, at: datetime
) -> None:
    """Keep the final certificate."""
    await tx.execute(ADD_CERTIFICATE, certificate_id, erasure_id, "final", document, at)
    await tx.execute(FINALISE, erasure_id, certificate_id)


def _erasure(row: asyncpg.Record | None) -> Erasure | None:
    if row is None:
        return None
    return Erasure(
        ErasureId.trusted(row["erasure_id"]),
        SubjectRef.trusted(row["subject_ref"]),
        row["pseudonym"],
        State(row["state"]),
        row["failures"],
        row["requested_at"],
    )
