"""Starts retention."""

from lethe_common.process import Blueprint, run
from lethe_common.services import Service
from lethe_retention.models import Table
from lethe_retention.settings import Settings
from lethe_retention.wiring import build

if __name__ == "__main__":
    run(Blueprint(Service.RETENTION, Settings, build, Table.metadata))
