"""Billing's SQL on wallets, grants, holds and the ledger, named. Whoever writes locks wallets first, always in the order of their ids."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from lethe_billing.grants import Grant, Line, spending_order
from lethe_billing.holds import Hold, HoldState, KnownHold, PlacedHold, Quote
from lethe_billing.ledger import Books
from lethe_billing.settlements import Settled
from lethe_common.database import Transaction
from lethe_common.identifiers import GenerationId, GrantId, HoldId
from lethe_common.policy import Price
from lethe_common.rpc.billing import Order

LOCK_WALLETS_OF_SUBJECTS = """
    SELECT s.subject_ref, w.wallet_id, w.is_closed, w.owed
      FROM subjects s JOIN wallets w USING (wallet_id)
     WHERE s.subject_ref = ANY($1::text[])
     ORDER BY w.wallet_id
       FOR UPDATE OF w
"""

# `version` is another one after each change of the row (system column xmin).
WALLETS_OF_SUBJECTS = """
    SELECT s.subject_ref, w.wallet_id, w.is_closed, w.xmin AS version
      FROM subjects s JOIN wallets w USING (wallet_id)
     WHERE s.subject_ref = ANY($1::text[])
"""

LOCK_WALLETS_OF_GENERATIONS = """
    SELECT wallet_id, is_closed
      FROM wallets
     WHERE wallet_id IN (SELECT wallet_id FROM holds WHERE generation_id = ANY($1::text[]))
     ORDER BY wallet_id
       FOR UPDATE
"""  # unique index holds_generation_id_key

LOCK_WALLETS = (
    "SELECT wallet_id, is_closed FROM wallets WHERE wallet_id = ANY($1::uuid[]) ORDER BY wallet_id FOR UPDATE"
)

CLOSE_WALLET = "UPDATE wallets SET is_closed = true WHERE wallet_id = $1 AND NOT is_closed"

INSERT_WALLETS = "INSERT INTO wallets (wallet_id) SELECT unnest($1::uuid[])"

GRANTS_OF_WALLETS = """
    SELECT grant_id, wallet_id, cause_ref, source, amount, remaining, priority, granted_at, expires_at
      FROM grants
     WHERE wallet_id = ANY($1::uuid[])
"""  # index grants_of_wallet

INSERT_GRANTS = """
    INSERT INTO grants (grant_id, wallet_id, cause_ref, source, amount, remaining, priority, granted_at, expires_at)
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::smallint[],
                         $8::timestamptz[], $9::timestamptz[])
"""

# Everything that moves money goes together: lines of the ledger, the grants they touch, and the wallets' sums of them.
_LINES = """
    t AS (
        INSERT INTO transfers (transfer_id, kind, debit_account, credit_account, wallet_id, cause_ref, amount, created_at)
        SELECT *, $8 FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::bigint[])
         WHERE {condition}
    ), g AS (
        UPDATE grants g SET remaining = g.remaining + c.change
          FROM unnest($13::text[], $14::bigint[]) c(grant_id, change)
         WHERE g.grant_id = c.grant_id AND {condition}
    )
"""
_SUMS = """
    UPDATE wallets w SET available = w.available + c.available, held = w.held + c.held, owed = w.owed + c.owed
      FROM unnest($9::uuid[], $10::bigint[], $11::bigint[], $12::bigint[]) c(wallet_id, available, held, owed)
     WHERE w.wallet_id = c.wallet_id AND {condition}
"""
BOOK = f"WITH {_LINES.format(condition='true')} {_SUMS.format(condition='true')}"

# The grants of each wallet, and the earlier hold under each key, side by side: one round trip for both.
GRANTS_AND_HOLDS_BY_KEY = """
    SELECT grant_id, wallet_id, cause_ref, source, amount, remaining, priority, granted_at, expires_at,
           NULL AS key, NULL AS hold_id, NULL AS generation_id, NULL AS body_hash
      FROM grants
     WHERE wallet_id = ANY($1::uuid[])
     UNION ALL
    SELECT NULL, h.wallet_id, NULL, NULL, h.amount, NULL, NULL, NULL, NULL, h.key, h.hold_id, h.generation_id, h.body_hash
      FROM unnest($1::uuid[], $2::text[]) asked(wallet_id, key)
      JOIN holds h ON h.wallet_id = asked.wallet_id AND h.key = asked.key
"""  # index grants_of_wallet, unique index holds_wallet_id_key_key

LATEST_HOLDS_BY_BODY = """
    SELECT DISTINCT ON (h.wallet_id, h.body_hash)
           h.wallet_id, h.key, h.hold_id, h.generation_id, h.body_hash, h.amount
      FROM unnest($1::uuid[], $2::text[]) asked(wallet_id, body_hash)
      JOIN holds h ON h.wallet_id = asked.wallet_id AND h.body_hash = asked.body_hash AND h.placed_at > $3
     ORDER BY h.wallet_id, h.body_hash, h.placed_at DESC
"""  # index holds_of_body

# New holds and what they move, in one statement: all of it, or nothing where one of the wallets that were looked at
# without a lock ($31, $32) is another by now. Where somebody is changing one, that is waited for: a locked row is
# compared as it is then.
_IS_SAME = "(SELECT is_so FROM same)"
PLACE = f"""
    WITH locked AS MATERIALIZED (
        SELECT w.wallet_id
          FROM unnest($31::uuid[], $32::xid[]) AS seen(wallet_id, version)
          JOIN wallets w ON w.wallet_id = seen.wallet_id AND w.xmin = seen.version
         ORDER BY w.wallet_id
           FOR UPDATE OF w
    ), same AS MATERIALIZED (
        SELECT count(*) = cardinality($31::uuid[]) AS is_so FROM locked
    ), h AS (
        INSERT INTO holds (cause_ref, hold_id, generation_id, wallet_id, key, body_hash, model, width_px, height_px, seconds,
                           price_version, amount, line_grants, line_amounts, placed_at, expires_at)
        SELECT r.cause_ref, r.hold_id, r.generation_id, r.wallet_id, r.key, r.body_hash, r.model, r.width_px, r.height_px,
               r.seconds, r.price_version, r.amount, string_to_array(r.grants, ','), string_to_array(r.amounts, ',')::bigint[],
               r.placed_at, r.expires_at
          FROM unnest($15::uuid[], $16::text[], $17::text[], $18::uuid[], $19::text[], $20::text[], $21::text[], $22::integer[],
                      $23::integer[], $24::integer[], $25::text[], $26::bigint[], $27::text[], $28::text[],
                      $29::timestamptz[], $30::timestamptz[])
            AS r(cause_ref, hold_id, generation_id, wallet_id, key, body_hash, model, width_px, height_px, seconds,
                 price_version, amount, grants, amounts, placed_at, expires_at)
         WHERE {_IS_SAME}
    ), {_LINES.format(condition=_IS_SAME)}, w AS ({_SUMS.format(condition=_IS_SAME)})
    SELECT is_so FROM same
"""  # noqa: S608  put together from our own statements

_HOLD_COLUMNS = """
    hold_id, generation_id, wallet_id, cause_ref, model, width_px, height_px, seconds, price_version, amount,
    line_grants, line_amounts, state
"""

HOLDS_OF_GENERATIONS = f"SELECT {_HOLD_COLUMNS} FROM holds WHERE generation_id = ANY($1::text[])"  # noqa: S608  our own column list

OPEN_HOLDS_OF_WALLET = f"SELECT {_HOLD_COLUMNS} FROM holds WHERE wallet_id = $1 AND state = 'held'"  # noqa: S608  as above

OPEN_HOLDS_OVER = """
    SELECT generation_id
      FROM holds
     WHERE expires_at > $1 AND expires_at <= $2 AND state = 'held'
     ORDER BY expires_at
     LIMIT $3
"""  # index holds_expiring

EXTEND_HOLDS = "UPDATE holds SET expires_at = $2 WHERE generation_id = ANY($1::text[]) AND state = 'held'"

SETTLE_HOLDS = """
    UPDATE holds h SET state = s.state, charged = s.charged, void_cause = s.cause, settled_at = $5
      FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[]) s(cause_ref, state, charged, cause)
     WHERE h.cause_ref = s.cause_ref
"""
# Both columns are what a repetition is found by; a hold's own id is nobody's.
GIVE_KEYS_BACK = "UPDATE holds SET key = hold_id, body_hash = hold_id WHERE cause_ref = ANY($1::uuid[])"

INSERT_QUOTE = """
    INSERT INTO quotes (quote_id, wallet_id, model, width_px, height_px, seconds, price_version, amount, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""

QUOTES = """
    SELECT quote_id, wallet_id, model, width_px, height_px, seconds, price_version, amount, expires_at
      FROM quotes WHERE quote_id = ANY($1::text[])
"""


async def book(tx: Transaction, books: Books, at: datetime) -> None:
    """Write transfers, balances and grants in one statement."""
    if books.transfers:
        await tx.execute(BOOK, *_books(books, at))


async def place(
    tx: Transaction,
    placed: Sequence[PlacedHold],
    books: Books,
    at: datetime,
    versions: Mapping[UUID, int] | None = None,
) -> bool:
    """Store new holds, and write what they move; nothing, and False, where a wallet that is not locked has changed.

    `versions` are those that wallets without a lock had before anything else of them was read.
    """
    seen = versions or {}
    is_placed: bool = await tx.fetchval(PLACE, *_books(books, at), *_holds(placed), list(seen), list(seen.values()))
    return is_placed


def _books(books: Books, at: datetime) -> tuple[object, ...]:
    transfers, balances = books.transfers, books.balance_changes()
    return (
        [transfer.transfer_id for transfer in transfers],
        [transfer.kind for transfer in transfers],
        [transfer.debit for transfer in transfers],
        [transfer.credit for transfer in transfers],
        [transfer.wallet_id for transfer in transfers],
        [transfer.cause_ref for transfer in transfers],
        [transfer.amount for transfer in transfers],
        at,
        list(balances),
        [balance.available for balance in balances.values()],
        [balance.held for balance in balances.values()],
        [balance.owed for balance in balances.values()],
        list(books.grant_changes),
        list(books.grant_changes.values()),
    )


async def grants_of(tx: Transaction, wallet_ids: Collection[UUID]) -> dict[UUID, list[Grant]]:
    """The grants of locked wallets, each wallet's in spending order."""
    found: dict[UUID, list[Grant]] = {wallet_id: [] for wallet_id in wallet_ids}
    for row in await tx.fetch(GRANTS_OF_WALLETS, list(wallet_ids)):
        found[row[1]].append(_grant(row))
    return {wallet_id: spending_order(grants) for wallet_id, grants in found.items()}


async def insert_grants(tx: Transaction, grants: Sequence[Grant]) -> None:
    """Store new grants."""
    await tx.execute(
        INSERT_GRANTS,
        [grant.grant_id for grant in grants],
        [grant.wallet_id for grant in grants],
        [grant.cause_ref for grant in grants],
        [grant.source for grant in grants],
        [grant.amount for grant in grants],
        [grant.remaining for grant in grants],
        [grant.priority for grant in grants],
        [grant.granted_at for grant in grants],
        [grant.expires_at for grant in grants],
    )


async def grants_and_holds_by_key(
    tx: Transaction, keys: Iterable[tuple[UUID, str]]
) -> tuple[dict[UUID, list[Grant]], list[tuple[UUID, str, KnownHold]]]:
    """The grants of locked wallets in spending order, and earlier holds (wallet, key, hold) under the same keys."""
    wallets, texts = _columns(keys)
    found: dict[UUID, list[Grant]] = {wallet_id: [] for wallet_id in wallets}
    known: list[tuple[UUID, str, KnownHold]] = []
    for row in await tx.fetch(GRANTS_AND_HOLDS_BY_KEY, wallets, texts):
        if row[0] is None:
            hold = KnownHold(HoldId.trusted(row[10]), GenerationId.trusted(row[11]), row[12], row[4])
            known.append((row[1], row[9], hold))
        else:
            found[row[1]].append(_grant(row))
    return {wallet_id: spending_order(grants) for wallet_id, grants in found.items()}, known


async def latest_holds_by_body(
    tx: Transaction, bodies: Iterable[tuple[UUID, str]], since: datetime
) -> list[tuple[UUID, str, KnownHold]]:
    """The latest hold of each body since a moment: wallet, key, hold."""
    wallets, texts = _columns(bodies)
    return [_known(row) for row in await tx.fetch(LATEST_HOLDS_BY_BODY, wallets, texts, since)]


def _holds(placed: Sequence[PlacedHold]) -> tuple[object, ...]:
    holds = [one.hold for one in placed]
    return (
        [hold.cause_ref for hold in holds],
        [hold.hold_id for hold in holds],
        [hold.generation_id for hold in holds],
        [hold.wallet_id for hold in holds],
        [one.key for one in placed],
        [one.body_hash for one in placed],
        [hold.order.model for hold in holds],
        [hold.order.width_px for hold in holds],
        [hold.order.height_px for hold in holds],
        [hold.order.seconds for hold in holds],
        [hold.quoted.version for hold in holds],
        [hold.quoted.credits for hold in holds],
        [",".join(line.grant_id for line in hold.lines) for hold in holds],
        [",".join(str(line.amount) for line in hold.lines) for hold in holds],
        [one.placed_at for one in placed],
        [one.expires_at for one in placed],
    )


async def holds_of_generations(tx: Transaction, generation_ids: Collection[str]) -> dict[str, Hold]:
    """Holds by generation. Their wallets must be locked."""
    rows = await tx.fetch(HOLDS_OF_GENERATIONS, list(generation_ids))
    return {row["generation_id"]: _hold(row) for row in rows}


async def open_holds_of(tx: Transaction, wallet_id: UUID) -> list[Hold]:
    """A locked wallet's open holds; their number is bounded by the wallet's credits."""
    return [_hold(row) for row in await tx.fetch(OPEN_HOLDS_OF_WALLET, wallet_id)]


async def settle_holds(tx: Transaction, settled: Sequence[Settled], at: datetime) -> None:
    """Store holds' new states. One that expired stands for nothing: who repeats its request is held for anew, if they can pay."""
    if settled:
        await tx.execute(
            SETTLE_HOLDS,
            [one.hold.cause_ref for one in settled],
            [one.state for one in settled],
            [one.charged for one in settled],
            [one.cause for one in settled],
            at,
        )
    if expired := [one.hold.cause_ref for one in settled if one.state is HoldState.EXPIRED]:
        await tx.execute(GIVE_KEYS_BACK, expired)


async def quotes(tx: Transaction, quote_ids: Sequence[str]) -> Mapping[str, Quote]:
    """Quotes by id, over or not."""
    rows = await tx.fetch(QUOTES, quote_ids) if quote_ids else []
    return {row["quote_id"]: Quote(row["wallet_id"], _order(row), _price(row), row["expires_at"]) for row in rows}


async def insert_quote(tx: Transaction, quote_id: str, quote: Quote) -> None:
    """Store a quote."""
    order, price = quote.order, quote.price
    await tx.execute(
        INSERT_QUOTE,
        quote_id,
        quote.wallet_id,
        order.model,
        order.width_px,
        order.height_px,
        order.seconds,
        price.version,
        price.credits,
        quote.expires_at,
    )


def _columns(pairs: Iterable[tuple[UUID, str]]) -> tuple[list[UUID], list[str]]:
    rows = list(pairs)
    return [wallet_id for wallet_id, _ in rows], [text for _, text in rows]


def _grant(row: asyncpg.Record) -> Grant:
    return Grant(GrantId.trusted(row[0]), *tuple(row)[1:9])


def _known(row: asyncpg.Record) -> tuple[UUID, str, KnownHold]:
    return row[0], row[1], KnownHold(HoldId.trusted(row[2]), GenerationId.trusted(row[3]), row[4], row[5])


def _hold(row: asyncpg.Record) -> Hold:
    lines = zip(row["line_grants"], row["line_amounts"], strict=True)
    return Hold(
        HoldId.trusted(row["hold_id"]),
        GenerationId.trusted(row["generation_id"]),
        row["wallet_id"],
        row["cause_ref"],
        _order(row),
        _price(row),
        tuple(Line(grant_id, amount) for grant_id, amount in lines),
        HoldState(row["state"]),
    )


def _order(row: asyncpg.Record) -> Order:
    return Order.model_construct(
        model=row["model"], width_px=row["width_px"], height_px=row["height_px"], seconds=row["seconds"]
    )


def _price(row: asyncpg.Record) -> Price:
    return Price(row["price_version"], row["amount"])
