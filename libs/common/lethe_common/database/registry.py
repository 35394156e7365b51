"""Where a service's table declarations meet. SQLModel's own registry is global; ours are one per service."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.orm import registry as sqlalchemy_registry


def registry(schema: str) -> "sqlalchemy_registry":
    """A fresh registry whose tables live in `schema`."""
    # Whoever has a database imports this module, the command line too, and few declare tables.
    from sqlalchemy import MetaData  # noqa: PLC0415  as said above
    from sqlalchemy.orm import registry as sqlalchemy_registry  # noqa: PLC0415  as said above

    return sqlalchemy_registry(metadata=MetaData(schema=schema))
