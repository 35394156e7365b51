"""Starts the privacy service."""

from lethe_common.process import Blueprint, run
from lethe_common.services import Service
from lethe_privacy.models import Table
from lethe_privacy.settings import PrivacySettings
from lethe_privacy.wiring import build


def main() -> None:
    """Serve until asked to stop."""
    run(Blueprint(Service.PRIVACY, PrivacySettings, build, Table.metadata))


if __name__ == "__main__":
    main()
