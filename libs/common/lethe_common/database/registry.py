"""Where a service's table declarations meet. SQLModel's own registry is global; ours are one per service."""

from sqlalchemy import MetaData
from sqlalchemy.orm import registry as sqlalchemy_registry


def registry(schema: str) -> sqlalchemy_registry:
    """A fresh registry whose tables live in `schema`."""
    return sqlalchemy_registry(metadata=MetaData(schema=schema))
