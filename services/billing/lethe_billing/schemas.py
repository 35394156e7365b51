"""How rows become answers. What goes in is defined in `lethe_common.rpc.billing`."""

from uuid import UUID

import asyncpg

from lethe_common.identifiers import GenerationId, TransferId
from lethe_common.rpc.billing import GrantLine, TransferLine


def transfer_id(uuid: UUID) -> TransferId:
    """A transfer's public id."""
    return TransferId.trusted(f"{TransferId.prefix}_{uuid.hex}")


def transfer_uuid(public: str) -> UUID:
    """The id inside a transfer's public id."""
    return UUID(hex=public.removeprefix(f"{TransferId.prefix}_"))


def grant_line(row: asyncpg.Record) -> GrantLine:
    """A grant as its owner sees it."""
    return GrantLine(
        source=row["source"],
        amount=row["amount"],
        remaining=row["remaining"],
        granted_at=row["granted_at"],
        expires_at=row["expires_at"],
    )


def transfer_line(row: asyncpg.Record) -> TransferLine:
    """A transfer as its owner sees it."""
    generation_id = row["generation_id"]
    return TransferLine(
        transfer_id=transfer_id(row["transfer_id"]),
        kind=row["kind"],
        debit=row["debit_account"],
        credit=row["credit_account"],
        amount=row["amount"],
        generation_id=None if generation_id is None else GenerationId.trusted(generation_id),
        created_at=row["created_at"],
    )
