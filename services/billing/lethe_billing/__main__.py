"""Starts billing."""

from lethe_billing.models import Table
from lethe_billing.settings import Settings
from lethe_billing.wiring import build
from lethe_common.process import Blueprint, run
from lethe_common.services import Service

if __name__ == "__main__":
    run(Blueprint(Service.BILLING, Settings, build, Table.metadata))
