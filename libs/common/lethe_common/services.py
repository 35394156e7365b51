"""The five services by name, as NATS users, Postgres roles and event sources know them."""

from enum import StrEnum


class Service(StrEnum):
    """One of the five processes."""

    GATEWAY = "gateway"
    JOBS = "jobs"
    BILLING = "billing"
    RETENTION = "retention"
    PRIVACY = "privacy"
