"""Starts the jobs service."""

from lethe_common.process import Blueprint, run
from lethe_common.services import Service
from lethe_jobs.models import Table
from lethe_jobs.settings import JobsSettings
from lethe_jobs.wiring import build


def main() -> None:
    """Serve until asked to stop."""
    run(Blueprint(Service.JOBS, JobsSettings, build, Table.metadata))


if __name__ == "__main__":
    main()
